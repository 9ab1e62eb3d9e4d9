"""Reads of a store that may fail for reasons that say nothing of its content.

On a network file system a read is refused for a moment (ESTALE, EIO, EACCES while a mount comes
back) or for want of file handles (EMFILE). A finished stage that cannot be read is not a damaged
one: it is asked for again, and then told, and never thrown away.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from abl.errors import StageError

Result = TypeVar("Result")

# what says that there is nothing at a path; every other fault says nothing of what is there
ABSENT = (FileNotFoundError, NotADirectoryError)
PAUSES_S = (0.2, 1.0, 4.0)


class UnreadableError(StageError):
    """Something of the store that cannot be read, though it is there: one line."""


def patiently(
    read: Callable[[], Result], path: Path, pauses: Sequence[float] | None = None
) -> Result:
    """What `read` gives, tried again after each pause.

    Args:
        path: For the message.
        pauses: Seconds; default PAUSES_S.

    Raises:
        FileNotFoundError, NotADirectoryError: At once: there is nothing.
        UnreadableError: It cannot be read; nothing was concluded from it.
    """
    for pause in (*(PAUSES_S if pauses is None else pauses), None):
        try:
            return read()
        except ABSENT:
            raise
        except OSError as error:
            if pause is None:
                said = error.strerror or str(error)
                advice = "nothing of it was discarded; run again once it can be read"
                raise UnreadableError(f"{path}: cannot be read ({said}); {advice}") from error
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def is_there(path: Path) -> bool:
    """Whether something lies at a path. Raises UnreadableError if that cannot be told."""
    try:
        patiently(lambda: os.stat(path), path)  # noqa: PTH116 - as a test replaces it
    except ABSENT:
        return False
    return True
