"""A disk that takes no more: what is said of it, whoever met it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abl.errors import StageError

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
