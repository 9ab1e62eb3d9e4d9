"""A user's own Python file: what it registers becomes names in YAML, and part of an identity."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from abl.errors import InputError, Problem
from abl.nets.registry import FUSIONS, HEADS, NETWORKS, forget_remembered
from abl.nets.user_source import UserSource
from abl.registry import Entry, Registry, forget, loading, sign
from abl.spec.attention import VARIANTS


@dataclass(frozen=True, eq=False)
class _Loaded:
    """The file whose names are in use, its source as it was loaded."""

    file: Path
    module: ModuleType
    source: UserSource

    def is_as_on_disk(self) -> bool:
        try:
            return all(file.read_bytes() == had for file, had in self.source.files.items())
        except OSError:
            return False

    def digest_of(self, entry: Entry) -> str:
        module = "" if entry.module == self.module.__name__ else entry.module
        return self.source.digest(module, str(getattr(entry.made, "__qualname__", "<made>")))


_current: _Loaded | None = None


def load_module(path: str | Path) -> ModuleType:
    """Makes the names of a user's file those in use: imports it unless this was done last.

    One file at a time: a sweep has one, and two sweeps in a process may each call theirs `mine`.
    It may import files of its folder, by names that nothing installed has.

    Raises:
        InputError: no such file, or the line in it at which its import failed.
    """
    global _current
    file = Path(path).resolve()
    if not file.is_file():
        raise InputError(f"module: there is no file {path}")
    if file.suffix != ".py":
        raise InputError(f"module: {path} is not a Python file (.py)")
    if _current is not None and _current.file == file and _current.is_as_on_disk():
        return _current.module
    unload_module()
    name = f"abl_user_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.meta_path.insert(0, _Folder(file.parent))
    try:
        source = UserSource(file, file.parent)
        _remove_modules(source.helpers())
        sys.modules[name] = module
        with loading(str(file), lambda each: each is module.__dict__ or _is_beside(each)):
            # compiled from the bytes that are hashed: a cached .pyc can be of an older source
            exec(compile(source.content, str(file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        unload_module()
        sys.modules.pop(name, None)
        raise InputError(_problem(file, error)) from error
    _current = _Loaded(file, module, source)
    sign(str(file), _current.digest_of)
    return module


# role in a training, as `Train.components` has it -> where its names are known
_KNOWN: Mapping[str, Registry[Any]] = {
    "network": NETWORKS,
    "head": HEADS,
    "fusion": FUSIONS,
    "variant": VARIANTS,
}


def component_identity(components: Mapping[str, str]) -> dict[str, Any]:
    """What the components that a training names, by role, add to its identity.

    Nothing for one of the package at version 1. `head_version` and the like for a higher one;
    `module`, with the digest of its source, for one of the user's own file.
    """
    used = {role: _KNOWN[role].identity(name) for role, name in components.items()}
    identity: dict[str, Any] = {
        f"{role}_version": each["version"] for role, each in used.items() if "version" in each
    }
    if own := {role: each["source"] for role, each in used.items() if "source" in each}:
        identity["module"] = own
    return identity


class _FromSource(SourceFileLoader):
    """Compiles what is there now: neither reads nor leaves a cached .pyc."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self.get_data(self.path), self.path, "exec")
        return code


class _Folder:
    """Finds modules that lie beside the user's file, unless something installed has their name."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.found: set[str] = set()  # modules and packages at the top that came from it

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        if path is None:
            there = (self._folder / name, self._folder / f"{name}.py")
            if not any(each.exists() for each in there) or self._is_installed(name):
                return None
            path = [str(self._folder)]
        elif not any(Path(each).is_relative_to(self._folder) for each in path):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _FromSource(name, spec.loader.path)
            self.found.add(name.partition(".")[0])
        return spec

    def _is_installed(self, name: str) -> bool:
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(name, None) for finder in others)
        found = next((spec for spec in specs if spec is not None), None)
        # it may be on Python's path through the folder itself
        return found is not None and not Path(found.origin or "").is_relative_to(self._folder)


def unload_module() -> None:
    """Leaves the names of the package alone in use."""
    global _current
    forget_remembered()
    if _current is not None:
        forget(str(_current.file))
    _current = None
    folders = [finder for finder in sys.meta_path if isinstance(finder, _Folder)]
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder not in folders]
    _remove_modules(set().union(*(folder.found for folder in folders)))


def _is_beside(module: Mapping[str, Any]) -> bool:
    """Whether a module, by its globals, lies beside the user's file."""
    return isinstance(module.get("__loader__"), _FromSource)


def _remove_modules(names: set[str]) -> None:
    # another thread may import meanwhile: what it begins must not end this
    for name in list(sys.modules):
        if name.partition(".")[0] in names:
            sys.modules.pop(name, None)


def _problem(file: Path, error: BaseException) -> Problem:
    if isinstance(error, SyntaxError):
        at = Path(error.filename or file)
        return Problem(f"does not parse: {error.msg}", at.name, error.lineno)
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(file)
    ]
    message = f"import fails with {type(error).__name__}: {error}"
    if isinstance(error, InputError):  # what registers says itself what is wrong
        message = error.problems[0].message
        if error.problems[0].file:
            return error.problems[0]
    return Problem(message, file.name, lines[-1] if lines else None)
