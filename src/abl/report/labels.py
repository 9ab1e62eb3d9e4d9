"""How metrics, arms and settings are called in tables and figures."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from abl.decide.metric_names import metric_named
from abl.decide.metric_registry import Metric
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.numbers import NOTHING
from abl.spec.labels import written_value
from abl.visible import visible_line

# Columns that are no metrics of predictions; a metric's label stands where it is registered.
OTHER_LABELS: Mapping[str, str] = {
    "accuracy": "ACC",
    "average_precision": "AP",
    "balanced_accuracy": "BACC",
    "dice": "Dice",
    "inside": "CAM inside",
    "iou": "IoU",
    "nll": "NLL",
    "sensitivity": "SEN",
    "share": "sent on",
    "specificity": "SPE",
    "threshold": "T*",
}


def metric_label(metric: str, classes: int = 2) -> str:
    """The label that a metric is registered with, or the name of another column.

    Args:
        classes: Of three and more, a mean over the classes says `macro`, and a metric of one class
            has its name anyway.
    """
    known = _registered(metric)
    if known is None:
        return OTHER_LABELS.get(metric, metric.replace("_", " "))
    return f"{known.label} macro" if classes > 2 and known.by_class else known.label


def label_in(outcome: Outcome, metric: str) -> str:
    """The label of a metric in a table or figure of this outcome: the file's own, if it has one."""
    return own_label(outcome, metric) or metric_label(metric, len(outcome.facts.classes))


def own_label(outcome: Outcome, metric: str) -> str:
    """What the outcome's file calls a metric; "" where it says nothing of it."""
    given = {_canonical(name): label for name, label in outcome.facts.labels.metrics.items()}
    return one_line(given.get(_canonical(metric), ""))


def _canonical(metric: str) -> str:
    known = _registered(metric)
    return metric if known is None else known.name


def is_metric(name: str) -> bool:
    """Whether a column of a table is a metric of predictions (share and cost are not)."""
    return _registered(name) is not None


def _registered(name: str) -> Metric | None:
    try:
        return metric_named(name)
    except InputError:
        return None


def with_unit(label: str, unit: str) -> str:
    """`label, unit`, or the label alone."""
    return f"{label}, {unit}" if unit else label


def value_label(value: str | int | float) -> str:
    """An axis value on one line, without control characters."""
    return one_line(written_value(value) if isinstance(value, str | bool) else repr(value))


def arm_label(
    params: Mapping[str, str | int | float], axes: Sequence[str], *, separator: str = ", "
) -> str:
    """An arm in a few words: words alone, numbers with the name of their axis."""
    values = [(axis, params.get(axis, "")) for axis in axes]
    return separator.join(setting_label(axis, value) for axis, value in values if value != "")


def setting_label(axis: str, value: str | int | float) -> str:
    """One setting in a few words: `average`, `consensus 3`, or `no consensus` for ""."""
    if value == "":
        return f"no {one_line(axis)}"
    shown = value_label(value)
    if shown in _OF_WHAT:  # the word alone does not say
        return f"{one_line(axis)} none"
    return shown if isinstance(value, str) and not _numeric(value) else f"{one_line(axis)} {shown}"


_OF_WHAT = frozenset({"none", "yes", "no", "on", "off", "null"})


def letters(index: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(ord("a") + digit) + letters
    return letters


def one_line(text: str) -> str:
    """White space collapsed, characters dropped that are not to be shown."""
    return visible_line(" ".join(text.split()), "")


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def cluster_word(outcome: Outcome) -> str:
    """What splits keep together and intervals resample: patient, group, or image where no patient
    is known.
    """
    return outcome.facts.clusters or "patient"


def clusters_named(text: str, word: str) -> str:
    """A sentence on resampled patients, said of what was resampled."""
    return re.sub(r"\b(over|of|by|are|few|\d) patients\b", rf"\1 {word}s", text)


def counted(count: int, what: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count} {what}" + ("s" if count != 1 else "")


def joined(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


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
