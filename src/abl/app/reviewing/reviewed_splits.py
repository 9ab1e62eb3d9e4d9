"""Whether the splits of a sweep still hold every class after a review."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from abl.app.reviewing.readers import Ruling
from abl.app.reviewing.reviewed_data import ReviewedData
from abl.app.reviewing.sheet import DROP
from abl.data.splits.splits import fold_count, split_of
from abl.data.train_labels import NOT_TRAINED, TRAIN_LABEL
from abl.errors import InputError, Problem, raise_if_any


def refuse_emptied_splits(
    data: ReviewedData, decided: Mapping[str, Ruling], *, test_labels: bool
) -> None:
    """Raises InputError with every fold of the sweep of which a class has no image left, as `abl
    plan` and `abl sweep` would of the corrected set.

    Args:
        test_labels: Whether labels of test sets are corrected too, by which splits are drawn.
    """
    sweep, frame = data.sweep, _corrected(data.dataset.frame, decided, test_labels=test_labels)
    advice = "write keep or unsure for some of that class"
    problems = []
    for repeat in range(sweep.replicates.repeats):
        for fold in range(fold_count(sweep.splits)):
            try:
                split_of(frame, sweep.splits, repeat, fold)
            except InputError as error:
                where = f"after this review, in repeat {repeat}, fold {fold}"
                problems += [
                    Problem(f"{where}: {each.message}; {advice}") for each in error.problems
                ]
    raise_if_any(problems)


def _corrected(
    frame: pd.DataFrame, decided: Mapping[str, Ruling], *, test_labels: bool
) -> pd.DataFrame:
    """The rows as splits of the corrected set see them."""
    names = frame["image"].astype(str)
    rulings = [decided.get(name) for name in names]
    dropped = np.array([each is not None and each.decision == DROP for each in rulings], bool)
    new = [None if each is None else each.new_label for each in rulings]

    def with_new(column: str) -> list[int]:
        given = frame[column].tolist()
        return [old if now is None else now for old, now in zip(given, new, strict=True)]

    trained = np.where(dropped, NOT_TRAINED, with_new(TRAIN_LABEL))
    if not test_labels:
        return frame.assign(**{TRAIN_LABEL: trained})
    found = frame.assign(**{TRAIN_LABEL: trained}).assign(label=with_new("label"))
    return found[~dropped].reset_index(drop=True)
