"""Folders of a cache: written once, whole or not at all, and opened by everybody."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from abl.errors import InputError

VERSION = 1  # of what the folders hold: raise it when decoding, reducing or resizing changes


def folder_once(cache: Path, name: str, write: Callable[[Path], None]) -> Path:
    """The finished folder of this name; the first caller writes it, the others wait.

    Args:
        cache: Where it lies; made if need be.
        name: Says what it holds: it is never written again.
        write: Fills an empty folder. Should it raise InputError, what was made for it is taken
            away again: input that is refused leaves nothing behind.
    """
    folder = cache / name
    if folder.is_dir():
        return folder
    made = [each for each in (cache, *cache.parents) if not each.exists()]
    cache.mkdir(parents=True, exist_ok=True)
    lock = cache / f"{name}.lock"
    try:
        return _written_once(folder, lock, write)
    except InputError:
        lock.unlink(missing_ok=True)
        for each in made:
            # not empty: another process works there by now
            with contextlib.suppress(OSError):
                each.rmdir()
        raise


def _written_once(folder: Path, lock: Path, write: Callable[[Path], None]) -> Path:
    cache, name = folder.parent, folder.name
    with FileLock(lock):
        if folder.is_dir():
            return folder
        for left in cache.glob(f"{name}.partial-*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        unfinished = cache / f"{name}.partial-{os.getpid()}"
        unfinished.mkdir()
        try:
            write(unfinished)
            for path in unfinished.iterdir():
                with path.open("rb+") as file:  # a rename that outlives a power cut must not
                    os.fsync(file.fileno())  # name files whose pages do not
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def folder_key(*parts: object) -> str:
    """Hex digest of JSON-able parts and of the version of what the folders hold."""
    content = json.dumps([VERSION, *parts], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]
