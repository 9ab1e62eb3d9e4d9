"""What a cell of the ablation table says: numbers, undefined values, values that were chosen."""

from __future__ import annotations

import math

import numpy as np

from abl.plan.outcome import ArmOutcome, Cell, Outcome
from abl.report.labels import Scale

EMPTY_CELL = Cell(mean=math.nan, sd=math.nan, low=math.nan, high=math.nan, count=0)


def mean_and_sd(mean: float, sd: float, scale: Scale) -> str:
    """`mean ± sd`, or what of it is known."""
    shown = scale.number(mean)
    return shown if math.isnan(mean) or math.isnan(sd) else f"{shown} ± {scale.number(sd)}"


def undefined_note(cell: Cell) -> str:
    """In how many replicates a metric has no value."""
    total = cell.count + cell.undefined
    if cell.count == 0:
        return f"undefined in all {total} replicates" if total > 1 else "undefined in 1 replicate"
    return f"undefined in {cell.undefined} of {total} replicates"


def has_chosen(outcome: Outcome) -> bool:
    """Whether some arm chooses its value of the curve axis, which is no column of its own."""
    axis = outcome.curve_axis
    return (
        axis != ""
        and axis not in (*outcome.axes, *outcome.metrics)
        and any(axis in arm.replicates.columns for arm in outcome.arms if not arm.failed)
    )


def chosen_label(arm: ArmOutcome, axis: str) -> str:
    """The values that an arm chose, smallest to largest; "" if it chooses none."""
    if axis not in arm.replicates.columns:
        return ""
    values = arm.replicates[axis].to_numpy(np.float64)
    values = values[~np.isnan(values)]
    if values.size == 0:
        return ""
    # no confidence exceeds 1: such a T* sends every image on
    low, high = (
        "always" if math.isinf(value) or (axis == "threshold" and value > 1) else f"{value:.3g}"
        for value in (values.min(), values.max())
    )
    return low if low == high else f"{low}–{high}"
