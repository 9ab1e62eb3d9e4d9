"""The predictions of several networks for the same rows, put side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abl.data.prediction_file import PredictionTable, checked_table
from abl.data.prediction_rows import Faults, probability_columns

TWO_CLASSES = ("benign", "malignant")


@dataclass(frozen=True, eq=False)
class PairedPredictions:
    """Predictions of several networks for the same rows.

    Attributes:
        frame: image, label; patient, split, fold if given; in the order of the first file.
        predictions: Name -> (N, K) float64.
    """

    frame: pd.DataFrame
    predictions: dict[str, NDArray[np.float64]]


def read_paired(
    paths: Mapping[str, Path], *, classes: Sequence[str] | None = None
) -> PairedPredictions:
    """Files of several networks, each checked, then put side by side; name -> path.

    Args:
        classes: Names that a label may have, as many as probabilities; None: benign and malignant
            where there are two.

    Raises:
        InputError: As read_predictions and paired, over all files.
    """
    faults = Faults()
    names = TWO_CLASSES if classes is None else classes
    tables = {
        name: checked_table(path, names, faults, names_count=classes is not None)
        for name, path in paths.items()
    }
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
        return f"{column} {theirs[at]}, but {first.path}:{first.rows[at]} has {ours[at]}"

    faults.rows(other.path, other.rows[positions], ours != theirs, message)


def _positions(
    first: PredictionTable, other: PredictionTable, faults: Faults
) -> NDArray[np.int64] | None:
    """(N,) position in `other` of each row of `first`; None after a fault."""
    if other is first:
        return np.arange(len(first.frame))
    before = faults.count
    for one, two in ((first, other), (other, first)):
        for name in set(one.keys) - set(two.keys):
            faults.add(f"no column '{name}', which {one.path} has", two.path, 1)
    ours, theirs = (len(probability_columns(each.frame)) for each in (first, other))
    if ours != theirs:
        faults.add(f"{theirs} classes, {first.path} has {ours}", other.path, 1)
    if faults.count > before:
        return None
    keys = first.keys
    if first.frame[keys].equals(other.frame[keys]):
        return np.arange(len(first.frame))
    found = _index(other, keys).get_indexer(_index(first, keys))
    used = np.zeros(len(other.frame), dtype=bool)
    used[found[found >= 0]] = True
    faults.rows(
        first.path, first.rows, found < 0, lambda at: f"{_said(first, at)} is not in {other.path}"
    )
    faults.rows(
        other.path, other.rows, ~used, lambda at: f"{_said(other, at)} is not in {first.path}"
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
