"""How searched settings are written in tables and figures: names, values and constraints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import NOTHING, metric_label, one_line

# The column of a table that holds chosen values.
CHOSEN = "chosen"
# Last parts of settings' names that say nothing without the one before.
_VAGUE = frozenset({"kind", "name", "size", "value"})


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Dotted path -> its last part, or as many of the last ones as no other path ends in.

    A last part that says nothing alone, as in `optimizer.name`, takes the one before it.
    """
    parts = {name: name.split(".") for name in names}

    def last(name: str, count: int) -> str:
        return ".".join(parts[name][-count:])

    def shared(name: str, count: int) -> bool:
        if count == 1 and parts[name][-1] in _VAGUE:
            return True
        return any(last(other, count) == last(name, count) for other in parts if other != name)

    return {
        name: last(name, next((n for n in range(1, len(own)) if not shared(name, n)), len(own)))
        for name, own in parts.items()
    }


def setting_text(value: object) -> str:
    """A setting as tables and axes write it: fractions to three digits, true and false as words."""
    if value is None:
        return NOTHING
    plain = value.item() if hasattr(value, "item") else value  # of numpy
    if isinstance(plain, bool):
        return str(plain).lower()
    if not isinstance(plain, float) or not math.isfinite(plain):
        return one_line(str(plain))
    # 1024 is easier to read than 1.02e+03
    text = f"{plain:.0f}" if 1e3 <= abs(plain) < 1e6 else f"{plain:.3g}"
    return text.replace("e-0", "e-").replace("e+0", "e+")


def constraint_text(given: Mapping[str, object]) -> str:
    """`SEN ≥ 0.95`."""
    bounds = [
        f"{sign} {setting_text(given[name])}"
        for name, sign in (("at_least", "≥"), ("at_most", "≤"))
        if given.get(name) is not None
    ]
    return " ".join([metric_label(str(given.get("metric", ""))), *bounds])


def has_chosen(outcome: Outcome) -> bool:
    """Whether some arm chooses its value of the curve axis, which is no column of its own."""
    axis = outcome.curve_axis
    return axis not in ("", *outcome.axes, *outcome.metrics) and any(
        axis in arm.replicates.columns for arm in outcome.arms if not arm.failed
    )


def chosen_label(arm: ArmOutcome, axis: str) -> str:
    """The values that an arm chose, smallest to largest; "" if it chooses none."""
    if arm.failed or axis not in arm.replicates.columns:
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
