"""The file of a journal of Optuna's: whole lines, and beside it a checksum of each.

Optuna reads what stands there: a bit that has changed in a value is another value, and elsewhere a
traceback. Checksums stand in a second file, so that Optuna's own programs read the first as ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from abl.errors import InputError, Problem

START = b'{"op_code":'  # of each line that Optuna writes
# Optuna 5 has ten operations; at another number it stops with an assertion
_OPERATIONS, _NEW_TRIAL = range(10), 4
SUMS = ".sums"


def journal_storage(file: Path) -> Any:
    """Optuna's storage in a file that this process has locked.

    Raises:
        InputError: It is another file, or a line of it is not what was written.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    refuse_another_file(file)
    _drop_broken_line(file)
    sums = _Sums(file)
    sums.check()
    backend = JournalFileBackend(str(file), lock_obj=cast(Any, _HeldByUs()))
    return JournalStorage(cast(Any, _Summed(backend, sums)))


@contextlib.contextmanager
def damage_told(file: Path) -> Iterator[None]:
    """What Optuna stops at in a journal as InputError: one of a version that kept no checksums."""
    try:
        yield
    except (InputError, OSError):
        raise  # a full disk damages nothing
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        why = f"{type(error).__name__}: {first}"[:100]
        advice = f"move it away (mv {file} {file}.damaged) and run again"
        raise InputError(Problem(f"is damaged ({why}): {advice}", file=str(file))) from error


def refuse_another_file(file: Path) -> None:
    """Raises InputError unless it is a journal, or nothing yet: its last line may be cut off."""
    if not file.exists():
        return
    problem = Problem(
        "is not the journal of a search: give a new file, or one that --study made", file=str(file)
    )
    if not file.is_file():
        raise InputError(problem)
    *lines, last = file.read_bytes().split(b"\n")
    if any(map(_operation, lines)) or _sums_of(file):
        return  # what is wrong in it is damage
    if lines or last[: len(START)] != START[: len(last)]:
        raise InputError(problem)


class _HeldByUs:
    """Optuna's journal asks for a lock at each line; ours is held all the while."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        """Nothing."""


class _Summed:
    """Optuna's backend, which notes the checksum of each line that was written."""

    def __init__(self, backend: Any, sums: _Sums):
        self._backend, self._sums = backend, sums
        self.read_logs = backend.read_logs

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._backend.append_logs(logs)
        self._sums.catch_up()


class _Sums:
    """Checksums of the lines of a journal, one a line.

    Lines that have none yet (of an earlier version, of Optuna's own programs) get theirs. Where the
    journal is shorter its end was lost, as in a crash, and the search goes on from there.
    """

    def __init__(self, file: Path):
        self._file, self._path = file, Path(f"{file}{SUMS}")
        self._read = 0  # bytes of the journal whose checksums are written

    def check(self) -> None:
        """Raises InputError at the first line that is not what was written."""
        data = self._file.read_bytes() if self._file.exists() else b""
        lines = [line + b"\n" for line in data.split(b"\n")[:-1]]
        known = _sums_of(self._file)
        for number, line in enumerate(lines, start=1):
            right = _sum_of(line) == known[number - 1] if number <= len(known) else _operation(line)
            if not right:
                raise InputError(self._damage(lines, number))
        if len(known) != len(lines):
            # at once: half of them would be taken for a journal that has none of the rest
            fresh = Path(f"{self._path}.{os.getpid()}")
            fresh.write_bytes(b"".join(_sum_of(line) + b"\n" for line in lines))
            fresh.replace(self._path)
        self._read = sum(map(len, lines))

    def _damage(self, lines: list[bytes], number: int) -> Problem:
        file = self._file
        trials = sum(json.loads(line)["op_code"] == _NEW_TRIAL for line in lines[: number - 1])
        advice = f"move it away (mv {file} {file}.damaged) and run again"
        if trials:
            advice += (
                f"; or keep the {trials} trials before this line, which are whole: "
                f"head -n {number - 1} {file} > {file}.whole && mv {file}.whole {file}"
            )
        return Problem(f"is damaged, it is not what was written: {advice}", str(file), number)

    def catch_up(self) -> None:
        """Writes the checksums of whole lines that have none yet."""
        if not self._file.exists():
            return
        with self._file.open("rb") as journal:
            journal.seek(self._read)
            lines = [line for line in journal if line.endswith(b"\n")]
        with self._path.open("ab") as sums:
            sums.write(b"".join(_sum_of(line) + b"\n" for line in lines))
        self._read += sum(map(len, lines))


def _sum_of(line: bytes) -> bytes:
    """A checksum of a line, and one of that, which tells whose bit it is that has changed."""
    found = hashlib.sha256(line).hexdigest()[:32].encode()
    return found + b" " + _of_sum(found)


def _of_sum(found: bytes) -> bytes:
    return hashlib.sha256(found).hexdigest()[:8].encode()


def _sums_of(file: Path) -> list[bytes]:
    """The checksums that are kept of a journal, none where they are damaged themselves."""
    try:
        *lines, _ = Path(f"{file}{SUMS}").read_bytes().split(b"\n")
    except OSError:
        return []
    whole = all(_of_sum(line.partition(b" ")[0]) == line.partition(b" ")[2] for line in lines)
    return lines if whole else []


def _operation(line: bytes) -> bool:
    """Whether a line is one of a journal."""
    try:
        return json.loads(line)["op_code"] in _OPERATIONS
    except (ValueError, TypeError, KeyError):
        return False


def _drop_broken_line(file: Path) -> None:
    """Cuts off what a killed process left of its last line; Optuna could not read past it."""
    if not file.exists():
        return
    data = file.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(file, whole)
