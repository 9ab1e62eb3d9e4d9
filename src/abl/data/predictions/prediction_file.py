"""Files of predictions that any program made: read and checked.

One row an image (CSV or Parquet), columns:

- image: any name, the same in all files.
- label: 0, 1, ... or the name of a class.
- p_0, p_1, ...: probabilities of the classes, which sum to 1 but for rounding.
- patient, split or role (train, validation or test), fold: optional; an image may be there once in
  each (fold, split).

Spellings of labels, splits and folds are those of words.py.

Other columns are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abl.data.predictions.prediction_rows import (
    KEYS,
    ROLE,
    SUFFIXES,
    Faults,
    RawRows,
    Tell,
    as_text,
    class_columns,
    csv_rows,
    no_file,
    parquet_rows,
)
from abl.data.predictions.prediction_values import add_probabilities, labels_read
from abl.data.tables.alike_names import nearest_name, shown_name
from abl.data.tables.who_is_who import alike_sentence
from abl.data.tables.words import ROLES, missing_words, number_words, role_named
from abl.errors import InputError, Problem


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """The predictions of one network.

    Attributes:
        file, path: Name of the file; its path as given, for messages.
        frame: image (str), label (int64), p_0, ... (float64); patient, split, fold (str) if given.
        rows: (N,) row of each in the file.
        notes: What was read otherwise than as it is written, a sentence each.
        further: Columns besides those of a fold and split by which a row is known, if there.
    """

    file: str
    path: str
    frame: pd.DataFrame
    rows: NDArray[np.int64]
    notes: tuple[str, ...] = ()
    further: tuple[str, ...] = ()

    @property
    def keys(self) -> list[str]:
        """The columns by which a row is known: those of fold and split that are there; image."""
        return [*(name for name in (*KEYS, *self.further) if name in self.frame), "image"]

    @property
    def p(self) -> NDArray[np.float64]:
        """(N, K) float64."""
        return self.frame[class_columns(self.frame)].to_numpy(dtype=np.float64)


def read_prediction_table(
    path: Path,
    *,
    classes: Sequence[str] = ("benign", "malignant"),
    several: Sequence[str] = (),
    named_by: str = "",
) -> PredictionTable:
    """A checked file of predictions, .csv or .parquet.

    Args:
        classes: Names that a label may have, if there are as many as probabilities.
        several: Columns (repeat, fold, seed) that tell rows of one image apart; where images are
            there again and one of these is not, that is the fault.
        named_by: The option that names classes, told where labels are of none.

    Raises:
        InputError: Every fault with file and row; of many the first ten, and how many more.
    """
    faults = Faults()
    table = checked_table(path, classes, faults, several=several, named_by=named_by)
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
    further: Sequence[str] = (),
    named_by: str = "",
) -> PredictionTable | None:
    """The table, with its faults added to `faults`; None if one leaves no rows to look at.

    Args:
        names_count: Whether another number of probabilities than of classes is a fault.
        several: As read_prediction_table.
        further: Of PredictionTable.
        named_by: As read_prediction_table.
    """
    before = faults.count
    if fault := no_file(path):
        faults.add(fault, str(path))
        return None
    if path.suffix.lower() not in SUFFIXES:
        faults.add("neither .csv nor .parquet", str(path))
        return None
    read = csv_rows if path.suffix.lower() == ".csv" else parquet_rows
    found = read(path, faults, further)
    if found is None:
        return None
    frame = found.frame
    if ROLE in frame and "split" not in frame:
        frame = frame.rename(columns={ROLE: "split"})
    columns = class_columns(frame)
    for name in ("image", "label"):
        if name not in frame:
            faults.add(f"no column '{name}'; {nearest_name(name, frame.columns)}", str(path), 1)
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
    found = replace(found, frame=frame)
    return _checked(path, found, columns, classes, faults, several, tuple(further), named_by)


def _checked(
    path: Path,
    found: RawRows,
    columns: Sequence[str],
    classes: Sequence[str],
    faults: Faults,
    several: Sequence[str],
    further: tuple[str, ...],
    named_by: str,
) -> PredictionTable:
    raw, rows = found.frame, found.rows
    tell: Tell = partial(faults.rows, str(path), rows)
    frame = pd.DataFrame({"image": as_text(raw["image"])})
    names = classes if len(classes) == len(columns) else [str(at) for at in range(len(columns))]
    frame["label"] = labels_read(as_text(raw["label"]), names, tell, named_by)
    for name in ("patient", *KEYS, *further):
        if name in raw:
            frame[name] = as_text(raw[name])
    missing = np.zeros(len(frame), dtype=bool)
    for name in ("image", "patient", "fold", *further):
        if name in frame:
            empty = (
                frame[name].isin(missing_words(frame[name].unique().tolist())).to_numpy(dtype=bool)
            )
            tell(empty, partial(_is_no_name, frame[name]))
            missing |= empty
    for name in KEYS:
        if name in frame and name != "split":
            frame[name] = _mapped(frame[name], number_words)
    if "split" in frame:
        written = frame["split"]
        frame["split"] = _mapped(written, lambda text: role_named(text) or text)
        unread = ~frame["split"].isin(ROLES).to_numpy(dtype=bool)
        tell(
            unread,
            lambda at: f"split {shown_name(written.iloc[at])} is not train, validation or test",
        )
        missing |= unread
    notes = [found.note] * bool(found.note) + add_probabilities(path, raw, frame, columns, tell)
    if "patient" in frame:
        said = alike_sentence("patient", frame["patient"], pd.Series(rows))
        notes += [f"{path.name}: {said}"] * bool(said)
    table = PredictionTable(path.name, str(path), frame, rows, tuple(notes), further)
    again = frame.duplicated(table.keys).to_numpy(dtype=bool) & ~missing
    lacking = _lacking_keys(table, again, several)
    if lacking:
        names = " and ".join(lacking)
        column = "column" if len(lacking) == 1 else "columns"
        message = f"needs the {column} {names}, as `abl splits` writes repeat and fold: "
        count = int(again.sum())
        message += f"without, {count:,} {'row is' if count == 1 else 'rows are'} of images that "
        message += f"are there already, the first is '{frame['image'][again].iloc[0]}'"
        faults.add(message, str(path), 1)
    elif further and again.any() and table.keys == ["image"] and _all_several(table):
        message = f"{int(again.sum()):,} rows are of images that are there already, the first is "
        message += f"'{frame['image'][again].iloc[0]}': give each network a file, or a column "
        faults.add(message + f"{' or '.join((*further, 'fold'))} tells them apart", str(path), 1)
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
    return lacking if _all_several(table) else []


def _all_several(table: PredictionTable) -> bool:
    """Whether every image is there several times: a row doubled by accident is no second seed."""
    return bool(table.frame.groupby(table.keys).size().min() > 1)


def _mapped(texts: pd.Series, read: Callable[[str], str]) -> pd.Series:
    return texts.map({text: read(text) for text in texts.unique().tolist()})


def _is_no_name(texts: pd.Series, at: int) -> str:
    text = texts.iloc[at]
    return f"{texts.name} is empty" if text in ("", "nan") else f"{texts.name} '{text}' is no name"
