"""How metrics, numbers and arms are written in tables and figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

NOTHING = "–"
MINUS = "−"

SHORT_LABELS: Mapping[str, str] = {
    "acc": "ACC",
    "accuracy": "ACC",
    "auc": "AUC",
    "average_precision": "AP",
    "balanced_accuracy": "BACC",
    "brier": "Brier",
    "ece": "ECE",
    "f1": "F1",
    "nll": "NLL",
    "npv": "NPV",
    "ppv": "PPV",
    "sen": "SEN",
    "sensitivity": "SEN",
    "share": "sent on",
    "spe": "SPE",
    "specificity": "SPE",
    "threshold": "T*",
}

# No shares of anything, so never shown in per cent.
PLAIN_METRICS = frozenset(
    {
        "calibration_intercept",
        "calibration_slope",
        "cost",
        "cutoff",
        "epochs",
        "flops",
        "log_loss",
        "loss",
        "nll",
        "parameters",
        "seconds",
        "temperature",
        "threshold",
        "weight",
    }
)


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

    def interval(self, low: float, high: float) -> str:
        """`[low, high]`, or a dash if it was not computed."""
        if math.isnan(low) or math.isnan(high):
            return NOTHING
        return f"[{self.number(low)}, {self.number(high)}]"


def scale_of(metric: str, means: Iterable[float], *, per_cent: bool, decimals: int) -> Scale:
    """One convention for all metrics: per cent with `decimals`, or fractions with two more.

    A metric that is no share (a slope, a cost, anything seen outside [-1, 1]) stays as it is.
    """
    share = metric not in PLAIN_METRICS and all(
        abs(mean) <= 1 for mean in means if math.isfinite(mean)
    )
    if share and per_cent:
        return Scale(100.0, decimals, "%")
    return Scale(1.0, decimals + 2, "")


def metric_label(metric: str) -> str:
    """The field's abbreviation of a metric, or its name."""
    return SHORT_LABELS.get(metric, metric.replace("_", " "))


def with_unit(label: str, unit: str) -> str:
    """`label, unit`, or the label alone."""
    return f"{label}, {unit}" if unit else label


def value_label(value: str | int | float) -> str:
    """An axis value on one line, without control characters."""
    return one_line(value if isinstance(value, str) else repr(value))


def arm_label(params: Mapping[str, str | int | float], axes: Sequence[str]) -> str:
    """An arm in a few words: words alone, numbers with the name of their axis."""
    parts = []
    for axis in axes:
        value = params.get(axis, "")
        if value == "":
            continue
        shown = value_label(value)
        parts.append(shown if isinstance(value, str) and not _numeric(value) else f"{axis} {shown}")
    return ", ".join(parts)


def p_label(p: float) -> str:
    """A P value with three decimals; the smallest as `<0.001`."""
    if math.isnan(p):
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def one_line(text: str) -> str:
    """White space collapsed, unprintable characters dropped."""
    return "".join(mark for mark in " ".join(text.split()) if mark.isprintable())


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
