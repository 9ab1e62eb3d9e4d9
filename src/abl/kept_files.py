"""Files of the store as they are read: whatever lies in their place, a read comes to an end.

A pipe has no end and a device no size; a text of brackets alone is deeper than any parser goes.
"""

from __future__ import annotations

import errno
import json
import os
import re
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
    """As `json.loads`, of what one of ours can hold.

    Raises:
        ValueError: Not JSON; nested too deep; a whole number that no float holds; text that cannot
            be written (half of a surrogate pair).
    """
    text = text if isinstance(text, str) else text.decode()
    try:
        # not through a function for each number: an outcome has millions
        found = json.loads(text, parse_int=_whole_number if _LONG_NUMBER.search(text) else None)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not text.isascii():
        text.encode()
    if _SURROGATE.search(text):  # pairs are right
        json.dumps(found, ensure_ascii=False).encode()
    return found


_LONG_NUMBER = re.compile(r"\d{300}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _whole_number(digits: str) -> int:
    number = int(digits)
    if abs(number) >= 2**1023:
        raise ValueError("a number without end")
    return number


def _unblocked(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_irregular(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotAFileError(errno.ENOENT, "no regular file", str(path))
