"""Many comparisons at once: P corrected over a family, and which arms may be the best.

Both read one joint distribution of the arms' means under the hypothesis that arms are equal: normal
with the covariance that patients, tested by all of them, and shared networks make. A P by t enters
on the scale of the normal, so that contrasts of different degrees of freedom stand beside each
other (min-P). Sources: Westfall, Young, "Resampling-based multiple testing", 1993, step-down; Hsu,
"Multiple comparisons: theory and methods", 1996, chapter 4 on the best.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from abl.decide.check import Floats, Ints
from abl.decide.distributions import normal_above, normal_reached

DRAWS = 10_000


def joint_draws(covariance: Floats, draws: int = DRAWS, seed: int = 0) -> Floats:
    """(B, A) means of equal arms with this (A, A) covariance."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.default_rng([seed, len(covariance)])
    drawn: Floats = rng.standard_normal((draws, len(covariance))) @ root.T
    return drawn


def contrast_draws(drawn: Floats, covariance: Floats, first: Ints, second: Ints) -> Floats:
    """(B, F) absolute standardised differences; 0 of arms that never differ."""
    return np.abs(drawn[:, first] - drawn[:, second]) * _inverse_scale(covariance, first, second)


def _inverse_scale(covariance: Floats, first: Ints, second: Ints) -> Floats:
    """(F,) 1 / standard deviation of differences, 0 of arms that never differ."""
    own = np.diagonal(covariance)
    variance = own[first] + own[second] - 2 * covariance[first, second]
    scale = np.sqrt(np.maximum(variance, 0.0))
    least = 1e-9 * np.sqrt(np.maximum(own[first], own[second]))
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > least)


def corrected_p(p: Floats, drawn: Floats) -> Floats:
    """(F,) P within the family: step-down from the draws, at most Holm's, never below its own.

    Args:
        p: (F,) nan where a contrast has none: it is then of no family.
        drawn: (B, F) of `contrast_draws`.
    """
    corrected = np.full(len(p), math.nan)
    tested = np.flatnonzero(~np.isnan(p))
    if not tested.size:
        return corrected
    order = tested[np.argsort(p[tested], kind="stable")]
    ordered = p[order]
    reached = normal_quantile(ordered)
    from_least = np.maximum.accumulate(drawn[:, order[::-1]], axis=1)[:, ::-1]
    stepped = (1 + np.sum(from_least >= reached, axis=0)) / (len(drawn) + 1)
    holm = _holm_bounds(ordered)
    found = np.maximum.accumulate(np.minimum(np.maximum(stepped, ordered), holm))
    corrected[order] = np.maximum(found, ordered)
    return corrected


def holm_p(p: ArrayLike) -> Floats:
    """(F,) P within the family by Holm (Scand. J. Stat. 6, 1979), which asks nothing of how tests
    depend on each other.

    Args:
        p: (F,) nan where a contrast has none: it is then of no family.
    """
    own = np.asarray(p, dtype=np.float64)
    corrected = np.full(len(own), math.nan)
    tested = np.flatnonzero(~np.isnan(own))
    order = tested[np.argsort(own[tested], kind="stable")]
    corrected[order] = np.maximum.accumulate(_holm_bounds(own[order]))
    return corrected


def _holm_bounds(ordered: Floats) -> Floats:
    """(F,) each P, the least first, times how many there are from it on.

    By hand: that of statsmodels collects garbage in every call, a tenth of a second each.
    """
    bounds: Floats = np.minimum(ordered * np.arange(len(ordered), 0, -1), 1.0)
    return bounds


def simultaneous_level(drawn: Floats, level: float) -> float:
    """Level of each interval at which all of a family hold together in `level`.

    Args:
        drawn: (B, F) of `contrast_draws`.
    """
    if drawn.shape[1] < 2:
        return level
    most = float(np.quantile(drawn.max(axis=1), level))
    # a family costs at least nothing, and at most what Bonferroni takes
    bonferroni = 1 - (1 - level) / drawn.shape[1]
    return min(max(level, 1 - 2 * float(normal_above(most))), bonferroni)


def all_pairs_level(drawn: Floats, covariance: Floats, level: float) -> float:
    """The same for every pair of A arms, a pair at a time from (B, A) draws."""
    arms = drawn.shape[1]
    if arms < 3:
        return level
    # an arm a row, in half the memory: hundreds of arms are tens of thousands of pairs
    rows = np.ascontiguousarray(drawn.T, dtype=np.float32)
    most = np.zeros(len(drawn), dtype=np.float32)
    for at in range(arms - 1):
        inverse = _inverse_scale(covariance, np.full(arms - at - 1, at), np.arange(at + 1, arms))
        apart = rows[at + 1 :] - rows[at]
        np.abs(apart, out=apart)
        apart *= inverse[:, None].astype(np.float32)
        np.maximum(most, apart.max(axis=0), out=most)
    return max(level, 1 - 2 * float(normal_above(np.quantile(most, level))))


def normal_quantile(p: Floats) -> Floats:
    """(n,) distance from 0 at which a normal has a two-sided P of this."""
    reached: Floats = normal_reached(np.asarray(p) / 2)
    return reached
