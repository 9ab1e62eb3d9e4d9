"""What the searches of a sweep asked and found, as plain frames: what figures and MLflow show."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

COMPLETE, PRUNED, STOPPED, FAILED = "complete", "pruned", "stopped", "failed"
PARAM = "param:"  # of columns that hold what was searched


@dataclass(frozen=True, eq=False)
class Searches:
    """Every point of every search, on validation images alone.

    Attributes:
        points: One row a point: `search` (its name: the arm, "" if there is one search), `number`
            and `generation` (int64, from 0), `state` (complete; pruned: hopeless after some
            replicates; stopped: hopeless within a training; failed), `replicates` (int64: scored),
            `value_0`, ... (float64, one an objective: mean over replicates, nan unless complete),
            `so_far_0`, ... (mean over the replicates scored), `constraint_0`, ... (mean violation,
            above 0 is violated), `reason` (why it ended early), `feasible`, `front`, `chosen`
            (bool), and `param:<name>` (object: number, word or bool, words alone where choices are
            of several kinds; None where a condition leaves it out).
        scores: One row a scored replicate of a point: `search`, `number`, `at` (int64: position
            in the fixed order), `repeat`, `fold`, `seed` (int64), `value_0`, ....
        curves: One row an epoch of a training: `search`, `number`, `at`, `role`, `epoch` (int64),
            `validation_loss`, `validation_accuracy` (float64).
    """

    points: pd.DataFrame = field(default_factory=pd.DataFrame)
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __bool__(self) -> bool:
        return len(self.points) > 0
