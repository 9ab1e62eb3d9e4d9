"""A metric over runs, as many papers print it: mean and 95 % interval of trainings alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy

from abl.plan.outcome import ArmOutcome
from abl.report.numbers import Scale
from abl.report.tables.model import Column

RUNS_NOTE = (
    "Over runs: mean and 95 % interval (Student's t) of the replicates' values, as many papers "
    "print it. It holds the luck of these trainings on these test patients, and tells nothing of "
    "others."
)


def over_runs(arm: ArmOutcome, metric: str) -> tuple[float, float, float]:
    """Mean, low and high over an arm's replicates; ends are nan with fewer than two."""
    frame = arm.replicates
    values = frame[metric].dropna().to_numpy(np.float64) if metric in frame else np.empty(0)
    if not values.size:
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    if values.size < 2:
        return mean, math.nan, math.nan
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    reach = float(scipy.stats.t.ppf(0.975, values.size - 1)) * error
    return mean, mean - reach, mean + reach


def runs_column(metric: str, label: str, scale: Scale) -> Column:
    """The column of a metric; in CSV its mean and ends."""

    def raw(at: int) -> Callable[[ArmOutcome], float]:
        return lambda arm: over_runs(arm, metric)[at]

    names = [f"{metric}_runs_{part}" for part in ("mean", "low", "high")]
    return Column(
        label,
        True,
        lambda arm: scale.mean_and_interval(*over_runs(arm, metric)),
        {name: raw(at) for at, name in enumerate(names)},
    )
