"""The best of several: where along an ordered axis it lies, and how well the patients at hand
locate it; and how good the best of a search looks by chance alone.

The more points a search tries, the higher the best score on validation, also if no setting matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import ArrayLike

from abl.decide.check import Floats
from abl.decide.distributions import t_above
from abl.decide.intervals import (
    FEW_PATIENTS,
    FEWEST_PATIENTS,
    LEVEL,
    RESAMPLES,
)
from abl.decide.metric_names import metric_named
from abl.decide.metrics import METRICS
from abl.decide.replicates import ArmScores, checked_arm, checked_pair_of_arms, patients_of
from abl.decide.resampling import MOST_PATIENTS_IN_A_MATRIX, WeightedArm, bootstrap_weights
from abl.decide.seed_resampling import SEEDS_TO_RESAMPLE, seed_deviations
from abl.errors import InputError

# draws of a metric that is sorted anew for each of them
SLOW_RESAMPLES = 200
# means that differ by less are ties that rounding has broken
_DIGITS = 12


@dataclass(frozen=True, eq=False)
class Optimum:
    """The best of A arms that stand in an order, as positions 0 to A - 1 in it.

    Attributes:
        best: Position of the best mean; -1 if no arm has a value.
        low, high: Ends of the interval; the whole axis where it could not be computed.
        shares: (A,) share of the draws in which each arm is the best.
        means, lows, highs: (A,) mean of the metric and its percentile interval in the same draws.
        patients: How many were resampled; `few` if fewer than 50.
        note: What a caption has to say about the interval, or "".
    """

    best: int
    low: int
    high: int
    shares: Floats
    means: Floats
    lows: Floats
    highs: Floats
    patients: int
    few: bool
    resamples: int
    note: str = ""


def optimum_over(
    arms: Sequence[ArmScores], metric: str, *, resamples: int = RESAMPLES, seed: int = 0
) -> Optimum:
    """The arm with the best mean metric, and an interval of its position by resampling patients.

    Patients are drawn as they come and, with three or more, seeds (`seed_resampling`); every draw
    is the same for all arms, so that what makes a patient easy for each of them does not move the
    optimum. In each draw the best arm is found again: the interval runs between the outer
    percentiles of its position. Of equal arms the first counts.

    Args:
        arms: One for each value of the axis, in its order.
        resamples: At most SLOW_RESAMPLES for metrics that are neither of the confusion
            matrix nor AUC, which `note` then says.

    Raises:
        InputError: No arm, arms that were scored on different images, or a metric without a best.
    """
    if not arms:
        raise InputError("an optimum needs at least one arm")
    chosen = metric_named(metric)
    if chosen.higher_is_better is None:
        raise InputError(f"metric '{metric}' is best between its ends: it has no optimum here")
    first = checked_arm(arms[0])
    ordered = [first, *(checked_pair_of_arms(arm, first)[0] for arm in arms[1:])]
    patients = patients_of(first)
    # of these, thousands of draws cost a few matrix products, see resampling
    is_fast = chosen.of_confusion is not None or (
        chosen is METRICS["auc"] and len(patients) <= MOST_PATIENTS_IN_A_MATRIX
    )
    draws = resamples if is_fast else min(resamples, SLOW_RESAMPLES)
    note = "" if draws == resamples else f"{draws} draws, as this metric is slow to resample"
    weights = bootstrap_weights(
        patients.strata, draws, np.random.default_rng([seed, len(patients), len(first)])
    )
    means = np.empty(len(ordered))
    drawn = np.empty((draws, len(ordered)))
    for at, arm in enumerate(ordered):
        means[at], drawn[:, at] = _resampled(WeightedArm(arm, chosen, patients), weights, seed)
    if len(patients) < FEWEST_PATIENTS:
        drawn[:], note = np.nan, f"fewer than {FEWEST_PATIENTS} patients: no interval"
    sign = 1.0 if chosen.higher_is_better else -1.0
    shares = _shares(_best(sign * drawn), len(ordered))
    low, high = _central(shares)
    lows, highs = np.full((2, len(ordered)), np.nan)
    known = ~np.isnan(drawn).all(axis=0)
    if known.any():
        tail = (1 - LEVEL) / 2
        lows[known], highs[known] = np.nanquantile(drawn[:, known], (tail, 1 - tail), axis=0)
    return Optimum(
        best=int(_best(sign * means[None])[0]),
        low=low,
        high=high,
        shares=shares,
        means=means,
        lows=lows,
        highs=highs,
        patients=len(patients),
        few=len(patients) < FEW_PATIENTS,
        resamples=draws,
        note=note,
    )


def _resampled(arm: WeightedArm, weights: Floats, seed: int) -> tuple[float, Floats]:
    """The observed mean of one arm, and (B,) its mean in each draw of patients and seeds."""
    observed = arm.values(np.ones((1, weights.shape[1])))[0]
    by_seed = arm.values(weights)
    drawn = by_seed[:, 0]
    if arm.seeds >= SEEDS_TO_RESAMPLE:
        # a generator of its own for each arm, so that all arms draw the same seeds
        rng = np.random.default_rng([seed, *weights.shape])
        drawn = drawn + seed_deviations(observed[1:], by_seed[:, 1:], rng)
    return float(observed[0]), drawn


def _best(goodness: Floats) -> Floats:
    """(B,) position of the first largest value of each row (B, A); -1 where no value is known."""
    known = ~np.isnan(goodness)
    filled = np.where(known, np.round(goodness, _DIGITS), -math.inf)
    return np.where(known.any(axis=1), filled.argmax(axis=1), -1)


def _shares(best: Floats, count: int) -> Floats:
    """(A,) share of the draws with a best arm in which it is each; nan if there is no such draw."""
    found = best[best >= 0].astype(np.int64)
    if not found.size:
        return np.full(count, np.nan)
    return np.bincount(found, minlength=count) / found.size


def _central(shares: Floats) -> tuple[int, int]:
    """Positions of the outer percentiles; both ends of the axis if nothing is known."""
    if np.isnan(shares).any():
        return 0, len(shares) - 1
    tail = (1 - LEVEL) / 2
    below = np.cumsum(shares)
    # summed shares miss a percentile that they reach by some 1e-16
    ends = np.searchsorted(below, [tail - 1e-9, 1 - tail - 1e-9])
    return int(ends[0]), int(min(ends[1], len(shares) - 1))


# what is left of equal scores after rounding, relative to their size
_ROUNDING = 1e-12
# standard normals beyond this have no weight in float64
_FAR = 12.0


@dataclass(frozen=True)
class ChanceBest:
    """The best of a search if what was searched had no effect.

    Attributes:
        expected: nan if unknown.
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
        given_up: Scores of points that were given up, on the first replicates; may be empty.

    Returns:
        All three nan if P < 2 or R < 2: one replicate cannot tell effect from noise.

    Raises:
        InputError: Not two-dimensional, or a score that is not finite.
    """
    array: Floats = np.asarray(scores, dtype=np.float64)
    if array.ndim != 2:
        raise InputError(f"scores: shape {array.shape}, not (points, replicates)")
    if not np.isfinite(array).all():
        raise InputError("scores: not all finite: give complete points alone")
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
        one = float(t_above(t, freedom))
        p = -math.expm1(points * math.log1p(-one)) if one < 1 else 1.0
    expected = centre + by_chance
    return ChanceBest(expected if maximize else -expected, sd, p)


@lru_cache(maxsize=256)
def expected_maximum(count: int) -> float:
    """Expected maximum of `count` independent standard normals, by numerical integration."""
    if count < 1:
        raise InputError(f"count: {count} is below 1")

    def none_above(x: float) -> float:
        return math.exp(count * float(scipy.special.log_ndtr(x)))

    def one_above(x: float) -> float:
        return -math.expm1(count * float(scipy.special.log_ndtr(x)))

    above = scipy.integrate.quad(one_above, 0, _FAR, epsabs=1e-12, limit=200)[0]
    below = scipy.integrate.quad(none_above, -_FAR, 0, epsabs=1e-12, limit=200)[0]
    return float(above - below)


def _c4(freedom: int) -> float:
    """Expected sample sd of a standard normal with so many degrees of freedom."""
    logs = scipy.special.gammaln((freedom + 1) / 2) - scipy.special.gammaln(freedom / 2)
    return math.sqrt(2 / freedom) * math.exp(float(logs))
