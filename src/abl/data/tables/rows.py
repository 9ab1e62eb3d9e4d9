"""Reads a manifest's rows as text, whatever the file; every fault is a Problem with its row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.dataset import LeftOut
from abl.data.tables.alike_names import nearest_name, shown_name
from abl.data.tables.parquet_tables import read_parquet_table
from abl.data.tables.text_tables import read_text_table
from abl.data.tables.words import missing_words
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.spec.yaml_file import NOT_REGULAR

MOST_NAMED = 5  # values of a column in a message
FIRST_ROW = 2  # the header is row 1
CLASSES_OPTION = "--classes NAME,NAME"  # of `abl data`


@dataclass(frozen=True)
class Rows:
    """The rows of a manifest.

    Attributes:
        file: Its path, as given.
        frame: One column a field. CSV: text as written, "" where empty. Parquet: as typed.
        numbers: Row of each in the file.
        header_row: Row of the header.
        note: What was read other than as a plain table, a sentence; "" if nothing.
    """

    file: str
    frame: pd.DataFrame
    numbers: list[int]
    header_row: int = 1
    note: str = ""

    def problem(self, position: int, message: str) -> Problem:
        """A fault of the row at this position of the frame."""
        return Problem(message, file=self.file, line=self.numbers[position])

    def header_problem(self, message: str) -> Problem:
        """A fault of the columns."""
        return Problem(message, file=self.file, line=self.header_row)

    def given(self, column: str) -> list[str]:
        """A column as text; "" where it says that nothing is known (`NA`, `None`, `-`)."""
        texts = self.text(column)
        missing = missing_words(texts) - {""}
        return ["" if text in missing else text for text in texts] if missing else texts

    def text(self, column: str) -> list[str]:
        """A column as text, stripped; "" where a value is missing."""
        values = self.frame[column]
        return [
            "" if missing else _text(value)
            for value, missing in zip(values.tolist(), values.isna(), strict=True)
        ]


def read_rows(path: Path) -> Rows:
    """The rows of a .csv or .parquet file.

    Raises:
        InputError: No such file, not UTF-8, ragged rows, a header name given twice, not Parquet,
            over a limit (spec/limits.py).
    """
    rows, ragged = whole_rows(path)
    raise_if_any(ragged)
    return rows


def whole_rows(path: Path) -> tuple[Rows, list[Problem]]:
    """The rows with as many fields as the header, and a problem for each of the others.

    Raises:
        InputError: As `read_rows`, but for ragged rows.
    """
    if path.is_dir():
        raise InputError(Problem("is a folder, not a file", file=str(path)))
    if not path.is_file():
        message = f"is {NOT_REGULAR}" if path.exists() else "no such file"
        raise InputError(Problem(message, file=str(path)))
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet_rows(path), []
    if said := image_fault(path):
        raise InputError(Problem(said, file=str(path)))
    return _csv_rows(path)


def with_our_names(rows: Rows, columns: Mapping[str, str]) -> Rows:
    """The rows with our names in place of the table's; a column that has one already gives way.

    Args:
        columns: Our name -> one that the table has.
    """
    theirs = [name for name in dict.fromkeys(columns.values()) if name not in columns]
    frame = rows.frame.assign(**{ours: rows.frame[name] for ours, name in columns.items()})
    return replace(rows, frame=frame.drop(columns=theirs))


_IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")  # how their files begin


def image_fault(path: Path) -> str:
    """Why a file is no table, should it be an image; else ""."""
    if not path.is_file():
        return ""  # a pipe would be waited for
    try:
        with path.open("rb") as file:
            is_image = file.read(4).startswith(_IMAGES)
    except OSError:
        return ""  # told where it is read
    if not is_image:
        return ""
    return "is an image, not a table: name the CSV or Parquet file that lists images"


def class_name_problems(names: Sequence[str]) -> list[str]:
    """What is wrong with names of classes given as `--classes`, a line each."""
    problems = ["an empty name"] if any(not name.strip() for name in names) else []
    problems += [f"'{name}' is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    return [f"--classes {','.join(names)}: {each}" for each in problems]


def other_values(column: str, values: Sequence[str]) -> str:
    """Why rows are left out that have none of these values in a column."""
    few = (
        list(values) if len(values) <= MOST_NAMED else [*values[:2], f"... ({len(values)} values)"]
    )
    return f"{column} other than {', '.join(few)}"


def kept_rows(rows: Rows, where: dict[str, list[str]]) -> tuple[Rows, list[LeftOut]]:
    """The rows whose columns hold one of the values asked for, and how many each column cost.

    Raises:
        InputError: A column or a value that the manifest does not have, or nothing is left.
    """
    problems, lost = [], []
    keep = np.ones(len(rows.frame), dtype=bool)
    # without the column each image is taken as a patient of its own
    by = "patient" if "patient" in rows.frame else "image"
    patients = np.array(rows.text(by) if by in rows.frame else [""] * len(keep), dtype=object)
    for column, values in where.items():
        if column not in rows.frame:
            hint = nearest(column, map(str, rows.frame.columns))
            problems.append(Problem(f"where: no column '{column}'; {hint}", file=rows.file))
            continue
        found = rows.text(column)
        for value in values:
            if value not in found:
                hint = nearest_name(value, {text for text in found if text})
                message = f"where: no row has {column} {shown_name(value)}; {hint}"
                problems.append(Problem(message, file=rows.file))
        before = keep
        keep = keep & np.array([text in values for text in found], dtype=bool)
        if images := int(before.sum() - keep.sum()):
            gone = len(set(patients[before])) - len(set(patients[keep]))
            lost.append(LeftOut(other_values(column, values), images, gone))
    if not problems and not keep.any():
        problems.append(Problem("where: no row has all of these values", file=rows.file))
    raise_if_any(problems)
    numbers = [number for number, kept in zip(rows.numbers, keep, strict=True) if kept]
    frame = rows.frame[keep].reset_index(drop=True)
    return replace(rows, frame=frame, numbers=numbers), lost


def _csv_rows(path: Path) -> tuple[Rows, list[Problem]]:
    table = read_text_table(path)
    frame = pd.DataFrame(table.records, columns=table.header, dtype=str)
    rows = Rows(str(path), frame, table.numbers, table.header_row, table.note)
    return rows, table.ragged


def _parquet_rows(path: Path) -> Rows:
    frame = read_parquet_table(path)
    empty = frame.isna().all(axis=1).to_numpy(dtype=bool)
    if not empty.any() or empty.all():
        return _numbered(path, frame)
    count = int(empty.sum())
    note = f"{path.name}: {count:,} {'row' if count == 1 else 'rows'} without a value passed over."
    numbers = (np.flatnonzero(~empty) + FIRST_ROW).tolist()
    return Rows(str(path), frame[~empty].reset_index(drop=True), numbers, note=note)


def _numbered(path: Path, frame: pd.DataFrame) -> Rows:
    return Rows(str(path), frame, list(range(FIRST_ROW, FIRST_ROW + len(frame))))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    # an integer column with gaps arrives as floats: 3.0 was 3
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):  # text of programs that do not mark it as such
        return value.decode("utf-8", "backslashreplace").strip()
    return str(value).strip()


SHOWN = 20  # rows named in an error


def lacking_problems(images: Iterable[str], text: str, what: str, column: str) -> list[Problem]:
    """A problem for each of the first rows, and one that counts the others.

    Args:
        text: What is wrong with each.
        what, column: What is missing, and its word in `data.drop_missing`.
    """
    names = [str(image) for image in images]
    advice = f"leave such rows out with data: {{drop_missing: [{column}]}}"
    problems = [Problem(f"{text}; {advice}", file=name) for name in names[:SHOWN]]
    if len(names) > SHOWN:
        problems.append(Problem(f"and {len(names) - SHOWN:,} more rows without {what}"))
    return problems


OF_ONE_ROW = re.compile(r"'.*'|\([^)]*\)|\d+(\.\d+)?")  # names and numbers


def first_of_each_kind(problems: Sequence[Problem]) -> list[Problem]:
    """At most SHOWN of those that differ in names and numbers alone, then how many more there are.

    Whatever they are, problems stay in their order, and those that count others come last.
    """
    shown: list[Problem] = []
    last: dict[str, Problem] = {}
    counts: dict[str, int] = {}
    for problem in problems:
        kind = OF_ONE_ROW.sub("", problem.message)
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= SHOWN:
            shown.append(problem)
            last[kind] = problem
    return shown + [
        Problem(f"and {counts[kind] - SHOWN:,} more like it: {each.message}", each.file, each.line)
        for kind, each in last.items()
        if counts[kind] > SHOWN
    ]
