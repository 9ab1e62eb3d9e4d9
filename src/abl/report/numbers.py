"""How numbers are written in tables and figures: metrics, differences, P, sizes and durations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from abl.decide.verdicts import SIGNIFICANT

NOTHING = "–"
_MOST_DIGITS = 6  # of a P value
MINUS = "−"

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


def _three_digits(value: float) -> str:
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"
