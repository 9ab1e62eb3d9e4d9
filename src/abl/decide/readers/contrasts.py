"""An estimate with its error and degrees of freedom: interval, P, and when there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import scipy

from abl.decide.score_intervals import LEVEL

MeanScale = Literal["logit", "plain"]
MEAN_SCALES: tuple[MeanScale, ...] = get_args(MeanScale)
# below it a variance of means of 0s and 1s, or of ranks, is what rounding left
NO_VARIANCE = 1e-24


@dataclass(frozen=True)
class ReaderContrast:
    """A value, or a difference of two.

    Attributes:
        name: What it is of.
        estimate: nan where undefined.
        error: Standard error; nan where there is none.
        df: Degrees of freedom of t; inf for the normal.
        low, high: Ends of the 95 % interval.
        t, p: Against 0, two-sided; nan for a value that is tested against nothing.
        why: Why there is no interval or P, "" if there is one.
        floored: Whether the error is that of the cases, as readers differ by less than these
            explain.
    """

    name: str
    estimate: float
    error: float = math.nan
    df: float = math.nan
    low: float = math.nan
    high: float = math.nan
    t: float = math.nan
    p: float = math.nan
    why: str = ""
    floored: bool = False

    def p_above(self, bound: float) -> float:
        """One-sided P of the hypothesis that the true value is at most a bound; nan if undefined.

        It is below 2.5 % exactly where the 95 % interval lies above the bound.
        """
        if self.why or math.isnan(self.error):
            return math.nan
        return float(scipy.stats.t.sf((self.estimate - bound) / self.error, self.df))

    def p_below(self, bound: float) -> float:
        """One-sided P of the hypothesis that the true value is at least a bound; nan if undefined.

        It is below 2.5 % exactly where the 95 % interval lies below the bound.
        """
        if self.why or math.isnan(self.error):
            return math.nan
        return float(scipy.stats.t.sf((bound - self.estimate) / self.error, self.df))


def contrast(
    name: str,
    estimate: float,
    variance: float,
    df: float,
    *,
    tested: bool,
    scale: MeanScale | None = None,
    why: str = "",
    no_spread: str = "",
    floored: bool = False,
) -> ReaderContrast:
    """The interval of an estimate by t, and its test against 0.

    Args:
        variance: Of the estimate; 0 is none, for which there is neither interval nor P.
        tested: Whether 0 is a hypothesis.
        scale: Of the interval of a value in [0, 1]; None: a difference, in [-1, 1].
        why: Given: there is no interval for this reason.
        no_spread: The reason where the variance is none.
        floored: As ReaderContrast.
    """
    if not why and math.isnan(estimate):
        why = "undefined"
    if not why and not variance > NO_VARIANCE:
        why = no_spread or NO_SPREAD
    if why:
        return ReaderContrast(name, estimate, why=why)
    error = math.sqrt(variance)
    low, high = interval_ends(estimate, error, df, scale)
    t = estimate / error if tested else math.nan
    p = 2 * float(scipy.stats.t.sf(abs(t), df)) if tested else math.nan
    return ReaderContrast(name, estimate, error, df, low, high, t, p, floored=floored)


def interval_ends(
    estimate: float, error: float, df: float, scale: MeanScale | None
) -> tuple[float, float]:
    """Ends of the 95 % interval by t.

    On the logit scale the error is that of log(x / (1 - x)) by the delta method, error / (x (1 -
    x)), and the ends are transformed back: near 1 they are not symmetric, and inside [0, 1].

    Args:
        scale: As contrast.
    """
    reach = float(scipy.stats.t.ppf((1 + LEVEL) / 2, df))
    if scale == "logit" and 0 < estimate < 1:
        half = reach * error / (estimate * (1 - estimate))
        low, high = scipy.special.expit(scipy.special.logit(estimate) + np.array([-half, half]))
        return float(low), float(high)
    least = -1.0 if scale is None else 0.0
    return max(estimate - reach * error, least), min(estimate + reach * error, 1.0)


NO_SPREAD_OF_READERS = "these readers do not differ in it: there is no spread between readers"
NO_SPREAD = "no spread between cases or readers to measure it by"
ONE_READER = "one reader says nothing of other readers; --effects fixed_readers is of this one"
