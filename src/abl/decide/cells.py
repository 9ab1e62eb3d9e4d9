"""One number of an ablation table from its replicates; and of a set that all of them are scored on.

Nothing may be chosen by an external set: probabilities come here with the cut-off that internal
validation chose already moved to 0.5 (`decision.with_cutoff_at_half`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from abl.decide.intervals import RESAMPLES, patient_interval
from abl.decide.replicates import KEYS, ArmScores, Scores, checked_arm, replicate_scores
from abl.errors import InputError, nearest
from abl.plan.outcome import Cell


def cell_of(values: pd.DataFrame, *, low: float = math.nan, high: float = math.nan) -> Cell:
    """The cell of one metric.

    Args:
        values: Columns repeat, fold, seed, value: one row a replicate, nan where undefined.

    Returns:
        Seeds averaged within (repeat, fold), then splits; sd over replicates (ddof = 1); undefined
        replicates counted and left out of both.
    """
    missing = [column for column in [*KEYS, "value"] if column not in values.columns]
    if missing:
        raise InputError(f"a cell needs the columns {', '.join(missing)}")
    value = values["value"].to_numpy(dtype=np.float64)
    defined = values[~np.isnan(value)]
    count = len(defined)
    return Cell(
        mean=float(split_means(values).mean()) if count else math.nan,
        sd=float(defined["value"].std(ddof=1)) if count > 1 else math.nan,
        low=low,
        high=high,
        count=count,
        undefined=len(values) - count,
    )


def split_means(values: pd.DataFrame) -> pd.Series:
    """Mean over seeds of each (repeat, fold) that has a defined value, in order."""
    return values.dropna(subset="value").groupby(["repeat", "fold"], sort=True)["value"].mean()


External = Literal["averaged", "ensemble"]
WAYS = ("averaged", "ensemble")


def external_cells(
    arm: ArmScores,
    metrics: Sequence[str],
    *,
    how: External = "averaged",
    resamples: int = RESAMPLES,
) -> dict[str, Cell]:
    """Metrics of an arm on an external set, with 95 % intervals by patient.

    Args:
        arm: Predictions of each replicate's network on the external units.
        how: averaged: the metric of each replicate's network, averaged. ensemble: the metric of the
            mean of their probabilities, which is another, usually better predictor, and must be
            labelled so.

    Raises:
        InputError: Replicates that were scored on different units; an unknown way.
    """
    if how not in WAYS:
        raise InputError(f"external: '{how}' is not known: {nearest(how, WAYS)}")
    scored = [ensemble_of(arm)] if how == "ensemble" else _on_the_same_units(arm)
    table = replicate_scores(scored, metrics)
    cells = {}
    for name in table.columns.drop(KEYS):
        interval = patient_interval(scored, name, resamples=resamples)
        values = table[KEYS].assign(value=table[name])
        cells[str(name)] = cell_of(values, low=interval.low, high=interval.high)
    return cells


def ensemble_of(arm: ArmScores) -> Scores:
    """One predictor of all replicates: the mean of their probabilities on the same units."""
    replicates = _on_the_same_units(arm)
    first = replicates[0]
    mean = np.mean([each.p for each in replicates], axis=0)
    return Scores(0, 0, 0, first.labels, first.patients, mean)


def _on_the_same_units(arm: ArmScores) -> list[Scores]:
    replicates = checked_arm(arm)
    first = replicates[0]
    for each in replicates[1:]:
        if not each.is_of_the_same_images(first):
            raise InputError(
                f"external: replicates {first.key} and {each.key} were scored on different units"
            )
    return replicates
