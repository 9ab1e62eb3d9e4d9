"""Files read whole, and hashed: a pipe may never begin, and a device never end."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

NOT_REGULAR = "not a regular file; put a copy of the file in its place"


def read_regular(path: Path, *, at_most: int = -1) -> bytes:
    """The bytes of a file, the first `at_most` of them if that is given.

    Raises:
        OSError: It cannot be read, or is a pipe or device, which is then not opened.
    """
    mode = os.stat(path).st_mode  # noqa: PTH116 - one call for a file and for a folder
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # to a folder, open says no
        raise OSError(errno.EINVAL, NOT_REGULAR)
    with path.open("rb") as file:
        return file.read(at_most)


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
