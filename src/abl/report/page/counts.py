"""Counts of right and wrong calls of each arm: a 2 x 2 table, one a class where there are more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from abl.decide.check import largest_class
from abl.decide.confusion import confusion_matrix
from abl.decide.replicates import KEYS
from abl.plan.outcome import Outcome
from abl.report.figures.arms import frames_by, words_of
from abl.report.prediction_frames import probabilities_of

COLUMNS = ("TP", "FN", "FP", "TN")


def count_rows(
    outcome: Outcome, predictions: pd.DataFrame, classes: Sequence[str]
) -> list[tuple[str, ...]]:
    """(arm, class, TP, FN, FP, TN, units, replicates) of each arm, summed over its replicates.

    K = 2: of class 1, the positive one; K > 2: of every class against the rest. The final class is
    the most probable one. Arms without kept predictions are left out.
    """
    frames, rows = frames_by(predictions, "arm", "test"), []
    for arm in outcome.arms:
        frame = frames.get(arm.key)
        if arm.failed or frame is None:
            continue
        p, labels = probabilities_of(frame), frame["label"].to_numpy(np.int64)
        size = p.shape[1]
        matrix = np.asarray(confusion_matrix(labels, largest_class(p), size), dtype=np.int64)
        replicates = len(frame[KEYS].drop_duplicates())
        for at in [1] if size == 2 else range(size):
            true = int(matrix[at, at])
            missed, false = int(matrix[at].sum()) - true, int(matrix[:, at].sum()) - true
            rest = int(matrix.sum()) - true - missed - false
            name = classes[at] if at < len(classes) else f"class {at}"
            numbers = (true, missed, false, rest, len(frame), replicates)
            rows.append((words_of(arm, outcome), name, *(f"{each:,}" for each in numbers)))
    return rows


def counts_note(rows: Sequence[tuple[str, ...]], unit: str, *, classes: int) -> str:
    """What was counted, and what was summed."""
    several = {row[-1] for row in rows} != {"1"}
    summed = (
        f"Summed over the replicates of an arm: each {unit} is counted once for every replicate "
        "in whose test set it is."
        if several
        else f"Each {unit} of the test set is counted once."
    )
    of = "the positive class" if classes == 2 else "each class against the rest"
    return (
        f"{summed} Of {of}: TP found, FN missed, FP called so wrongly, TN rightly not called so, "
        "at the most probable class. Metrics of the table are means over replicates, not of sums."
    )
