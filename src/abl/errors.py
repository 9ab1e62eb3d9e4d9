"""What a user did wrong, what a stage did wrong, and faults of a disk: told in one line each."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abl.redaction import redacted
from abl.visible import visible_line


@dataclass(frozen=True)
class Problem:
    """One fault of the input: what is wrong, where, and what to type instead.

    Attributes:
        message: One line.
        file: Name of the file at fault, if it is one.
        line: Line (YAML) or row (CSV: the header is row 1) in it, counted from 1.
    """

    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        said = f"{place}: {self.message}" if place else self.message
        # what a file holds is quoted here, and must not move a terminal's cursor
        return visible_line(redacted(said))


class InputError(Exception):
    """Bad input: every problem found, at once. The command line prints them and exits with 2."""

    def __init__(self, problems: Problem | str | Sequence[Problem]):
        if isinstance(problems, str):
            problems = Problem(problems)
        if isinstance(problems, Problem):
            problems = [problems]
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[list[Problem]]]:
        # exceptions cross process borders; the default would lose the tuple of problems
        return type(self), (list(self.problems),)


class StageError(Exception):
    """A stage that cannot produce its output for a reason worth a sentence (no traceback)."""


class DamagedError(StageError):
    """A file of a finished stage that does not hold what was committed."""


class Stopped(Exception):  # noqa: N818 - not an error: a training gave itself up
    """A training that is hopeless by the bounds it was given.

    Attributes:
        facts: What it was up to then, JSON-able.
    """

    def __init__(self, message: str, facts: dict[str, Any]):
        super().__init__(message)
        self.facts = facts


def raise_if_any(problems: Sequence[Problem]) -> None:
    """Raises InputError with all the problems, if there are any."""
    if problems:
        raise InputError(problems)


def nearest(word: str, valid: Iterable[str], *, show: int = 12) -> str:
    """What to type instead of an unknown word: the closest valid one, or the valid ones."""
    names = sorted(valid)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    more = f", and {len(names) - show} more" if len(names) > show else ""
    return "valid: " + ", ".join(names[:show]) + more


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
