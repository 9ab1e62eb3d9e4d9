"""Counts of right and wrong calls of each arm: a 2 x 2 table, one a class where there are more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.decide.check import largest_class
from abl.decide.confusion import confusion_matrix
from abl.decide.replicates import KEYS
from abl.plan.outcome import Outcome
from abl.report.figures.arms import frames_by
from abl.report.named import words_of
from abl.report.prediction_frames import probabilities_of


@dataclass(frozen=True)
class CountTable:
    """Counts of the test sets.

    Attributes:
        columns: Of what stands behind the arm: class (of three and more), TP, FN, FP, TN, in all,
            replicates (where arms differ in them).
        rows: Arm, then the columns.
        note: What was counted, and what was summed.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def count_table(
    outcome: Outcome,
    predictions: pd.DataFrame,
    classes: Sequence[str],
    unit: str,
    *,
    mixed: bool = False,
) -> CountTable | None:
    """TP, FN, FP, TN of each arm, summed over its replicates; None without kept predictions.

    K = 2: of class 1, the positive one; K > 2: of every class against the rest. The final class is
    the most probable one.

    Args:
        mixed: Whether of some arms both images of a pair are samples of their own.
    """
    frames, rows = frames_by(predictions, "arm", "test"), []
    size, replicates = 2, dict[int, None]()
    for arm in outcome.arms:
        frame = frames.get(arm.key)
        if arm.failed or frame is None:
            continue
        p, labels = probabilities_of(frame), frame["label"].to_numpy(np.int64)
        size, count = p.shape[1], len(frame[KEYS].drop_duplicates())
        replicates[count] = None
        matrix = np.asarray(confusion_matrix(labels, largest_class(p), size), dtype=np.int64)
        for at in [1] if size == 2 else range(size):
            true = int(matrix[at, at])
            missed, false = int(matrix[at].sum()) - true, int(matrix[:, at].sum()) - true
            rest = int(matrix.sum()) - true - missed - false
            numbers = (true, missed, false, rest, len(frame), count)
            name = _named(classes, at)
            rows.append((words_of(arm, outcome), name, *(f"{each:,}" for each in numbers)))
    if not rows:
        return None
    columns = ("class", "TP", "FN", "FP", "TN", "in all", "replicates")
    kept = slice(2 if size == 2 else 1, -1 if len(replicates) == 1 else None)
    return CountTable(
        columns[kept.start - 1 : kept.stop],
        tuple((row[0], *row[kept]) for row in rows),
        _note(list(replicates), unit, _named(classes, 1) if size == 2 else "")
        + (MIXED_NOTE if mixed and unit == "image" else ""),
    )


MIXED_NOTE = " Arms of mixed modalities count each image twice: by its first and by its second."


def _named(classes: Sequence[str], at: int) -> str:
    return classes[at] if at < len(classes) else f"class {at}"


def _note(replicates: Sequence[int], unit: str, positive: str) -> str:
    if replicates == [1]:
        summed = f"Each {unit} of the test set is counted once."
    else:
        many = f"the {replicates[0]} replicates" if len(replicates) == 1 else "the replicates"
        summed = (
            f"Summed over {many} of an arm: each {unit} is counted once for every replicate in "
            "whose test set it is."
        )
    of = positive if positive else "each class against the rest"
    return (
        f"{summed} Of {of}: TP found, FN missed, FP called so wrongly, TN rightly not called so, "
        "at the most probable class. Metrics of the table are means over replicates, not of sums."
    )
