"""Predictions of several networks for the same rows, side by side, and the use of those rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abl.data.predictions.prediction_file import PredictionTable, checked_table
from abl.data.predictions.prediction_rows import Faults, class_columns
from abl.data.tables.alike_names import AlikeNames, unlike_in
from abl.data.tables.key_spellings import named_alike, names_apart
from abl.errors import Problem, raise_if_any

TWO_CLASSES = ("benign", "malignant")
NAMED_BY = "--classes, in the order of p_0, p_1, ..."


@dataclass(frozen=True, eq=False)
class PairedPredictions:
    """Predictions of several networks for the same rows.

    Attributes:
        frame: image, label; patient, split, fold if given; in the order of the first file.
        predictions: Name -> (N, K).
        notes: What was read otherwise than as it is written, a sentence each.
    """

    frame: pd.DataFrame
    predictions: dict[str, NDArray[np.float64]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Images:
    """Some rows of the files.

    Attributes:
        labels: (N,) int64.
        patients: (N,) str; the image itself where the files have no patients.
        predictions: Network -> (N, K).
    """

    labels: NDArray[np.int64]
    patients: NDArray
    predictions: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, positions: NDArray[np.int64]) -> Images:
        """The images at these positions."""
        predictions = {name: p[positions] for name, p in self.predictions.items()}
        return Images(self.labels[positions], self.patients[positions], predictions)


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold, or everything where there are none.

    Attributes:
        name: "" where there are none.
        positions, everything: Its rows of the file, and their images.
        training: For the histogram of confidences; may be empty.
        validation: What is chosen on.
        test: What is scored on; `validation` itself if the files have no column split.
    """

    name: str
    positions: NDArray[np.int64]
    everything: Images
    training: Images
    validation: Images
    test: Images

    @property
    def in_sample(self) -> bool:
        """Whether it is scored on the images it is chosen on."""
        return self.test is self.validation


def read_paired(
    paths: Mapping[str, Path], *, classes: Sequence[str] | None = None
) -> PairedPredictions:
    """Files of several networks, each checked, then put side by side; name -> path.

    Args:
        classes: Names that a label may have, as many as probabilities; None: benign and malignant
            where there are two.

    Raises:
        InputError: As read_prediction_table and paired, over all files.
    """
    faults = Faults()
    names = TWO_CLASSES if classes is None else classes
    tables = {
        name: checked_table(path, names, faults, names_count=classes is not None, named_by=NAMED_BY)
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
    frame = first.frame.drop(columns=class_columns(first.frame))
    predictions: dict[str, NDArray[np.float64]] = {}
    notes = list(dict.fromkeys(note for table in tables.values() for note in table.notes))
    for name, given in tables.items():
        table = named_alike(first, given, notes)
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
            ours = frame[column].to_numpy()
            faults.rows(
                table.path, table.rows[found], ours != theirs,
                partial(_differs, column, ours, theirs, first),
            )  # fmt: skip
    faults.raise_if_any()
    return PairedPredictions(frame, predictions, tuple(notes))


def folds_of(paired: PairedPredictions, *, choosing: bool) -> list[Fold]:
    """The folds in the order of their names, numbers as numbers.

    Raises:
        InputError: A split column without test rows, or, if `choosing`, without validation rows.
    """
    frame = paired.frame
    names = frame["patient" if "patient" in frame else "image"].to_numpy().astype(str)
    every = Images(frame["label"].to_numpy(), names, paired.predictions)
    fold_of = frame["fold"].to_numpy().astype(str) if "fold" in frame else np.full(len(frame), "")
    fold_names = sorted(set(fold_of.tolist()), key=_numbers_first)
    folds, problems = [], []
    for name in fold_names:
        positions = np.flatnonzero(fold_of == name)
        here = every if len(fold_names) == 1 else every.at(positions)
        if "split" not in frame:
            folds.append(Fold(name, positions, here, here.at(positions[:0]), here, here))
            continue
        split = frame["split"].to_numpy().astype(str)[positions]
        training, validation, test = (
            here.at(np.flatnonzero(split == part)) for part in ("train", "validation", "test")
        )
        where = f"fold {name}: " if name else ""
        if not len(test):
            problems.append(f"{where}column split has no 'test' rows to score on")
        if choosing and not len(validation):
            problems.append(f"{where}column split has no 'validation' rows to choose on")
        folds.append(Fold(name, positions, here, training, validation, test))
    raise_if_any([Problem(each) for each in problems])
    return folds


def _numbers_first(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def _differs(column: str, ours: NDArray, theirs: NDArray, first: PredictionTable, at: int) -> str:
    how = unlike_in(str(theirs[at]), str(ours[at])) if column == "patient" else []
    said = f" ({', '.join(how)})" if how else ""
    return f"{column} {theirs[at]}, but {first.path}:{first.rows[at]} has {ours[at]}{said}"


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
    ours, theirs = (len(class_columns(each.frame)) for each in (first, other))
    if ours != theirs:
        faults.add(f"{theirs} classes, {first.path} has {ours}", other.path, 1)
    if faults.count > before:
        return None
    keys = first.keys
    if first.frame[keys].equals(other.frame[keys]):
        return np.arange(len(first.frame))
    found = _index(other, keys).get_indexer(_index(first, keys))
    if (found < 0).all() and len(found) > 1 and (said := _apart(first, other)):
        faults.add(said, other.path)
        return None
    used = np.zeros(len(other.frame), dtype=bool)
    used[found[found >= 0]] = True
    for one, two, lacking in ((first, other, found < 0), (other, first, ~used)):
        if lacking.any():
            others = AlikeNames(two.frame["image"])
            faults.rows(one.path, one.rows, lacking, partial(_absent, one, two, others))
    return None if faults.count > before else found.astype(np.int64)


def _index(table: PredictionTable, keys: Sequence[str]) -> pd.Index:
    if len(keys) == 1:
        return pd.Index(table.frame[keys[0]])
    return pd.MultiIndex.from_frame(table.frame[list(keys)])


def _apart(first: PredictionTable, other: PredictionTable) -> str:
    """What is told of files that have no image in common, in one line; "" of keys that differ."""
    ours, theirs = first.frame["image"], other.frame["image"]
    if theirs.isin(ours).any():
        return ""
    how = names_apart(theirs, ours)
    said = f"has no image of {first.path}: here '{theirs.iloc[0]}', there '{ours.iloc[0]}'"
    return f"{said}; they differ in {how}" if how else said


def _absent(table: PredictionTable, other: PredictionTable, others: AlikeNames, at: int) -> str:
    row = table.frame.iloc[at]
    places = [row["split"]] if "split" in row else []
    places += [f"fold {row['fold']}"] if "fold" in row else []
    place = f" ({', '.join(places)})" if places else ""
    hint = others.hint(row["image"])
    return f"image '{row['image']}'{place} is not in {other.path}{hint and f'; {hint}'}"
