"""How many images would be flagged at theta by chance and by difficulty alone, no label wrong.

Flagging needs no wrong label: of 484 images whose difficulty differs strongly some 40 are
misclassified in more than 0.9 of their test appearances. Beside the number flagged stands what is
expected (a) if all images were equally hard, each network erring at its own rate, and (b) under the
spread of difficulty that was fitted. Both by a parametric bootstrap: new images with the same test
appearances, spreads drawn from their posterior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from abl.decide.audit.appearances import Appearances
from abl.decide.audit.crossed_effects import Spreads, network_levels
from abl.decide.audit.error_rates import ErrorRates
from abl.decide.check import Floats, Ints
from abl.decide.consensus import more_than_share

MOST_DRAWS, LEAST_DRAWS = 1_000, 200
CELLS = 40_000_000  # images x networks x draws: some seconds


@dataclass(frozen=True)
class Expected:
    """A number of images: mean, and the ends that 95 % of the draws lie in, both included."""

    mean: float
    low: int
    high: int


@dataclass(frozen=True)
class ExpectedFlags:
    """Numbers of images with E / O > theta.

    Attributes:
        theta, flagged: Of the data.
        equal: Expected if all images were equally hard.
        fitted: Expected under the fitted spread of difficulty.
        truly: Images whose true error rate is above theta, under that fit.
        draws: Of each.
    """

    theta: float
    flagged: int
    equal: Expected
    fitted: Expected
    truly: Expected
    draws: int


def expected_flags(
    found: Appearances, fitted: ErrorRates, theta: float | None = None, *, seed: int = 0
) -> ExpectedFlags:
    """Numbers flagged under both nulls, and how many are truly above theta under the second.

    Args:
        fitted: What error_rates gives of the same appearances.
        theta: Default: that of `fitted`.
        seed: Of the draws; the same data and seed give the same numbers.
    """
    theta = fitted.theta if theta is None else theta
    random = np.random.default_rng(seed)
    seen = found.seen[found.times_seen > 0]
    cells = max(1, seen.size)
    draws = int(np.clip(CELLS // cells, LEAST_DRAWS, MOST_DRAWS))
    patient = np.unique(found.patients[found.times_seen > 0].astype(str), return_inverse=True)[1]
    none = Spreads(0.0)
    flat = network_levels(none, fitted.rates)
    least = _least_wrong(seen, theta)
    equal = [_flagged(scipy.special.expit(flat), seen, least, random) for _ in range(draws)]
    chosen = random.choice(len(fitted.spreads), size=draws, p=fitted.spread_weights)
    levels = [network_levels(each, fitted.rates) for each in fitted.spreads]
    spread, truly = [], []
    for at in chosen:
        p = new_images(fitted.spreads[at], levels[at], len(seen), patient, random)
        spread.append(_flagged(p, seen, least, random))
        truly.append(int((p.mean(axis=1) > theta).sum()))
    return ExpectedFlags(
        theta=theta,
        flagged=int(more_than_share(found.times_wrong, found.times_seen, theta).sum()),
        equal=_expected(equal),
        fitted=_expected(spread),
        truly=_expected(truly),
        draws=draws,
    )


def _least_wrong(seen: Ints, theta: float) -> Ints:
    """(N,) of O appearances the fewest wrong ones that are more than theta of them; O + 1 if even
    all are not.
    """
    distinct, place = np.unique(seen.sum(axis=1), return_inverse=True)
    # k of O is too few for every k up to the first that is more
    least = [int((~more_than_share(np.arange(o + 1), o, theta)).sum()) for o in distinct.tolist()]
    found: Ints = np.array(least, dtype=np.int64)[place]
    return found


def _flagged(p: Floats, seen: Ints, least: Ints, random: np.random.Generator) -> int:
    if seen.max() <= 1:  # several times as fast
        wrong = ((random.random(seen.shape) < p) & (seen > 0)).sum(axis=1)
    else:
        wrong = random.binomial(seen, p).sum(axis=1)
    return int((wrong >= least).sum())


def new_images(
    spreads: Spreads, level: Floats, images: int, patient: Ints, random: np.random.Generator
) -> Floats:
    """(N, M) error probabilities of other images, as many to a patient."""
    logit = level + random.normal(0, 1, (images, 1)) * spreads.image
    if spreads.patient:
        logit = logit + (random.normal(0, 1, patient.max() + 1) * spreads.patient)[patient, None]
    if spreads.both:
        logit = logit + random.normal(0, 1, logit.shape) * spreads.both
    found: Floats = scipy.special.expit(logit)
    return found


def _expected(counts: list[int]) -> Expected:
    ordered = np.sort(counts)
    # 2.5 % at most lie outside on either side
    out = int(0.025 * len(ordered))
    return Expected(float(ordered.mean()), int(ordered[out]), int(ordered[-1 - out]))
