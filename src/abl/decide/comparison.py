"""Each arm against its base: difference, interval, corrected P and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from abl.decide.intervals import RESAMPLES, difference_interval, split_means
from abl.decide.metrics import metric_named
from abl.decide.multiple_testing import PERMUTATIONS, family_test
from abl.decide.replicates import ArmScores, replicate_scores
from abl.errors import InputError
from abl.plan.outcome import Comparison

Verdict = Literal["better", "worse", "equivalent", "undecided"]
SIGNIFICANT = 0.05


@dataclass(frozen=True, eq=False)
class Contrast:
    """An arm against its base, named as in the table: replicates on the same test images."""

    base_name: str
    arm: ArmScores
    base: ArmScores


def verdict(
    low: float, high: float, margin: float | None = None, *, higher_is_better: bool = True
) -> Verdict:
    """What an interval of a difference says.

    equivalent: inside (-margin, margin), which is the two one-sided tests (TOST; at 2.5 % each with
    a 95 % interval). Otherwise better or worse if it excludes 0, else undecided. Without a margin
    nothing is ever equivalent.

    Raises:
        InputError: A margin that is not positive.
    """
    if margin is not None and not margin > 0:
        raise InputError(f"margin: {margin} is not a positive number")
    if math.isnan(low) or math.isnan(high):
        return "undecided"
    if not higher_is_better:
        low, high = -high, -low
    if margin is not None and -margin < low and high < margin:
        return "equivalent"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "undecided"


def comparisons(
    contrasts: Sequence[Contrast],
    metric: str,
    *,
    margin: float | None = None,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
) -> list[Comparison]:
    """One Comparison a contrast; all of them are one family, corrected by max-T.

    better and worse need both the interval and the corrected P.

    Raises:
        InputError: Arms that were not scored on the same images; a metric without a direction.
    """
    higher_is_better = metric_named(metric).higher_is_better
    if higher_is_better is None:
        raise InputError(f"'{metric}' is best between its ends: compare by another metric")
    tests = family_test(
        [(each.arm, each.base) for each in contrasts], metric, permutations=permutations
    )
    results = []
    for each, test in zip(contrasts, tests, strict=True):
        interval = difference_interval(each.arm, each.base, metric, resamples=resamples)
        said = verdict(interval.low, interval.high, margin, higher_is_better=higher_is_better)
        # an interval knows nothing of the other contrasts: a claim must hold within the family too
        holds = test.p_corrected < SIGNIFICANT
        results.append(
            Comparison(
                base=each.base_name,
                difference=test.difference,
                low=interval.low,
                high=interval.high,
                p=test.p,
                p_corrected=test.p_corrected,
                verdict=said if holds or said == "equivalent" else "undecided",
            )
        )
    return results


def best_and_tied(
    arms: Mapping[str, ArmScores], metric: str, *, permutations: int = PERMUTATIONS
) -> tuple[str, frozenset[str]]:
    """The best arm, and those not distinguishable from it (corrected P >= 0.05 against it).

    Arms with equal means: the first of the mapping is the best. Arms on other images, and those
    without a value, are in neither.

    Raises:
        InputError: No arm has a value.
    """
    higher_is_better = metric_named(metric).higher_is_better
    if higher_is_better is None:
        raise InputError(f"'{metric}' is best between its ends: no arm is the best")
    column = metric_named(metric).name
    means = {
        name: split_means(replicate_scores(arm, [metric]).rename(columns={column: "value"})).mean()
        for name, arm in arms.items()
    }
    known = [name for name, mean in means.items() if not math.isnan(mean)]
    if not known:
        raise InputError(f"'{metric}' is undefined for every arm")
    sign = 1 if higher_is_better else -1
    best = max(known, key=lambda name: sign * means[name])
    others = [name for name in known if name != best]
    tests = family_test(
        [(arms[name], arms[best]) for name in others], metric, permutations=permutations
    )
    tied = [n for n, test in zip(others, tests, strict=True) if test.p_corrected >= SIGNIFICANT]
    return best, frozenset(tied)
