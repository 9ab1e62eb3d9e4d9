"""Names that come from somebody else's store, bucket or server, held against leaving a folder.

The name of an object is any text, and a text in a file that was copied from elsewhere too. Joined
to a folder, one that begins with `/` is a path of its own, and `..` leads out. The only such place:
whatever makes a path of such a name asks here. Paths that a user wrote are another matter.
"""

from __future__ import annotations

import re
from pathlib import Path

_DRIVE = re.compile(r"[A-Za-z]:")


def is_contained(name: object) -> bool:
    """Whether it is a relative path of plain parts, which stays below any folder.

    It has no empty part, none that is `.` or `..`, no backslash, no drive, no NUL, and can be
    written as UTF-8.
    """
    if not isinstance(name, str) or "\\" in name or "\0" in name or _DRIVE.match(name):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return all(part not in ("", ".", "..") for part in name.split("/"))


def path_below(folder: Path, name: str) -> Path:
    """The path of this name below a folder. Raises ValueError if the name is not `is_contained`."""
    if not is_contained(name):
        raise ValueError(f"not the name of a file in a folder: {name!r}")
    return folder / name
