"""Files of the store as they are read: whatever lies in their place, a read comes to an end.

A pipe has no end and a device no size; a text of brackets alone is deeper than any parser goes.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

# what says no more than a few lines, and what may list a hundred thousand stages or arms
LITTLE, MUCH = 64 * 2**20, 2**30


class NotAFileError(FileNotFoundError):
    """A folder, pipe or device lies where a file of ours should: the file is not there."""


def read_kept(path: Path, most: int = LITTLE) -> bytes:
    """A regular file's content, at most `most` bytes: what is larger is none of ours, and damage.

    Raises:
        FileNotFoundError: Nothing is there, or no regular file (NotAFileError).
        OSError: It cannot be read.
    """
    # a pipe would be waited for, without a word, until somebody writes to it
    handle = _unblocked(str(path), os.O_RDONLY)
    try:
        _refuse_irregular(path, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(handle)


def stat_kept(path: Path) -> os.stat_result:
    """As `os.stat`, of a regular file alone. Raises as `read_kept`."""
    found = path.stat()
    _refuse_irregular(path, found)
    return found


def json_kept(text: str | bytes) -> Any:
    """As `json.loads`. Raises ValueError also for what is nested too deep to be one of ours."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _unblocked(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_irregular(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotAFileError(errno.ENOENT, "no regular file", str(path))
