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
from abl.decide.metrics import metric_named
from abl.decide.replicates import ArmScores
from abl.decide.score_intervals import LEVEL, quantile


@dataclass(frozen=True)
class Gain:
    """A combination against the best of its members.

    Attributes:
        combined, best: Names of arms.
        value, best_value: Their means of the metric.
        ratio, ratio_low, ratio_high: J with its interval, by the delta method on its logarithm.
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
    means, covariance = measured.means().mean, measured.covariance()
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
    reach = quantile(found.freedom, np.broadcast_to(LEVEL, found.freedom.shape))
    gains = []
    for row, (one, other) in enumerate(zip(first, second, strict=True)):
        value, best = float(means[one]), float(means[other])
        ratio = ends = float("nan")
        if value > 0 and best > 0:
            ratio = value / best
            variance = (
                covariance[one, one] / value**2
                + covariance[other, other] / best**2
                - 2 * covariance[one, other] / (value * best)
            )
            ends = float(reach[row]) * float(np.sqrt(max(variance, 0.0)))
        gains.append(
            Gain(
                names[one], names[other], value, best,
                ratio, ratio * float(np.exp(-ends)), ratio * float(np.exp(ends)),
                float(found.difference[row]), float(low[row]), float(high[row]),
            )
        )  # fmt: skip
    return gains
