"""A user's own Python file: its @network and @rule functions become names in YAML."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from abl.errors import InputError, Problem
from abl.nets.registry import forget_networks

_current: tuple[str, str] = ("", "")  # name of the module, SHA-256 of the source it is of


def load_module(path: str | Path) -> ModuleType:
    """Makes the names of a user's file those in use: imports it unless this was done last.

    One file at a time: a sweep has one, and two sweeps in a process may each call theirs `mine`.

    Raises:
        InputError: no such file, or the line in it at which its import failed.
    """
    global _current
    file = Path(path).resolve()
    if not file.is_file():
        raise InputError(f"module: there is no file {path}")
    source = file.read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    # the name depends on the place alone, so that an edited file replaces what it registered
    name = f"abl_user_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if _current == (name, digest):
        return sys.modules[name]
    forget_networks(_current[0])
    _current = ("", "")
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError(f"module: {path} is not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # compiled from the bytes that were hashed: a cached .pyc can be of an older source
        exec(compile(source, str(file), "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        forget_networks(name)
        if isinstance(error, InputError):
            raise
        raise InputError(_problem(file, error)) from error
    _current = (name, digest)
    return module


def _problem(file: Path, error: Exception) -> Problem:
    if isinstance(error, SyntaxError):
        return Problem(f"does not parse: {error.msg}", file.name, error.lineno)
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(file)
    ]
    message = f"import fails with {type(error).__name__}: {error}"
    return Problem(message, file.name, lines[-1] if lines else None)
