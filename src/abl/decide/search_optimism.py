"""How good the best of many points looks by chance alone: what a search promises without cause.

The more points a search tries, the higher the best score on validation, also if no setting matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, special, stats

from abl.decide.check import Floats
from abl.errors import InputError

# what is left of equal scores after rounding, relative to their size
_ROUNDING = 1e-12
# standard normals beyond this have no weight in float64
_FAR = 12.0


@dataclass(frozen=True)
class ChanceBest:
    """The best of a search if what was searched had no effect.

    Attributes:
        expected: Expected best score; nan if unknown.
        residual_sd: Standard deviation of one score after point and replicate are taken out.
        p: Chance that a best score at least as good as the seen one arises with no effect.
    """

    expected: float
    residual_sd: float
    p: float


def expected_best_by_chance(
    scores: ArrayLike, maximize: bool, given_up: Sequence[Sequence[float]] = ()
) -> ChanceBest:
    """The best of P points that a search without any effect would show.

    Two-way layout: score = mean + point + replicate + residual, whose variance is that of the
    interaction, (P - 1)(R - 1) degrees of freedom. What replicates share (an easy split) moves all
    points alike and is no reason to choose one. With no effect the mean of a point is normal about
    the grand mean with variance sd^2 / R, and the best of P exceeds the grand mean by sd / sqrt(R)
    times the expected maximum of P standard normals; sd is divided by c4 there, so that the
    expectation has no bias with few scores. P-value: the best point's distance from the grand mean
    by Student's t, for P points (Sidak). Points that were given up count among the P, and their
    scores, with the replicates' effects taken out, in the grand mean: the survivors alone would
    set it too high.

    Args:
        scores: (P points, R replicates), complete: every point on every replicate.
        maximize: Whether larger is better.
        given_up: Scores of points that were given up, on the first replicates; may be empty.

    Returns:
        All three nan if P < 2 or R < 2: one replicate cannot tell effect from noise.

    Raises:
        InputError: Not two-dimensional, or a score that is not finite.
    """
    array = _checked(scores)
    points, replicates = array.shape
    if points < 2 or replicates < 2:
        return ChanceBest(math.nan, math.nan, math.nan)
    signed = array if maximize else -array
    means = signed.mean(axis=1)
    centre = float(signed.mean())
    by_replicate = signed.mean(axis=0) - centre
    residual = signed - means[:, None] - by_replicate
    freedom = (points - 1) * (replicates - 1)
    sd = math.sqrt(float((residual**2).sum()) / freedom)
    points += len(given_up)
    sign = 1.0 if maximize else -1.0
    partial = [sign * np.asarray(row) - by_replicate[: len(row)] for row in given_up]
    # every score counts once: what a point was not given would have been like any other
    centre = float(np.concatenate([(signed - by_replicate).ravel(), *partial]).mean())
    lead = float(means.max()) - centre
    tiny = _ROUNDING * max(float(np.abs(signed).max()), 1e-300)
    if sd <= tiny:  # no noise at all: any lead is an effect
        sd, by_chance, p = 0.0, 0.0, 0.0 if lead > tiny else 1.0
    else:
        error = sd / math.sqrt(replicates)
        by_chance = error / _c4(freedom) * expected_maximum(points)
        # a point is part of the grand mean, so it lies closer to it than error
        t = lead / (error * math.sqrt(1 - 1 / points))
        one = float(stats.t.sf(t, freedom))
        p = -math.expm1(points * math.log1p(-one)) if one < 1 else 1.0
    expected = centre + by_chance
    return ChanceBest(expected if maximize else -expected, sd, p)


@lru_cache(maxsize=256)
def expected_maximum(count: int) -> float:
    """Expected maximum of `count` independent standard normals, by numerical integration."""
    if count < 1:
        raise InputError(f"count: {count} is below 1")

    def none_above(x: float) -> float:
        return math.exp(count * float(special.log_ndtr(x)))

    def one_above(x: float) -> float:
        return -math.expm1(count * float(special.log_ndtr(x)))

    above = integrate.quad(one_above, 0, _FAR, epsabs=1e-12, limit=200)[0]
    below = integrate.quad(none_above, -_FAR, 0, epsabs=1e-12, limit=200)[0]
    return float(above - below)


def _c4(freedom: int) -> float:
    """Expected sample sd of a standard normal with so many degrees of freedom."""
    logs = special.gammaln((freedom + 1) / 2) - special.gammaln(freedom / 2)
    return math.sqrt(2 / freedom) * math.exp(float(logs))


def _checked(scores: ArrayLike) -> Floats:
    array: Floats = np.asarray(scores, dtype=np.float64)
    if array.ndim != 2:
        raise InputError(f"scores: shape {array.shape}, not (points, replicates)")
    if not np.isfinite(array).all():
        raise InputError("scores: not all finite: give complete points alone")
    return array
