"""Intervals and P of means and differences whose variance is known, that never collapse.

Score intervals take the variance that a value would have at each of the ends, not at the estimate:
they stay inside the range of the metric and do not shrink to a point where nothing was seen. What a
patient with several images, several trainings or several splits make of a variance enters as the
effective number of independent units, which is real-valued (Kish, "Survey sampling", 1965).
"""

from __future__ import annotations

import numpy as np

from abl.decide.check import Floats
from abl.decide.distributions import t_above, t_quantile

LEVEL = 0.95  # of every interval
_STEPS = 60  # halvings of [0, 1]: below the last digit of a float64


def quantile(freedom: Floats, level: float | Floats) -> Floats:
    """(n,) two-sided quantile of t."""
    reach: Floats = -t_quantile((1 - np.asarray(level)) / 2, freedom)
    return reach


def wilson(share: Floats, units: Floats, reach: Floats) -> tuple[Floats, Floats]:
    """Ends of a share of so many independent units, (n,) each (Wilson, JASA 1927).

    Args:
        share: In [0, 1].
        units: Effective number.
        reach: Quantile of the normal, or of t.
    """
    square = reach**2
    middle = share + square / (2 * units)
    half = reach * np.sqrt(share * (1 - share) / units + square / (4 * units**2))
    scale = 1 + square / units
    # rounding must not put an estimate of 0 or 1 outside
    low = np.minimum(np.clip((middle - half) / scale, 0, 1), share)
    high = np.maximum(np.clip((middle + half) / scale, 0, 1), share)
    return low, high


def tango_variance(difference: Floats, discordant: Floats, at: Floats) -> Floats:
    """Variance of one pair's difference if its true mean is `at`, (n,).

    Tango (Stat. Med. 1998): the share of pairs that only the second gets right, at which the
    likelihood is largest among those with that difference, in closed form.

    Args:
        difference: First minus second, of shares.
        discordant: Share of pairs that only one of them gets right.
    """
    only_first, only_second = (discordant + difference) / 2, (discordant - difference) / 2
    b = -only_first - only_second + (2 - only_first + only_second) * at
    c = -only_second * at * (1 - at)
    root = (np.sqrt(np.maximum(b**2 - 8 * c, 0.0)) - b) / 4
    return np.maximum(2 * root + at - at**2, 0.0)


def tango_interval(
    difference: Floats, discordant: Floats, units: Floats, reach: Floats
) -> tuple[Floats, Floats]:
    """Ends of a difference of two paired shares, (n,) each, in [-1, 1].

    Args:
        units: Effective number of pairs.
        reach: Quantile of the normal, or of t.
    """
    ends = []
    for edge in (-1.0, 1.0):
        inside, outside = difference.copy(), np.full(difference.shape, edge)
        for _ in range(_STEPS):
            middle = (inside + outside) / 2
            error = reach**2 * tango_variance(difference, discordant, middle) / units
            kept = (difference - middle) ** 2 <= error
            inside, outside = np.where(kept, middle, inside), np.where(kept, outside, middle)
        ends.append(inside)
    return ends[0], ends[1]


def tango_p(difference: Floats, discordant: Floats, units: Floats, freedom: Floats) -> Floats:
    """Two-sided P of no difference, by the same statistic; 1 where nothing is discordant."""
    # less than any share of images can be, rounding left it
    seen = discordant > 1e-15
    error = np.sqrt(np.where(seen, discordant, 0.0) / units)
    return _p(np.where(seen, difference, 0.0), error, freedom)


def plain_interval(
    difference: Floats, length: Floats, edge: float = np.inf
) -> tuple[Floats, Floats]:
    """estimate -+ length, within [-edge, edge]."""
    return (
        np.clip(difference - length, -edge, edge),
        np.clip(difference + length, -edge, edge),
    )


def plain_p(difference: Floats, error: Floats, freedom: Floats) -> Floats:
    """Two-sided P of a difference of 0; 1 where it is 0 without any error."""
    return _p(difference, error, freedom)


def _p(difference: Floats, error: Floats, freedom: Floats) -> Floats:
    t = np.divide(np.abs(difference), error, out=np.zeros(np.shape(difference)), where=error > 0)
    p: Floats = 2 * t_above(t, freedom)
    return np.where((error <= 0) & (difference != 0), 0.0, p)
