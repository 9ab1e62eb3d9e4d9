"""The images of a file of predictions by their use: chosen on, scored on, in each fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abl.data.prediction_pairs import PairedPredictions
from abl.errors import Problem, raise_if_any

Positions = NDArray[np.int64]


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

    def rows(self, positions: Positions) -> Images:
        """The images at these positions."""
        if len(positions) == len(self) and np.array_equal(positions, np.arange(len(self))):
            return self
        return Images(
            self.labels[positions],
            self.patients[positions],
            {name: p[positions] for name, p in self.predictions.items()},
        )


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold, or everything where there are none.

    Attributes:
        name: "" where there are none.
        positions: Rows of the file in it.
        everything: All of its images, in that order.
        training: For the histogram of confidences; may be empty.
        validation: What is chosen on.
        test: What is scored on; `validation` itself if the files have no column split.
    """

    name: str
    positions: Positions
    everything: Images
    training: Images
    validation: Images
    test: Images

    @property
    def in_sample(self) -> bool:
        """Whether it is scored on the images it is chosen on."""
        return self.test is self.validation


def folds_of(paired: PairedPredictions, *, choosing: bool) -> list[Fold]:
    """The folds in the order of their names, numbers as numbers.

    Args:
        choosing: Whether validation images are needed.

    Raises:
        InputError: A split column without test rows, or without validation rows to choose on.
    """
    frame = paired.frame
    names = frame["patient" if "patient" in frame else "image"].to_numpy().astype(str)
    every = Images(frame["label"].to_numpy(), names, paired.predictions)
    fold_of = frame["fold"].to_numpy().astype(str) if "fold" in frame else np.full(len(frame), "")
    folds, problems = [], []
    for name in sorted(set(fold_of.tolist()), key=_numbers_first):
        positions = np.flatnonzero(fold_of == name)
        here = every.rows(positions)
        none = here.rows(positions[:0])
        if "split" not in frame:
            folds.append(Fold(name, positions, here, none, here, here))
            continue
        split = frame["split"].to_numpy().astype(str)[positions]
        parts = {
            part: here.rows(np.flatnonzero(split == part))
            for part in ("train", "validation", "test")
        }
        where = f"fold {name}: " if name else ""
        if not len(parts["test"]):
            problems.append(f"{where}column split has no 'test' rows to score on")
        if choosing and not len(parts["validation"]):
            problems.append(f"{where}column split has no 'validation' rows to choose on")
        folds.append(
            Fold(name, positions, here, parts["train"], parts["validation"], parts["test"])
        )
    raise_if_any([Problem(each) for each in problems])
    return folds


def _numbers_first(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)
