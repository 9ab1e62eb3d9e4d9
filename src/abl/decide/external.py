"""Scores on an external set, of which every replicate's network sees the same units.

Nothing may be chosen by an external set: probabilities come here with the cut-off that internal
validation chose already moved to 0.5 (`adaptive.with_cutoff_at_half`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from abl.decide.cells import cell_of
from abl.decide.intervals import RESAMPLES, patient_interval
from abl.decide.replicates import ArmScores, Scores, checked_arm, replicate_scores
from abl.errors import InputError, nearest
from abl.plan.outcome import Cell

External = Literal["averaged", "ensemble"]
WAYS = ("averaged", "ensemble")


def external_cells(
    arm: ArmScores,
    metrics: Sequence[str],
    *,
    how: External = "averaged",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Cell]:
    """Metrics of an arm on an external set, with 95 % intervals by patient.

    Args:
        arm: Predictions of each replicate's network on the external units.
        metrics: Names of metrics.
        how: averaged: the metric of each replicate's network, averaged. ensemble: the metric of the
            mean of their probabilities, which is another, usually better predictor, and must be
            labelled so.
        resamples: Of patients.

    Raises:
        InputError: Replicates that were scored on different units; an unknown way.
    """
    if how not in WAYS:
        raise InputError(f"external: '{how}' is not known: {nearest(how, WAYS)}")
    scored = [ensemble_of(arm)] if how == "ensemble" else _on_the_same_units(arm)
    table = replicate_scores(scored, metrics)
    cells = {}
    for name in table.columns.drop(["repeat", "fold", "seed"]):
        interval = patient_interval(scored, name, resamples=resamples, seed=seed)
        values = table[["repeat", "fold", "seed"]].assign(value=table[name])
        cells[str(name)] = cell_of(values, low=interval.low, high=interval.high)
    return cells


def ensemble_of(arm: ArmScores) -> Scores:
    """One predictor of all replicates: the mean of their probabilities on the same units.

    Raises:
        InputError: Replicates that were scored on different units.
    """
    replicates = _on_the_same_units(arm)
    first = replicates[0]
    mean = np.mean([each.p for each in replicates], axis=0)
    return Scores(0, 0, 0, first.labels, first.patients, mean)


def _on_the_same_units(arm: ArmScores) -> list[Scores]:
    replicates = checked_arm(arm)
    first = replicates[0]
    for each in replicates[1:]:
        same = np.array_equal(each.labels, first.labels) and np.array_equal(
            each.patients, first.patients
        )
        if not same or each.p.shape != first.p.shape:
            raise InputError(
                f"external: replicates {first.key} and {each.key} were scored on different units"
            )
    return replicates
