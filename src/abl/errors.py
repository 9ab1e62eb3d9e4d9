"""What a user, a stage, a machine or a disk did wrong: told in a line each."""

from __future__ import annotations

import difflib
import errno
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
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


def as_given(file: str, folder: Path, given: Path) -> str:
    """A path in a folder, as it is written where the folder is written as `given`."""
    inside = Path(file).is_relative_to(folder)
    return str(given / Path(file).relative_to(folder)) if inside else file


@contextmanager
def told_as_given(folder: Path, given: Path) -> Iterator[None]:
    """Problems of files in a folder name them as a user does, who wrote the folder as `given`."""
    try:
        yield
    except InputError as error:
        told = [
            replace(each, file=as_given(each.file, folder, given)) if each.file else each
            for each in error.problems
        ]
        raise InputError(told) from None


def raise_if_any(problems: Sequence[Problem]) -> None:
    """Raises InputError with all the problems, if there are any."""
    if problems:
        raise InputError(problems)


def nearest(word: str, valid: Iterable[str], *, show: int = 12) -> str:
    """What to type instead of an unknown word: the closest valid one, or the valid ones."""
    names = sorted(valid)
    if not names:
        return "there is none"
    folded = {name.casefold(): name for name in names}
    same = folded.get(word.casefold())  # AUC of auc: no letter of them is the same
    close = [same] if same else difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    more = f", and {len(names) - show} more" if len(names) > show else ""
    return "valid: " + ", ".join(names[:show]) + more


_FAULTS = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EROFS: "make it writable",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
}
_NO_HANDLES = "raise the limit on open files (ulimit -n)"
_GOES_ON = "then the same command goes on from here"


def disk_fault(error: BaseException, root: Path) -> str:
    """One line on a disk that is full, read-only or takes no file so large, "" if it is another.

    Args:
        root: Of the store, which is named if the file is there. A write to an open file says
            nothing of where: then the disks that have no room are named, of store and TMPDIR.
    """
    # libraries that write from other languages raise errors of their own, with the system's words
    text, code = str(error), error.errno if isinstance(error, OSError) else None
    found = code if code in _FAULTS else next((c for c in _FAULTS if os.strerror(c) in text), None)
    if found is None:
        return ""
    name = getattr(error, "filename", None)
    if name and not isinstance(name, int):
        path = Path(os.fsdecode(name))
        place = str(root if path.is_relative_to(root) else path)
    else:
        place = _likely_places(found, root)
    return f"{os.strerror(found)}: {place}; {_FAULTS[found]}, {_GOES_ON}"


_LITTLE_ROOM = 2**20


def _likely_places(code: int, root: Path) -> str:
    """The store, TMPDIR or both: what may have refused a write of which it is not known where."""
    temporary = Path(tempfile.gettempdir())
    places = {str(root): root, f"{temporary} (TMPDIR)": temporary}
    if code == errno.EROFS:
        found = [name for name, path in places.items() if _is_read_only(path)]
    else:
        found = [name for name, path in places.items() if _has_no_room(path)]
    # a quota is not seen, nor a disk that was emptied meanwhile
    return " and ".join(found) or " or ".join(places)


def _has_no_room(place: Path) -> bool:
    with suppress(OSError):
        state = os.statvfs(place)
        no_files = bool(state.f_files) and state.f_favail == 0
        return no_files or state.f_bavail * state.f_frsize < _LITTLE_ROOM
    return False


def _is_read_only(place: Path) -> bool:
    with suppress(OSError):
        return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    return False


def file_fault(error: BaseException, root: Path) -> str:
    """One line on a file of the store that cannot be read or written for any other reason: ESTALE,
    EIO, EACCES, a mount that is away; "" if the error is another.
    """
    named, code = getattr(error, "filename", None), getattr(error, "errno", None)
    if isinstance(error, OSError) and code is not None and named and not isinstance(named, int):
        name = Path(os.fsdecode(named))
        if not name.is_relative_to(root):
            return ""
    elif found := re.search(r"os error (\d+)|\[errno (\d+)\]", str(error)):  # Rust's, Arrow's
        name, code = root, int(found[1] or found[2])
    else:
        return ""
    advice = _NO_HANDLES if code in (errno.EMFILE, errno.ENFILE) else "see to it"
    return f"{os.strerror(code)}: {name}; {advice}, {_GOES_ON}"


def address_limit_mb() -> int:
    """The limit on this process's addresses (ulimit -v), 0 if there is none."""
    try:
        import resource  # Unix has it
    except ImportError:
        return 0
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return 0 if soft == resource.RLIM_INFINITY else max(1, soft // 1_000_000)


def machine_fault(error: BaseException) -> str:
    """One line on memory, threads, processes or handles of files that the system does not give, ""
    if the error is another.
    """
    text, code = str(error), error.errno if isinstance(error, OSError) else None
    # PyTorch's allocator of the CPU raises a RuntimeError, the loader of libraries an ImportError
    short = (os.strerror(errno.ENOMEM), "DefaultCPUAllocator", "failed to map segment", "bad_alloc")
    if (
        isinstance(error, MemoryError)
        or code == errno.ENOMEM
        or any(each in text for each in short)
    ):
        asked = re.search(r"allocate (\d+ bytes|\S+ [KMGTPE]iB)", text)
        of = f" (it asked for {asked[1]})" if asked else ""
        limit = address_limit_mb()
        if limit:
            return f"out of memory{of}: it may use {limit:,} MB; raise that limit (ulimit -v)"
        return f"out of memory{of}: set a smaller train.micro_batch, or give it a larger machine"
    # of threads, Python's own words
    if code == errno.EAGAIN or "can't start new thread" in text:
        return (
            "no more threads or processes can be started: raise the limits (ulimit -u, ulimit -v)"
        )
    if code in (errno.EMFILE, errno.ENFILE) or os.strerror(errno.EMFILE) in text:
        return f"{os.strerror(code or errno.EMFILE)}: {_NO_HANDLES}"
    return ""


@contextmanager
def disk_told(root: Path) -> Iterator[None]:
    """Raises StageError for a disk or file of the store that fails; other errors pass."""
    try:
        yield
    except Exception as error:
        line = disk_fault(error, root) or file_fault(error, root)
        if not line:
            raise
        raise StageError(line) from error
