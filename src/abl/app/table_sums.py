"""Checksums beside a table, over what tables, figures and comparisons are read from, and over what
is made of these: rendered tables, figures and the report.

`sums.json` is written last and removed first, so that it never speaks of half a table. Tables of
earlier versions have none, or none of what is drawn: they are believed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from abl.contained import is_contained
from abl.errors import InputError, StageError
from abl.kept_files import MUCH, json_kept, read_kept, stat_kept
from abl.plan.stage import digest_of
from abl.record.done import write_atomically
from abl.record.patient import ABSENT, UnreadableError, patiently
from abl.spec.yaml_file import sha256_of

SUMS = "sums.json"
Result = TypeVar("Result")


class UnreadableTableError(InputError):
    """A file of a table that is there and cannot be read: nothing was concluded from it."""


@contextmanager
def unreadable_told() -> Iterator[None]:
    """A table that cannot be read is no bad input once a run is at its end: StageError."""
    try:
        yield
    except UnreadableTableError as error:
        raise StageError(str(error)) from error


def read_table_file(read: Callable[[], Result], path: Path) -> Result:
    """What `read` gives of a file beside a table, tried again as `patiently` does.

    Raises:
        FileNotFoundError, NotADirectoryError: There is none.
        UnreadableTableError: It cannot be read, which is no damage.
    """
    try:
        return patiently(read, path)
    except UnreadableError as error:
        raise UnreadableTableError(str(error)) from error


@dataclass(frozen=True)
class _Sums:
    """SHA-256 by file name.

    Attributes:
        files: Of what is read, which a run makes.
        drawn: Of what is made of it, in moments; None if an earlier version noted none.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    drawn: Mapping[str, str] | None = None


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Notes what these files hold, and nothing of what is drawn of them; those that are not there
    are none of it.
    """
    _write(folder, _Sums(_sums_of(folder, names)))


def drop_sums(folder: Path) -> None:
    """Before anything of the table changes."""
    (folder / SUMS).unlink(missing_ok=True)


def note_drawn(folder: Path, names: Iterable[str]) -> None:
    """Notes what these drawn files hold, beside those that are noted."""
    known = _said(folder) or _Sums()
    _write(folder, _Sums(known.files, {**(known.drawn or {}), **_sums_of(folder, names)}))


def forget_drawn(folder: Path, keep: Collection[str] = ()) -> None:
    """Before drawn files change; those named in `keep` stay noted."""
    known = _said(folder) or _Sums()
    kept = {name: sha for name, sha in (known.drawn or {}).items() if name in keep}
    if known.drawn is not None:
        _write(folder, _Sums(known.files, kept))


def drawn_names(folder: Path) -> list[str] | None:
    """Drawn files that are noted, sorted; None if an earlier version noted none.

    Raises:
        ValueError: What was noted is damaged.
    """
    said = _said(folder)
    return None if said is None or said.drawn is None else sorted(said.drawn)


def wrong_in_table(folder: Path) -> str:
    """Name of the first file that does not hold what was written, "" if all do or none is known.

    Of what is drawn of a table see `wrong_drawn`.

    Raises:
        UnreadableTableError: One cannot be read.
    """
    try:
        said = _said(folder) or _Sums()
    except ValueError:
        return SUMS
    return next(iter(_wrong(folder, said.files)), "")


def wrong_drawn(folder: Path) -> list[str]:
    """Names of drawn files that do not hold what was written, or have gone.

    Raises:
        UnreadableTableError: One cannot be read.
    """
    try:
        said = _said(folder) or _Sums()
    except ValueError:
        return [SUMS]
    return _wrong(folder, said.drawn or {})


def has_sums(folder: Path) -> bool:
    return (folder / SUMS).exists()


def checked_file(folder: Path, name: str) -> Path:
    """A file beside a table, which may not be there if it never was.

    Raises:
        InputError: It does not hold what was written, or has gone. UnreadableTableError, one of
            these, if that cannot be told.
    """
    path = folder / name
    try:
        said = _said(folder) or _Sums()
        sha = {**(said.drawn or {}), **said.files}.get(name)
        right = sha is None or _holds(path, sha)
    except ValueError:
        right = False
    if not right:
        where = f"{folder.parent.name}: {name}"
        raise InputError(f"{where} is damaged: `abl sweep FILE` makes it again")
    return path


def _said(folder: Path) -> _Sums | None:
    """None where nothing was noted. Raises ValueError if what was is damaged."""
    try:
        path = folder / SUMS
        said = json_kept(read_table_file(lambda: read_kept(path), path))
        files, drawn = said["files"], said.get("drawn")
        # of what is drawn with the files: a checksum of an earlier version is over these alone
        sums = [(files, said["checksum"], files)]
        sums += [] if drawn is None else [(drawn, said["drawn_checksum"], [files, drawn])]
        for found, checksum, of in sums:
            if checksum != digest_of(of) or not all(map(is_contained, found.keys())):
                raise ValueError(f"{SUMS} is damaged")
        return _Sums(
            {str(name): str(sha) for name, sha in files.items()},
            None if drawn is None else {str(name): str(sha) for name, sha in drawn.items()},
        )
    except ABSENT:
        return None
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{SUMS} is damaged") from error


def _write(folder: Path, sums: _Sums) -> None:
    said = {"files": sums.files, "checksum": digest_of(dict(sums.files))}
    if sums.drawn is not None:
        checksum = digest_of([dict(sums.files), dict(sums.drawn)])
        said |= {"drawn": sums.drawn, "drawn_checksum": checksum}
    write_atomically(folder / SUMS, json.dumps(said))


def _sums_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    there = sorted(name for name in names if (folder / name).exists())
    return {name: sha256_of(folder / name) for name in there}


def _wrong(folder: Path, sums: Mapping[str, str]) -> list[str]:
    return [name for name, sha in sums.items() if not _holds(folder / name, sha)]


def _holds(path: Path, sha: str) -> bool:
    def found() -> str:
        stat_kept(path)
        return sha256_of(path)

    try:
        return read_table_file(found, path) == sha
    except ABSENT:
        return False


def table_text(folder: Path, name: str) -> str:
    """A text beside a table. Raises InputError as `checked_file`, OSError, UnicodeDecodeError."""
    path = checked_file(folder, name)
    return read_table_file(lambda: read_kept(path, MUCH), path).decode()
