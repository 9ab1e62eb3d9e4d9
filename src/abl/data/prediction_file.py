"""Files of predictions that any program made: read, checked, put side by side, written.

One row an image (CSV or Parquet), columns:

- image: any name, the same in all files.
- label: 0, 1, ... or the name of a class.
- p_0, p_1, ...: probabilities of the classes, which sum to 1.
- patient, split (train, validation or test), fold: optional; an image may be there once in each
  (fold, split).

Other columns are passed over.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from abl.data.prediction_rows import (
    KEYS,
    Faults,
    csv_rows,
    parquet_rows,
    probability_columns,
    text_of,
)
from abl.errors import InputError, Problem, nearest

SUM_TOLERANCE = 1e-3  # softmax in float32, written with a few digits
SPLITS = ("train", "validation", "test")
SHORT_SPLITS = {"val": "validation", "valid": "validation"}
SUFFIXES = (".csv", ".parquet", ".pq")


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """The predictions of one network.

    Attributes:
        file: Name of the file, for messages.
        frame: image (str), label (int64), p_0, ... (float64); patient, split, fold (str) if given.
        rows: (N,) row of each in the file; the header is row 1.
    """

    file: str
    frame: pd.DataFrame
    rows: NDArray[np.int64]

    @property
    def keys(self) -> list[str]:
        """The columns by which a row is known: those of fold and split that are there; image."""
        return [*(name for name in KEYS if name in self.frame), "image"]

    @property
    def p(self) -> NDArray[np.float64]:
        """(N, K) float64."""
        return self.frame[probability_columns(self.frame)].to_numpy(dtype=np.float64)


@dataclass(frozen=True, eq=False)
class PairedPredictions:
    """Predictions of several networks for the same rows.

    Attributes:
        frame: image, label; patient, split, fold if given; in the order of the first file.
        predictions: Name -> (N, K) float64.
    """

    frame: pd.DataFrame
    predictions: dict[str, NDArray[np.float64]]


def read_predictions(
    path: Path, *, classes: Sequence[str] = ("benign", "malignant")
) -> PredictionTable:
    """A checked file of predictions.

    Args:
        path: .csv or .parquet.
        classes: Names that a label may have, if there are as many as probabilities.

    Raises:
        InputError: Every fault with file and row; of many the first ten, and how many more.
    """
    faults = Faults()
    table = _read(path, classes, faults)
    faults.raise_if_any()
    if table is None:
        raise InputError(Problem("cannot be read", file=path.name))
    return table


def read_paired(
    paths: Mapping[str, Path], *, classes: Sequence[str] = ("benign", "malignant")
) -> PairedPredictions:
    """Files of several networks, each checked, then put side by side; name -> path.

    Raises:
        InputError: As read_predictions and paired, over all files.
    """
    faults = Faults()
    tables = {name: _read(path, classes, faults) for name, path in paths.items()}
    faults.raise_if_any()
    return paired({name: table for name, table in tables.items() if table is not None})


def paired(tables: Mapping[str, PredictionTable]) -> PairedPredictions:
    """The same rows of every table, found by image and, where given, fold and split.

    Raises:
        InputError: Images that a file lacks, other labels, classes, patients or key columns.
    """
    faults = Faults()
    first = next(iter(tables.values()))
    frame = first.frame.drop(columns=probability_columns(first.frame))
    predictions: dict[str, NDArray[np.float64]] = {}
    for name, table in tables.items():
        found = _positions(first, table, faults)
        if found is None:
            continue
        predictions[name] = table.p[found]
        for column in ("label", "patient"):
            if column not in table.frame:
                continue
            theirs = table.frame[column].to_numpy()[found]
            if column not in frame:
                frame[column] = theirs
                continue
            _compare(column, frame[column].to_numpy(), theirs, first, table, found, faults)
    faults.raise_if_any()
    return PairedPredictions(frame, predictions)


def write_predictions(path: Path, frame: pd.DataFrame) -> None:
    """Writes columns as read_predictions reads them; whole or not at all.

    Raises:
        InputError: As checked_output.
    """
    checked_output(path)
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    try:
        if path.suffix.lower() == ".csv":
            options = pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="needed")
            pyarrow.csv.write_csv(table, fresh, options)
        else:
            pq.write_table(table, fresh, compression="zstd")
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def checked_output(path: Path) -> None:
    """Raises InputError unless the path can be written as CSV or Parquet."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path.name}: name it .csv or .parquet")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path.name}: no folder {path.parent}")


def _read(path: Path, classes: Sequence[str], faults: Faults) -> PredictionTable | None:
    """The table, or None if a fault leaves no rows to look at."""
    before = faults.count
    if not path.is_file():
        faults.add("no such file", path.name)
        return None
    if path.suffix.lower() not in SUFFIXES:
        faults.add("neither .csv nor .parquet", path.name)
        return None
    read = csv_rows if path.suffix.lower() == ".csv" else parquet_rows
    found = read(path, faults)
    if found is None:
        return None
    frame, rows = found
    columns = probability_columns(frame)
    for name in ("image", "label"):
        if name not in frame:
            faults.add(f"no column '{name}'; {nearest(name, frame.columns)}", path.name, 1)
    if len(columns) < 2 or columns != [f"p_{at}" for at in range(len(columns))]:
        have = ", ".join(columns) or "none of them"
        faults.add(f"needs the columns p_0, p_1, ... (it has {have})", path.name, 1)
    if not len(frame):
        faults.add("has no rows", path.name)
    if faults.count > before:
        return None
    return _checked(path.name, frame, rows, columns, classes, faults)


def _checked(
    file: str,
    raw: pd.DataFrame,
    rows: NDArray[np.int64],
    columns: Sequence[str],
    classes: Sequence[str],
    faults: Faults,
) -> PredictionTable:
    frame = pd.DataFrame({"image": text_of(raw["image"])})
    names = classes if len(classes) == len(columns) else ()
    frame["label"] = _labels(file, raw["label"], rows, names, len(columns), faults)
    for name in ("patient", *KEYS):
        if name in raw:
            frame[name] = text_of(raw[name])
    if "split" in frame:
        frame["split"] = frame["split"].replace(SHORT_SPLITS)
        split = frame["split"]
        faults.rows(
            file,
            rows,
            ~split.isin(SPLITS).to_numpy(dtype=bool),
            lambda at: f"split '{split.iloc[at]}' is not train, validation or test",
        )
    for name in ("image", "patient", "fold"):
        if name in frame:
            empty = (frame[name] == "").to_numpy(dtype=bool)
            message = f"{name} is empty"
            faults.rows(file, rows, empty, partial(_same, message))
    _add_probabilities(file, raw, frame, rows, columns, faults)
    table = PredictionTable(file, frame, rows)
    again = frame.duplicated(table.keys).to_numpy(dtype=bool)
    if again.any():
        seen: dict[tuple[str, ...], int] = {}
        for key, row in zip(frame[table.keys].itertuples(index=False), rows, strict=True):
            seen.setdefault(tuple(key), int(row))
        faults.rows(
            file,
            rows,
            again,
            lambda at: (
                f"image '{frame['image'].iloc[at]}' is there again, first in row "
                f"{seen[tuple(frame[table.keys].iloc[at])]}"
            ),
        )
    return table


def _labels(
    file: str,
    raw: pd.Series,
    rows: NDArray[np.int64],
    names: Sequence[str],
    size: int,
    faults: Faults,
) -> NDArray[np.int64]:
    """(N,) classes; 0 where it is a fault."""
    text: pd.Series | None = None
    if pd.api.types.is_bool_dtype(raw) or pd.api.types.is_numeric_dtype(raw):
        values = raw.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        text = text_of(raw)
        values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        for at, name in enumerate(names):
            values = np.where((text == name).to_numpy(dtype=bool), at, values)
    known = (values >= 0) & (values < size) & (np.mod(values, 1) == 0)
    valid = f"0..{size - 1}" + (f", {', '.join(names)}" if names else "")
    shown = raw if text is None else text
    faults.rows(
        file, rows, ~known, lambda at: f"label '{shown.iloc[at]}' is not a class; valid: {valid}"
    )
    return np.where(known, values, 0).astype(np.int64)


def _add_probabilities(
    file: str,
    raw: pd.DataFrame,
    frame: pd.DataFrame,
    rows: NDArray[np.int64],
    columns: Sequence[str],
    faults: Faults,
) -> None:
    total = np.zeros(len(frame))
    inside = np.full(len(frame), True)
    for name in columns:
        numbers = pd.to_numeric(raw[name], errors="coerce")
        values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        ok = (values >= 0) & (values <= 1)
        faults.rows(file, rows, ~ok, partial(_not_a_probability, raw[name]))
        inside &= ok
        total += values
        frame[name] = values
    faults.rows(
        file,
        rows,
        inside & (np.abs(total - 1) > SUM_TOLERANCE),
        lambda at: f"probabilities sum to {total[at]:.6g}, not 1",
    )


def _same(message: str, at: int) -> str:
    return message


def _not_a_probability(raw: pd.Series, at: int) -> str:
    return f"{raw.name} is '{raw.iloc[at]!s}', not a number in [0, 1]"


def _compare(
    column: str,
    ours: NDArray,
    theirs: NDArray,
    first: PredictionTable,
    other: PredictionTable,
    positions: NDArray[np.int64],
    faults: Faults,
) -> None:
    """A problem for each row of `first` whose row of `other` says another thing."""

    def message(at: int) -> str:
        return f"{column} {theirs[at]}, but {first.file}:{first.rows[at]} has {ours[at]}"

    faults.rows(other.file, other.rows[positions], ours != theirs, message)


def _positions(
    first: PredictionTable, other: PredictionTable, faults: Faults
) -> NDArray[np.int64] | None:
    """(N,) position in `other` of each row of `first`; None after a fault."""
    if other is first:
        return np.arange(len(first.frame))
    before = faults.count
    for one, two in ((first, other), (other, first)):
        for name in set(one.keys) - set(two.keys):
            faults.add(f"no column '{name}', which {one.file} has", two.file, 1)
    ours, theirs = (len(probability_columns(each.frame)) for each in (first, other))
    if ours != theirs:
        faults.add(f"{theirs} classes, {first.file} has {ours}", other.file, 1)
    if faults.count > before:
        return None
    keys = first.keys
    if first.frame[keys].equals(other.frame[keys]):
        return np.arange(len(first.frame))
    found = _index(other, keys).get_indexer(_index(first, keys))
    used = np.zeros(len(other.frame), dtype=bool)
    used[found[found >= 0]] = True
    faults.rows(
        first.file, first.rows, found < 0, lambda at: f"{_said(first, at)} is not in {other.file}"
    )
    faults.rows(
        other.file, other.rows, ~used, lambda at: f"{_said(other, at)} is not in {first.file}"
    )
    return None if faults.count > before else found.astype(np.int64)


def _index(table: PredictionTable, keys: Sequence[str]) -> pd.Index:
    if len(keys) == 1:
        return pd.Index(table.frame[keys[0]])
    return pd.MultiIndex.from_frame(table.frame[list(keys)])


def _said(table: PredictionTable, at: int) -> str:
    row = table.frame.iloc[at]
    places = [row["split"]] if "split" in row else []
    places += [f"fold {row['fold']}"] if "fold" in row else []
    return f"image '{row['image']}'" + (f" ({', '.join(places)})" if places else "")
