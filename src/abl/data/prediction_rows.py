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
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from abl.errors import InputError, Problem

SUFFIXES = (".csv", ".parquet", ".pq")
SHOWN = 10
FIRST_ROW = 2  # the header is row 1
KEYS = ("repeat", "fold", "seed", "split")
ROLE = "role"  # the column split, as `abl splits` writes it

Mask = NDArray[np.bool_]
Tell = Callable[
    [Mask, Callable[[int], str]], None
]  # which rows are bad, and what is wrong with each
RawRows = tuple[pd.DataFrame, NDArray[np.int64]]


class Faults:
    """Problems with their number: of thousands, only the first few are put in words."""

    def __init__(self) -> None:
        self.count = 0
        self._found: list[Problem] = []

    def add(self, message: str, file: str, line: int | None = None) -> None:
        self.count += 1
        self._found.append(Problem(message, file=file, line=line))

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
    if pd.api.types.is_float_dtype(values) and np.all(np.mod(values.dropna(), 1) == 0):
        values = values.astype("Int64")
    return values.astype("str").where(values.notna(), "").str.strip().reset_index(drop=True)


def no_file(path: Path) -> str:
    """Why nothing can be read there; "" if a file is there."""
    if path.is_dir():
        return "is a folder, not a file"
    return "" if path.is_file() else "no such file"


def csv_rows(path: Path, faults: Faults) -> RawRows | None:
    """The known columns, text but for probabilities, and each row's number; None after a fault."""
    data = path.read_bytes()
    try:
        if not data.isascii():
            data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add(f"is not UTF-8 (byte {error.start}); save it as UTF-8", str(path))
        return None
    if not data.removeprefix(BOM_UTF8).strip():
        faults.add("is empty", str(path))
        return None
    header = data[: data.find(b"\n") if b"\n" in data else None].decode("utf-8-sig")
    if "," not in header:
        faults.add("is not separated by commas; save it as CSV", str(path), 1)
        return None
    names = next(csv.reader([header.rstrip("\r")]))
    stripped = [name.strip() for name in names]
    twice = sorted({name for name in stripped if stripped.count(name) > 1})
    for name in twice:
        faults.add(f"column '{name}' is there twice", str(path), 1)
    if twice:
        return None
    wanted = [name for name in names if _is_known(name.strip())]
    ragged: list[pyarrow.csv.InvalidRow] = []

    def unfit(row: pyarrow.csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(data),
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=unfit
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=wanted,
                column_types={
                    name: pyarrow.string() for name in wanted if not _is_probability(name.strip())
                },
                strings_can_be_null=False,
            ),
        )
    except pyarrow.ArrowInvalid as error:
        faults.add(f"not CSV: {str(error).splitlines()[0]}", str(path))
        return None
    for row in ragged:
        message = f"has {row.actual_columns} fields, the header has {row.expected_columns}"
        faults.add(message, str(path), row.number)
    numbers = np.arange(FIRST_ROW, FIRST_ROW + len(table) + len(ragged))
    rows = np.delete(numbers, [row.number - FIRST_ROW for row in ragged])
    frame = table.rename_columns([name.strip() for name in wanted]).to_pandas()
    # an empty line is read as a row without values
    empty = (frame.isna() | (frame == "")).all(axis=1).to_numpy(dtype=bool)
    return frame[~empty].reset_index(drop=True), rows[~empty]


def parquet_rows(path: Path, faults: Faults) -> RawRows | None:
    """The known columns as typed, and each row's number; None after a fault."""
    try:
        wanted = [name for name in pq.read_schema(path).names if _is_known(name)]
        frame = pq.read_table(path, columns=wanted).to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        faults.add(f"not Parquet: {str(error).splitlines()[0]}", str(path))
        return None
    return frame, np.arange(FIRST_ROW, FIRST_ROW + len(frame))


def _is_known(name: str) -> bool:
    return name in ("image", "label", "patient", ROLE, *KEYS) or _is_probability(name)


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
