"""An estimate with its error and degrees of freedom: interval, P, and when there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats

from abl.decide.score_intervals import LEVEL

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

    def p_above(self, bound: float) -> float:
        """One-sided P of the hypothesis that the true value is at most a bound; nan if undefined.

        It is below 2.5 % exactly where the 95 % interval lies above the bound.
        """
        if self.why or math.isnan(self.error):
            return math.nan
        return float(stats.t.sf((self.estimate - bound) / self.error, self.df))


def contrast(
    name: str,
    estimate: float,
    variance: float,
    df: float,
    *,
    tested: bool,
    bounds: tuple[float, float] = (-1.0, 1.0),
    why: str = "",
) -> ReaderContrast:
    """The interval of an estimate by t, and its test against 0.

    Args:
        variance: Of the estimate; 0 is none, for which there is neither interval nor P.
        tested: Whether 0 is a hypothesis.
        bounds: Within which the value lies.
        why: Given: there is no interval for this reason.
    """
    if not why and math.isnan(estimate):
        why = "undefined"
    if not why and not variance > NO_VARIANCE:
        why = NO_SPREAD
    if why:
        return ReaderContrast(name, estimate, why=why)
    error = math.sqrt(variance)
    half = float(stats.t.ppf((1 + LEVEL) / 2, df)) * error
    low, high = (min(max(end, bounds[0]), bounds[1]) for end in (estimate - half, estimate + half))
    t = estimate / error if tested else math.nan
    p = 2 * float(stats.t.sf(abs(t), df)) if tested else math.nan
    return ReaderContrast(name, estimate, error, df, low, high, t, p)


NO_SPREAD = "no spread between cases or readers to measure it by"
ONE_READER = "one reader says nothing of other readers; effects fixed_readers is of this one"
