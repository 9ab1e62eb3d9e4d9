"""Files of predictions as rows: as they are, what is wrong with them, and written whole or not
at all, never over a file that was read.
"""

from __future__ import annotations

import csv
import io
import os
import re
import uuid
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from abl.data.tables.parquet_tables import read_parquet_table
from abl.data.tables.text_tables import is_plain, read_text_table, text_of
from abl.errors import InputError, Problem
from abl.spec.limits import TABLE_MB, TABLE_ROWS, bounded_bytes

SUFFIXES = (".csv", ".parquet", ".pq")
SHOWN = 10
FIRST_ROW = 2  # the header is row 1
KEYS = ("repeat", "fold", "seed", "split")
ROLE = "role"  # the column split, as `abl splits` writes it

Mask = NDArray[np.bool_]
Tell = Callable[
    [Mask, Callable[[int], str]], None
]  # which rows are bad, and what is wrong with each


@dataclass(frozen=True, eq=False)
class RawRows:
    """Rows of a file of predictions as they are.

    Attributes:
        frame: The known columns: text, but numbers where the file has them as such.
        rows: (N,) row of each in the file.
        note: What was read other than as a plain table, a sentence; "" if nothing.
    """

    frame: pd.DataFrame
    rows: NDArray[np.int64]
    note: str = ""


class Faults:
    """Problems with their number: of thousands, only the first few are put in words."""

    def __init__(self) -> None:
        self.count = 0
        self._found: list[Problem] = []

    def add(self, message: str, file: str, line: int | None = None) -> None:
        self.count += 1
        self._found.append(Problem(message, file=file, line=line))

    def add_all(self, problems: Iterable[Problem]) -> None:
        """Adds problems as they are."""
        for problem in problems:
            self.count += 1
            self._found.append(problem)

    def lines(self) -> set[int] | None:
        """Rows that are named; None if there are faults that name none, or more than are kept."""
        lines = {problem.line for problem in self._found}
        if None in lines or 1 in lines or self.count > len(self._found):
            return None
        return {line for line in lines if line is not None}

    def rows(
        self, file: str, rows: NDArray[np.int64], bad: Mask, message: Callable[[int], str]
    ) -> None:
        """A problem for each position that is bad."""
        positions = np.flatnonzero(bad)
        self.count += len(positions)
        for at in positions[:SHOWN].tolist():
            self._found.append(Problem(message(at), file=file, line=int(rows[at])))

    def raise_if_any(self) -> None:
        if not self.count:
            return
        order = {problem.file: at for at, problem in reversed(list(enumerate(self._found)))}
        found = sorted(self._found, key=lambda each: (order[each.file], each.line or 0))[:SHOWN]
        if self.count > len(found):
            found.append(Problem(f"and {self.count - len(found):,} more problems"))
        raise InputError(found)


def class_columns(frame: pd.DataFrame) -> list[str]:
    """p_0, p_1, ... as far as they are there, in the order of their numbers."""
    names = [str(name) for name in frame.columns if _is_probability(str(name))]
    return sorted(names, key=lambda name: int(name[2:]))


def as_text(values: pd.Series) -> pd.Series:
    """As text without white space around it; "" where missing; 3.0 was 3."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = pd.Series(np.asarray(values))
    if values.dtype == object:  # text of programs that do not mark it as such
        values = values.map(
            lambda each: (
                each.decode("utf-8", "backslashreplace") if isinstance(each, bytes) else each
            )
        )
    if pd.api.types.is_float_dtype(values) and np.all(np.mod(values.dropna(), 1) == 0):
        values = values.astype("Int64")
    return values.astype("str").where(values.notna(), "").str.strip().reset_index(drop=True)


def no_file(path: Path) -> str:
    """Why nothing can be read there; "" if a file is there."""
    if path.is_dir():
        return "is a folder, not a file"
    return "" if path.is_file() else "no such file"


def csv_rows(path: Path, faults: Faults, further: Sequence[str] = ()) -> RawRows | None:
    """The known columns, text but for probabilities, and each row's number; None after a fault.

    Args:
        further: Columns that are known besides.
    """
    try:
        data = bounded_bytes(path, TABLE_MB)
    except InputError as error:
        faults.add_all(error.problems)
        return None
    except OSError as error:
        faults.add(f"cannot be read: {error.strerror}", str(path))
        return None
    if data.removeprefix(BOM_UTF8).strip():
        try:
            text = data.decode("ascii") if data.isascii() else text_of(data, str(path))
        except InputError as error:
            faults.add_all(error.problems)
            return None
        utf8 = data if data.isascii() or data.startswith(BOM_UTF8) else text.encode()
        found = _plain_rows(utf8, text, further) if is_plain(text) else None
        if found is not None and len(found.frame) > TABLE_ROWS.most:
            faults.add(TABLE_ROWS.refusal(f"has {len(found.frame):,} rows"), str(path))
            return None
        if found is not None:
            return found
    # what is wrong with it, or how it is to be read, the slower way finds out
    try:
        table = read_text_table(path)
    except InputError as error:
        faults.add_all(error.problems)
        return None
    faults.add_all(table.ragged)
    frame = pd.DataFrame(table.records, columns=table.header, dtype=str)
    frame = frame[[name for name in table.header if _is_known(name, further)]]
    return RawRows(frame, np.array(table.numbers, dtype=np.int64), table.note)


def _plain_rows(data: bytes, text: str, further: Sequence[str]) -> RawRows | None:
    """The rows of a plain CSV file, of which there may be millions; None if anything is odd."""
    header = text[: text.find("\n") if "\n" in text else None]
    try:
        names = next(csv.reader([header.rstrip("\r")], strict=True))
        stripped = [name.strip() for name in names]
        if len(set(stripped)) < len(names) or "" in stripped[1:]:
            return None
        wanted = [name for name in names if _is_known(name.strip(), further)]
        if not wanted:
            return None
        table = pyarrow.csv.read_csv(
            io.BytesIO(data),
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=wanted,
                column_types={
                    name: pyarrow.string() for name in wanted if not _is_probability(name.strip())
                },
                strings_can_be_null=False,
            ),
        )
    except (pyarrow.ArrowException, csv.Error):  # rows of another length too
        return None
    rows = np.arange(FIRST_ROW, FIRST_ROW + len(table))
    frame = table.rename_columns([name.strip() for name in wanted]).to_pandas()
    if (frame.isna() | (frame == "")).all(axis=1).any():
        return None  # an empty line, or one of empty fields alone
    if frame[[name for name in frame if _is_probability(name)]].isna().any(axis=None):
        return None  # a fault: whether the field is empty or has a word, its text says
    return RawRows(frame, rows)


def parquet_rows(path: Path, faults: Faults, further: Sequence[str] = ()) -> RawRows | None:
    """The known columns as typed, and each row's number; None after a fault.

    Args:
        further: As csv_rows.
    """
    try:
        frame = read_parquet_table(path, lambda name: _is_known(name, further))
    except InputError as error:
        faults.add_all(error.problems)
        return None
    empty = frame.isna().all(axis=1).to_numpy(dtype=bool)
    count = int(empty.sum())
    rows = f"{count:,} {'row' if count == 1 else 'rows'}"
    note = f"{path.name}: {rows} without a value passed over." if count else ""
    return RawRows(frame[~empty].reset_index(drop=True), np.flatnonzero(~empty) + FIRST_ROW, note)


def _is_known(name: str, further: Sequence[str]) -> bool:
    return name in ("image", "label", "patient", ROLE, *KEYS, *further) or _is_probability(name)


def _is_probability(name: str) -> bool:
    return re.fullmatch(r"p_\d+", name) is not None


def write_prediction_table(path: Path, frame: pd.DataFrame) -> None:
    """Writes columns as read_prediction_table reads them; whole or not at all.

    Raises:
        InputError: As checked_output; the disk does not take it.
    """
    checked_output(path)
    fresh = _beside(path)
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    try:
        if path.suffix.lower() == ".csv":
            options = pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="needed")
            pyarrow.csv.write_csv(table, fresh, options)
        else:
            pq.write_table(table, fresh, compression="zstd")
        os.replace(fresh, path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        fresh.unlink(missing_ok=True)


def checked_output(path: Path) -> None:
    """Raises InputError unless the path can be written as CSV or Parquet."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(Problem("name it .csv or .parquet", file=str(path)))
    if path.is_dir():
        raise InputError(Problem("is a folder, not a file", file=str(path)))
    if not path.absolute().parent.is_dir():
        raise InputError(Problem(f"no folder {path.parent}", file=str(path)))
    probe = _beside(path)
    try:
        # permissions do not tell what a mount allows; a search of minutes must not end in this
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def same_file(path: Path, others: Iterable[Path]) -> Path | None:
    """The first of the others that is this file, by whatever name."""
    for other in others:
        if path.resolve() == other.resolve():
            return other
        if path.exists() and other.exists() and path.samefile(other):
            return other
    return None


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def _unwritable(path: Path, error: OSError) -> InputError:
    why = error.strerror or str(error).splitlines()[0]
    return InputError(Problem(f"cannot be written ({why})", file=str(path)))
