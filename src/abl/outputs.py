"""What commands write: never over a file that they read, and over another's only with --force.

Every option that names a file to write passes `refuse_outputs` before anything is computed.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abl.errors import InputError, Problem, machine_fault, raise_if_any
from abl.scratch import part_of, written_whole

if TYPE_CHECKING:
    from PIL import Image

TABLES = (".csv", ".parquet", ".pq")
PICTURES = (".png",)
FORCE = "give another name, or --force"
_SPELLED_OTHERWISE = (".pq", ".htm", ".markdown")  # written too, and not proposed
_HEAD = 4096  # characters by which a text is known
_DRAWN_BY = "abl"  # in the PNG's Software


def _never(path: Path) -> bool:
    return False


@dataclass(frozen=True)
class Output:
    """A file that a command is asked to write.

    Attributes:
        option: That names it, as typed; "" if it has a name of its own in a folder.
        path: The file.
        suffixes: Those that the command writes, in small letters; () if it may be called anything.
        is_own: Whether a file that is there is one that this command wrote, so that it is written
            anew without a word.
        instead: What to type if it is there and somebody else's.
    """

    option: str
    path: Path
    suffixes: Sequence[str] = ()
    is_own: Callable[[Path], bool] = _never
    instead: str = FORCE

    def problem(self, said: str) -> Problem:
        return Problem(f"{self.option} {self.path}: {said}".strip())


def refuse_outputs(
    outputs: Iterable[Output], read: Iterable[Path] = (), *, force: bool = False
) -> None:
    """Raises InputError with every output that cannot be, or must not be written.

    Args:
        read: Files that the command reads: never written over.
        force: Whether files are written over that the command does not know as its own.
    """
    found, problems = list(outputs), []
    for at, output in enumerate(found):
        if said := _fault(output, [each.path for each in found[:at]]):
            problems.append(output.problem(said))
    there = {} if problems else {key: each for each in found if (key := _key(each.path))}
    for each in read if there else ():
        if (key := _key(each)) and (hit := there.pop(key, None)):
            problems.append(hit.problem("is read too, and would be overwritten: give another name"))
    raise_if_any(problems)
    raise_if_any(
        [
            each.problem(f"is there already: {each.instead}")
            for each in found
            if os.path.lexists(each.path) and not force and not each.is_own(each.path)
        ]
    )


def _fault(output: Output, others: Sequence[Path]) -> str:
    """What is wrong with the name of an output; "" if nothing."""
    path = output.path
    if path.is_dir():
        return "is a folder, not a file"
    if not path.absolute().parent.is_dir():
        return f"no folder {path.parent}"
    if output.suffixes and path.suffix.lower() not in output.suffixes:
        *some, last = (each for each in output.suffixes if each not in _SPELLED_OTHERWISE)
        return f"name it {', '.join(some)} or {last}" if some else f"name it {last}"
    if any(path.resolve() == other.resolve() for other in others):
        return "is written by another option: give another name"
    with suppress(OSError):  # nothing is there
        if not stat.S_ISREG(path.stat().st_mode):
            return "is no file that can be replaced: give another name"
    return _unwritable(path) if output.option else ""


def _unwritable(path: Path) -> str:
    # permissions do not tell what a mount allows; what takes minutes must not end in this
    probe = part_of(path)
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    return ""


def _key(path: Path) -> tuple[int, int] | None:
    """What is the same for all names of a file; None if it is not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def table_with(*columns: str) -> Callable[[Path], bool]:
    """Whether a CSV or Parquet file has these columns."""
    return lambda path: set(columns) <= set(table_columns(path))


def table_columns(path: Path) -> tuple[str, ...]:
    """The columns of a CSV or Parquet file; () if it is none that can be read."""
    import pandas as pd
    import pyarrow
    import pyarrow.parquet as pq

    try:
        if path.suffix.lower() == ".csv":
            return tuple(map(str, pd.read_csv(path, nrows=0).columns))
        return tuple(pq.read_schema(path).names)
    except (OSError, ValueError, pyarrow.ArrowException):
        return ()


def text_that_begins(*beginnings: str) -> Callable[[Path], bool]:
    """Whether a text file begins with one of these."""
    return lambda path: head_of(path).startswith(beginnings)


def head_of(path: Path) -> str:
    """The beginning of a text file; "" if it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return file.read(_HEAD)
    except OSError:
        return ""


def json_called(title: str) -> Callable[[Path], bool]:
    """Whether a JSON file has this title."""

    def is_called(path: Path) -> bool:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(found, dict) and found.get("title") == title

    return is_called


def is_drawn(path: Path) -> bool:
    """Whether a PNG was written by `write_drawing`."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.info.get("Software") == _DRAWN_BY
    except Exception:  # whatever is there, it is not ours
        return False


def sheet_output(path: Path) -> Output:
    """The output of `--sheet`, which is drawn anew."""
    return Output("--sheet", path, PICTURES, is_drawn)


def write_drawing(path: Path, image: Image.Image, option: str = "--sheet") -> None:
    """Writes a PNG that `is_drawn` knows, whole. Raises InputError if it cannot be written."""
    from PIL.PngImagePlugin import PngInfo

    marked = PngInfo()
    marked.add_text("Software", _DRAWN_BY)
    with unwritable_told(f"{option} {path}"), written_whole(path) as part:
        image.save(part, format="PNG", pnginfo=marked)


@contextmanager
def unwritable_told(named: str) -> Iterator[None]:
    """Raises InputError for what the system does not let be written; limits of memory, threads and
    handles pass.

    Args:
        named: What could not be written: the option and its value.
    """
    try:
        yield
    except OSError as error:
        if machine_fault(error):
            raise
        raise InputError(f"{named}: cannot be written ({error.strerror or error})") from None


@contextmanager
def folder_whole(out: Path, named: str) -> Iterator[Path]:
    """Gives a new folder to write to, which becomes `out` at the end: it is whole, or not there.

    Args:
        named: As of `unwritable_told`.
    """
    fresh = _fresh(out)
    try:
        with unwritable_told(named):
            fresh.mkdir(parents=True)
            yield fresh
            os.replace(fresh, out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def refuse_folder(out: Path, named: str) -> None:
    """Raises InputError if something is at this path that writing would change, or if no folder can
    be made there: before what may take minutes.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"'{out.name}' is not an empty folder; give a new folder's name")
    if not out.absolute().parent.is_dir():
        raise InputError(f"'{out.absolute().parent}' is no folder; make it first")
    with unwritable_told(named):
        # permissions do not tell what a mount allows
        probe = _fresh(out)
        probe.mkdir()
        probe.rmdir()


def _fresh(out: Path) -> Path:
    return out.absolute().parent / f".{out.name}.{uuid.uuid4().hex}"
