"""How metrics, numbers and arms are written in tables and figures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from abl.decide.metric_names import metric_named
from abl.decide.metric_registry import Metric
from abl.decide.verdicts import SIGNIFICANT
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Outcome
from abl.spec.labels import written_value
from abl.visible import visible_line

NOTHING = "–"
_MOST_DIGITS = 6  # of a P value
MINUS = "−"

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

# No shares of anything, so never shown in per cent.
PLAIN_METRICS = frozenset({
    "calibration_intercept", "calibration_slope", "cost", "cutoff", "epochs", "flops", "log_loss",
    "loss", "nll", "parameters", "seconds", "temperature", "threshold", "weight",
})  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """How the numbers of one metric are written."""

    factor: float
    decimals: int
    unit: str

    def number(self, value: float) -> str:
        """The value in this scale; a dash if it is not a number."""
        if math.isnan(value):
            return NOTHING
        if math.isinf(value):
            return "∞" if value > 0 else MINUS + "∞"
        text = f"{value * self.factor:.{self.decimals}f}"
        if not text.strip("-0."):
            return text.lstrip("-")  # a rounded -0.04 is no negative number
        return text.replace("-", MINUS)

    def difference(self, value: float) -> str:
        """The value with its sign."""
        text = self.number(value)
        return text if not value > 0 or not text.strip("0.") else "+" + text

    def mean_and_sd(self, mean: float, sd: float) -> str:
        """`mean ± sd`, or what of it is known; a sd that rounds to 0 is `<0.1`."""
        shown = self.number(mean)
        if math.isnan(mean) or math.isnan(sd):
            return shown
        text = self.number(sd)
        least = f"<{10**-self.decimals:.{self.decimals}f}"
        # values that are equal may differ in their last bits
        small = sd > 1e-9 and not text.strip("0.")
        return f"{shown} ± {least if small else text}"

    def mean_and_interval(self, mean: float, low: float, high: float) -> str:
        """`mean [low, high]`, or what of it is known."""
        interval = self.interval(low, high)
        return self.number(mean) + ("" if interval == NOTHING else f" {interval}")

    def interval(self, low: float, high: float) -> str:
        """`[low, high]`, or a dash if it was not computed."""
        if math.isnan(low) or math.isnan(high):
            return NOTHING
        return f"[{self.number(low)}, {self.number(high)}]"


def scale_of(
    metric: str, means: Iterable[float], *, per_cent: bool, decimals: int | None = None
) -> Scale:
    """One convention for all metrics: `decimals` digits after the point, as printed.

    The default is 1 in per cent and 3 in fractions. A metric that is no share
    (a slope, a cost, anything seen outside [-1, 1]) stays as it is.
    """
    share = metric not in PLAIN_METRICS and all(
        abs(mean) <= 1 for mean in means if math.isfinite(mean)
    )
    if share and per_cent:
        return Scale(100.0, 1 if decimals is None else decimals, "%")
    return Scale(1.0, 3 if decimals is None else decimals, "")


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


def p_label(p: float) -> str:
    """A P value with three decimals, or as many more as show that it is below 0.05; the smallest
    as `<0.001`.
    """
    if math.isnan(p):
        return NOTHING
    if p < 0.001:
        return "<0.001"
    if not p < SIGNIFICANT:
        return f"{p:.3f}"
    # beside a verdict of a difference 0.04996 must not stand as 0.050
    written = (f"{p:.{digits}f}" for digits in range(3, _MOST_DIGITS + 1))
    return next((text for text in written if float(text) < SIGNIFICANT), f"<{SIGNIFICANT:g}")


def per_cent_label(share: float) -> str:
    """A share in per cent with one decimal, under a heading that says so."""
    return NOTHING if math.isnan(share) else f"{100 * share:.1f}"


def size_label(value: float) -> str:
    """A count with a metric prefix: `90.6 k`, `138 M`, `15.5 G`."""
    if math.isnan(value):
        return NOTHING
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * factor:
            return f"{_three_digits(value / factor)} {prefix}"
    return f"{value:.0f}"


def time_label(seconds: float) -> str:
    """A duration in the unit that suits it: `12.8 s`, `3.50 min`, `1.25 h`."""
    if math.isnan(seconds):
        return NOTHING
    for factor, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * factor:
            return f"{_three_digits(seconds / factor)} {unit}"
    return f"{_three_digits(seconds)} s"


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


def _three_digits(value: float) -> str:
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


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
