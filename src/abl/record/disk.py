"""Faults of a disk told in a line, and what dead workers leave on it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from abl.errors import StageError
from abl.record.store import Store

_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def disk_fault(error: BaseException, root: Path) -> str:
    """One line on a disk that is full or read-only, "" if the error is another.

    Args:
        root: Of the store, which is named unless the file is elsewhere.
    """
    # libraries that write from other languages raise errors of their own, with the system's words
    text, code = str(error), error.errno if isinstance(error, OSError) else None
    found = code if code in _FAULTS else next((c for c in _FAULTS if os.strerror(c) in text), None)
    if found is None:
        return ""
    name = getattr(error, "filename", None)
    place = name if name and not Path(str(name)).is_relative_to(root) else root
    advice = "make it writable" if found == errno.EROFS else "make room"
    return f"{os.strerror(found)}: {place}; {advice}, then the same command goes on from here"


@contextmanager
def disk_told(root: Path) -> Iterator[None]:
    """Raises StageError for a disk that is full or read-only; other errors pass."""
    try:
        yield
    except Exception as error:
        line = disk_fault(error, root)
        if not line:
            raise
        raise StageError(line) from error


def clear_leftovers(store: Store, finished: Collection[str]) -> None:
    """Removes leases of dead holders and attempts that nobody is at work on.

    A process killed between its commit and the end of its lease leaves them; no later run would
    ask for that lease again.
    """
    store.clear_leases(finished)
    folder = store.root / "work"
    # an attempt makes its folder after it has taken its lease
    begun = (
        sorted(path for path in folder.iterdir() if path.name in finished)
        if folder.is_dir()
        else []
    )
    leased = set(store.leased()) if begun else set()
    for path in begun:
        if path.name not in leased:
            shutil.rmtree(path, ignore_errors=True)
