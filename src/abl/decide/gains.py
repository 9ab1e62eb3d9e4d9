"""What a combination gains over the best of its members: J, their ratio, with intervals.

Source: Lee et al., Sci. Rep. 2019: J is the value with features concatenated over the best of its
members alone with the same classifier, J-hat that of an ensemble over the best of its members with
any of its classifiers. Values below 1 are starred there, without an interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from abl.decide.measured import Measured
from abl.decide.metric_names import metric_named
from abl.decide.replicates import ArmScores


@dataclass(frozen=True)
class Gain:
    """A combination against the best of its members.

    Attributes:
        combined, best: Names of arms.
        value, best_value: Their means of the metric.
        ratio, ratio_low, ratio_high: J with its interval; it excludes 1 where that of the
            difference excludes 0.
        difference, low, high: combined - best with its interval.
    """

    combined: str
    best: str
    value: float
    best_value: float
    ratio: float
    ratio_low: float
    ratio_high: float
    difference: float
    low: float
    high: float


def gains_of(
    arms: Mapping[str, ArmScores], members: Mapping[str, Sequence[str]], metric: str
) -> list[Gain]:
    """The gain of each combination, in the order of `members`.

    The best member is the one with the best mean on these very tests, as published: it is taken as
    known, although the best of several is chosen by luck too, which makes gains look smaller.

    Args:
        arms: Scores by name, all on the same tests.
        members: Combination -> its members alone; names of arms.

    Raises:
        InputError: Arms on other images.
    """
    known = metric_named(metric)
    names = list(dict.fromkeys([*members, *(each for of in members.values() for each in of)]))
    if not members:
        return []
    measured = Measured([arms[name] for name in names], known)
    bounds = known.bounds_for(measured.tests.classes)
    of_each = measured.means()
    means = of_each.mean
    at = {name: place for place, name in enumerate(names)}
    sign = -1.0 if known.higher_is_better is False else 1.0
    first, second = [], []
    for name, of in members.items():
        places = [at[each] for each in of]
        values = np.nan_to_num(sign * means[places], nan=-np.inf)
        first.append(at[name])
        second.append(places[int(np.argmax(values))])
    found = measured.differences(first, second)
    low, high = found.interval()
    gains = []
    for row, (one, other) in enumerate(zip(first, second, strict=True)):
        value, best = float(means[one]), float(means[other])
        ratio, ends = float("nan"), (float("nan"), float("nan"))
        if value > 0 and best > 0:
            ratio = value / best
            ends = ratio_interval(
                value, best,
                (float(low[row]), float(high[row])),
                (of_each.variance[one], of_each.variance[other], found.variance[row]),
            )  # fmt: skip
            ends = _possible(ends, bounds, (float(of_each.low[other]), float(of_each.high[other])))
        gains.append(
            Gain(
                names[one], names[other], value, best,
                ratio, *ends,
                float(found.difference[row]), float(low[row]), float(high[row]),
            )
        )  # fmt: skip
    return gains


def _possible(
    ends: tuple[float, float], bounds: tuple[float, float] | None, best: tuple[float, float]
) -> tuple[float, float]:
    """Ends no further out than values within the metric's bounds over a best within its interval.

    With two seeds the interval of the difference may be wider than the metric; no ratio is.
    """
    low, high = ends
    if bounds is None or bounds[0] < 0 or not best[0] > 0:
        return ends
    return float(np.maximum(low, bounds[0] / best[1])), float(np.minimum(high, bounds[1] / best[0]))


def ratio_interval(
    value: float, best: float, ends: tuple[float, float], variances: tuple[float, float, float]
) -> tuple[float, float]:
    """Ends of value / best, both above 0.

    Those ratios t for which value - t best is not told from 0 (Fieller, J. R. Stat. Soc. B 1954),
    by the interval of the difference, whose length grows with the standard deviation of
    value - t best: at t = 1 it is the difference itself.

    Args:
        ends: Of value - best.
        variances: Of value, best and value - best.
    """
    difference = value - best
    _, of_best, of_difference = variances
    shared = (variances[0] - of_best - of_difference) / 2  # covariance of difference and best
    limit = np.sqrt(max(of_best, 0.0) * max(of_difference, 0.0))
    shared = float(np.clip(shared, -limit, limit))
    found = []
    for side, end in zip((1.0, -1.0), ends, strict=True):
        length = abs(difference - end)
        plain = 1 + end / best
        if not of_difference > 0:
            found.append(plain)
            continue
        k = length**2 / of_difference
        # a u^2 + 2 b u + c = 0 of u = 1 - t
        a = best**2 - k * of_best
        b = best * difference - k * shared
        c = difference**2 - k * of_difference
        root = b**2 - a * c
        # a best that is itself not told from 0 bounds no ratio
        found.append(1 - (-b + side * float(np.sqrt(root))) / a if a > 0 and root >= 0 else plain)
    return found[0], found[1]
