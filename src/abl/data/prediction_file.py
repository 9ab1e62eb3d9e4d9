"""Files of predictions that any program made: read and checked.

One row an image (CSV or Parquet), columns:

- image: any name, the same in all files.
- label: 0, 1, ... or the name of a class.
- p_0, p_1, ...: probabilities of the classes, which sum to 1.
- patient, split or role (train, validation or test), fold: optional; an image may be there once in
  each (fold, split).

Other columns are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abl.data.prediction_rows import (
    KEYS,
    ROLE,
    SUFFIXES,
    Faults,
    Tell,
    as_text,
    class_columns,
    csv_rows,
    no_file,
    parquet_rows,
)
from abl.errors import InputError, Problem, nearest

SUM_TOLERANCE = 1e-3  # softmax in float32, written with a few digits
SPLITS = ("train", "validation", "test")
SHORT_SPLITS = {"val": "validation", "valid": "validation"}


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """The predictions of one network.

    Attributes:
        file, path: Name of the file; its path as given, for messages.
        frame: image (str), label (int64), p_0, ... (float64); patient, split, fold (str) if given.
        rows: (N,) row of each in the file; the header is row 1.
    """

    file: str
    path: str
    frame: pd.DataFrame
    rows: NDArray[np.int64]

    @property
    def keys(self) -> list[str]:
        """The columns by which a row is known: those of fold and split that are there; image."""
        return [*(name for name in KEYS if name in self.frame), "image"]

    @property
    def p(self) -> NDArray[np.float64]:
        """(N, K) float64."""
        return self.frame[class_columns(self.frame)].to_numpy(dtype=np.float64)


def read_prediction_table(
    path: Path,
    *,
    classes: Sequence[str] = ("benign", "malignant"),
    several: Sequence[str] = (),
) -> PredictionTable:
    """A checked file of predictions, .csv or .parquet.

    Args:
        classes: Names that a label may have, if there are as many as probabilities.
        several: Columns (repeat, fold, seed) that tell rows of one image apart; where images are
            there again and one of these is not, that is the fault.

    Raises:
        InputError: Every fault with file and row; of many the first ten, and how many more.
    """
    faults = Faults()
    table = checked_table(path, classes, faults, several=several)
    faults.raise_if_any()
    if table is None:
        raise InputError(Problem("cannot be read", file=str(path)))
    return table


def checked_table(
    path: Path,
    classes: Sequence[str],
    faults: Faults,
    *,
    names_count: bool = False,
    several: Sequence[str] = (),
) -> PredictionTable | None:
    """The table, with its faults added to `faults`; None if one leaves no rows to look at.

    Args:
        names_count: Whether another number of probabilities than of classes is a fault.
        several: As read_prediction_table.
    """
    before = faults.count
    if fault := no_file(path):
        faults.add(fault, str(path))
        return None
    if path.suffix.lower() not in SUFFIXES:
        faults.add("neither .csv nor .parquet", str(path))
        return None
    read = csv_rows if path.suffix.lower() == ".csv" else parquet_rows
    found = read(path, faults)
    if found is None:
        return None
    frame, rows = found
    if ROLE in frame and "split" not in frame:
        frame = frame.rename(columns={ROLE: "split"})
    columns = class_columns(frame)
    for name in ("image", "label"):
        if name not in frame:
            faults.add(f"no column '{name}'; {nearest(name, frame.columns)}", str(path), 1)
    if len(columns) < 2 or columns != [f"p_{at}" for at in range(len(columns))]:
        have = ", ".join(columns) or "none of them"
        faults.add(f"needs the columns p_0, p_1, ... (it has {have})", str(path), 1)
    elif names_count and len(classes) != len(columns):
        message = f"{len(columns)} classes ({', '.join(columns)}), but --classes names "
        faults.add(message + f"{len(classes)}: {', '.join(classes)}", str(path), 1)
    if not len(frame):
        faults.add("has no rows", str(path))
    if faults.count > before:
        return None
    return _checked(path, frame, rows, columns, classes, faults, several)


def _checked(
    path: Path,
    raw: pd.DataFrame,
    rows: NDArray[np.int64],
    columns: Sequence[str],
    classes: Sequence[str],
    faults: Faults,
    several: Sequence[str],
) -> PredictionTable:
    tell: Tell = partial(faults.rows, str(path), rows)
    frame = pd.DataFrame({"image": as_text(raw["image"])})
    names = classes if len(classes) == len(columns) else ()
    frame["label"] = _labels(raw["label"], names, len(columns), tell)
    for name in ("patient", *KEYS):
        if name in raw:
            frame[name] = as_text(raw[name])
    if "split" in frame:
        frame["split"] = frame["split"].replace(SHORT_SPLITS)
        split = frame["split"]
        tell(
            ~split.isin(SPLITS).to_numpy(dtype=bool),
            lambda at: f"split '{split.iloc[at]}' is not train, validation or test",
        )
    for name in ("image", "patient", "fold"):
        if name in frame:
            tell((frame[name] == "").to_numpy(dtype=bool), partial(_same, f"{name} is empty"))
    _add_probabilities(raw, frame, columns, tell)
    table = PredictionTable(path.name, str(path), frame, rows)
    again = frame.duplicated(table.keys).to_numpy(dtype=bool)
    lacking = _lacking_keys(table, again, several)
    if lacking:
        names = " and ".join(lacking)
        column = "column" if len(lacking) == 1 else "columns"
        message = f"needs the {column} {names}, as `abl splits` writes repeat and fold: "
        count = int(again.sum())
        message += f"without, {count:,} {'row is' if count == 1 else 'rows are'} of images that "
        message += f"are there already, the first is '{frame['image'][again].iloc[0]}'"
        faults.add(message, str(path), 1)
    elif again.any():
        seen: dict[tuple[str, ...], int] = {}
        for key, row in zip(frame[table.keys].itertuples(index=False), rows, strict=True):
            seen.setdefault(tuple(key), int(row))
        tell(
            again,
            lambda at: (
                f"image '{frame['image'].iloc[at]}' is there again, first in row "
                f"{seen[tuple(frame[table.keys].iloc[at])]}"
            ),
        )
    return table


def _lacking_keys(
    table: PredictionTable, again: NDArray[np.bool_], several: Sequence[str]
) -> list[str]:
    """Columns for want of which images are there again."""
    lacking = [key for key in several if key not in table.frame] if again.any() else []
    splits = [key for key in lacking if key != "seed"]
    if splits or not lacking:
        return splits
    # a row doubled by accident is no second seed: then every image is there several times
    return lacking if table.frame.groupby(table.keys).size().min() > 1 else []


def _labels(raw: pd.Series, names: Sequence[str], size: int, tell: Tell) -> NDArray[np.int64]:
    """(N,) classes; 0 where it is a fault."""
    text: pd.Series | None = None
    if pd.api.types.is_bool_dtype(raw) or pd.api.types.is_numeric_dtype(raw):
        values = raw.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        text = as_text(raw)
        values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        for at, name in enumerate(names):
            values = np.where((text == name).to_numpy(dtype=bool), at, values)
    known = (values >= 0) & (values < size) & (np.mod(values, 1) == 0)
    valid = f"0..{size - 1}" + (f", {', '.join(names)}" if names else "")
    shown = raw if text is None else text
    tell(~known, lambda at: f"label '{shown.iloc[at]}' is not a class; valid: {valid}")
    return np.where(known, values, 0).astype(np.int64)


def _add_probabilities(
    raw: pd.DataFrame, frame: pd.DataFrame, columns: Sequence[str], tell: Tell
) -> None:
    total = np.zeros(len(frame))
    inside = np.full(len(frame), True)
    for name in columns:
        numbers = pd.to_numeric(raw[name], errors="coerce")
        values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        ok = (values >= 0) & (values <= 1)
        tell(~ok, partial(_not_a_probability, raw[name]))
        inside &= ok
        total += values
        frame[name] = values
    tell(
        inside & (np.abs(total - 1) > SUM_TOLERANCE),
        lambda at: f"probabilities sum to {total[at]:.6g}, not 1",
    )


def _same(message: str, at: int) -> str:
    return message


def _not_a_probability(raw: pd.Series, at: int) -> str:
    return f"{raw.name} is '{raw.iloc[at]!s}', not a number in [0, 1]"
