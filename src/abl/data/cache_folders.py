"""Folders of a cache: written once, whole or not at all, checked, and opened by everybody."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from abl.contained import path_below
from abl.errors import InputError
from abl.kept_files import json_kept, read_kept
from abl.scratch import part_of
from abl.spec.yaml_file import sha256_of
from abl.told_lock import told_lock

VERSION = 1  # of what the folders hold: raise it when decoding, reducing or resizing changes
SUMS = ".sums.json"  # SHA-256 of each file of a folder
_believes = False  # see `without_checksums`
_looked_at: dict[Path, list[tuple[str, int, int]]] = {}  # whole folders; names, sizes, times then


def folder_once(cache: Path, name: str, write: Callable[[Path], None]) -> Path:
    """The finished folder of this name; the first caller writes it, the others wait.

    Args:
        name: Says what it holds: it is never written again, unless a file of it is damaged.
        write: Fills an empty folder. Should it raise InputError, what was made for it is taken
            away again: input that is refused leaves nothing behind.
    """
    folder = cache / name
    if is_whole(folder):
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
    with told_lock(lock, f"{name} in the cache"):
        if is_whole(folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        if folder.is_symlink():
            raise InputError(f"{folder}: a link that leads to no whole folder: remove it (rm)")
        # by a process that was killed; earlier versions gave them the second name
        for left in (*cache.glob(f".{name}.*.part"), *cache.glob(f"{name}.partial-*")):
            shutil.rmtree(left, ignore_errors=True)
        unfinished = part_of(folder)
        unfinished.mkdir()
        try:
            write(unfinished)
            sums = {path.name: sha256_of(path) for path in sorted(unfinished.iterdir())}
            (unfinished / SUMS).write_text(json.dumps(sums), encoding="utf-8")
            for path in unfinished.iterdir():
                with path.open("rb+") as file:  # a rename that outlives a power cut must not
                    os.fsync(file.fileno())  # name files whose pages do not
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


@contextlib.contextmanager
def without_checksums() -> Iterator[None]:
    """Within it folders are believed if their files are there: reading gigabytes is for those who
    compute with them.
    """
    global _believes
    before, _believes = _believes, True
    try:
        yield
    finally:
        _believes = before


def is_whole(folder: Path) -> bool:
    """Whether a folder is there and its files hold what was written.

    Each file is read once by a process, and again if it has changed since. A folder without sums
    (of an earlier version, or brought from an object store, which checks them) is believed.
    """
    try:
        if not (folder / SUMS).exists():
            return folder.is_dir()
        if _believes:
            names = json_kept(read_kept(folder / SUMS))
            return all(path_below(folder, name).is_file() for name in names)
        # a file put in place of the folder, or of the sums, is damage too
        now = sorted(
            (path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()
        )
        if _looked_at.get(folder) == now:
            return True
        sums = json_kept(read_kept(folder / SUMS))
        whole = all(sha256_of(path_below(folder, name)) == sha for name, sha in sums.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False
    if whole:
        _looked_at[folder] = now
    return whole


def folder_key(*parts: object) -> str:
    """Hex digest of JSON-able parts and of the version of what the folders hold."""
    content = json.dumps([VERSION, *parts], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]
