"""Each arm against its base: difference, interval, corrected P and a verdict; and the best arm."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from abl.decide.check import Floats, largest_class
from abl.decide.contributions import DRAWS as BOOTSTRAPS
from abl.decide.measured import Measured
from abl.decide.metric_names import metric_named
from abl.decide.metric_registry import Metric
from abl.decide.multiple_testing import (
    DRAWS,
    all_pairs_level,
    contrast_draws,
    corrected_p,
    joint_draws,
    simultaneous_level,
)
from abl.decide.replicates import ArmScores, Scores, checked_arm, checked_pair_of_arms
from abl.decide.score_intervals import LEVEL
from abl.decide.verdicts import (
    FEWEST_PATIENTS,
    NO_VALUE,
    NOT_OUT_OF_FOLD,
    ONE_CLASS,
    SAME,
    SIGNIFICANT,
    TOO_FEW,
    UNDECIDED,
    verdict,
)
from abl.errors import InputError
from abl.plan.outcome import Comparison

# for the best of hundreds of arms, a pair of which is looked at in each of them
_BEST_DRAWS = 2000
# images of a class that a network never calls, before its silence tells more than bad luck
_FEWEST_MISSED = 6


@dataclass(frozen=True, eq=False)
class Contrast:
    """An arm against its base, named as in the table: replicates on the same test images.

    Attributes:
        out_of_fold: False where either was, or may have been, trained on the images it is tested
            on.
    """

    base_name: str
    arm: ArmScores
    base: ArmScores
    out_of_fold: bool = True


@dataclass(frozen=True, eq=False)
class _Group:
    """Contrasts whose arms were tested on the same images: `at` are their places in the family."""

    measured: Measured
    at: list[int]
    first: list[int]
    second: list[int]


def comparisons(
    contrasts: Sequence[Contrast],
    metric: str,
    *,
    margin: float | None = None,
    resamples: int = BOOTSTRAPS,
    permutations: int = DRAWS,
) -> list[Comparison]:
    """One Comparison a contrast; all of them are one family.

    P are corrected by step-down min-P; what an interval says of equivalence and of the margin is
    read off the simultaneous interval of the family. better, worse and equivalent speak of recipes
    and need three trainings of both arms, in two seeds or more; below that the trained networks are
    taken as given, and can only differ.

    Args:
        resamples: Bootstrap draws, of metrics without a derivative; at most 500 are used.
        permutations: Draws of the family's joint distribution.

    Raises:
        InputError: Arms that were not scored on the same images; a metric without a direction; a
            margin that is not positive.
    """
    chosen = metric_named(metric)
    if chosen.higher_is_better is None:
        raise InputError(f"'{metric}' is best between its ends: compare by another metric")
    if permutations < 1:
        raise InputError(f"permutations: {permutations} is not a positive number")
    verdict(math.nan, math.nan, margin)  # refuses a margin that is none, of no contrast too
    if not contrasts:
        return []
    groups = _groups(contrasts, chosen, min(resamples, BOOTSTRAPS))
    found = [group.measured.differences(group.first, group.second) for group in groups]
    at = [place for group in groups for place in group.at]
    # by exchanging the patients' answers none of them could be smaller
    p = np.concatenate(
        [
            np.maximum(each.p, 2.0 ** (1 - group.measured.patients_concerned))
            for group, each in zip(groups, found, strict=True)
        ]
    )
    drawn = np.zeros((1, 1))  # of one contrast there is nothing to correct
    if len(contrasts) > 1:
        drawn = np.concatenate(
            [_drawn(group, permutations, seed) for seed, group in enumerate(groups)], axis=1
        )
    corrected = corrected_p(p, drawn)
    level = simultaneous_level(drawn[:, ~np.isnan(p)], LEVEL)
    results: dict[int, Comparison] = {}
    start = 0
    for group, each in zip(groups, found, strict=True):
        (low, high), (wide_low, wide_high) = each.interval(), each.interval(level)
        for row, place in enumerate(group.at):
            q = float(corrected[start + row])
            reason = _reason(group, row, contrasts[place])
            said = reason or verdict(
                wide_low[row], wide_high[row], margin,
                higher_is_better=chosen.higher_is_better, recipes=bool(each.recipes[row]),
            )  # fmt: skip
            if said == UNDECIDED and q < SIGNIFICANT:  # step-down finds more than one interval
                said = verdict(
                    low[row], high[row],
                    higher_is_better=chosen.higher_is_better, recipes=bool(each.recipes[row]),
                )  # fmt: skip
            results[place] = Comparison(
                base=contrasts[place].base_name,
                difference=float(each.difference[row]),
                low=float(low[row]),
                high=float(high[row]),
                p=float(p[start + row]),
                p_corrected=q,
                verdict=said,
                low_corrected=float(wide_low[row]),
                high_corrected=float(wide_high[row]),
                of_networks=not bool(each.recipes[row]),
            )
        start += len(group.at)
    assert sorted(at) == sorted(results)
    return [results[place] for place in range(len(contrasts))]


def best_and_tied(
    arms: Mapping[str, ArmScores],
    metric: str,
    *,
    permutations: int = _BEST_DRAWS,
    controls: Collection[str] = (),
) -> tuple[str, frozenset[str]]:
    """The best arm, and those that may be the best: multiple comparisons with the best.

    An arm is not marked if another is better than it, at a level at which all pairs of arms hold
    together: all truly best arms are marked in 95 % (all-pairs max-T; Hsu 1996). Arms with equal
    means: the first of the mapping is the best. Controls, and arms without a value, are neither.

    Raises:
        InputError: No arm has a value; arms on other images.
    """
    chosen = metric_named(metric)
    if chosen.higher_is_better is None:
        raise InputError(f"'{metric}' is best between its ends: no arm is the best")
    named = {name: arm for name, arm in arms.items() if name not in controls}
    if not named:
        raise InputError("every arm is a control: none is the best")
    measured = Measured(list(named.values()), chosen)
    sign = 1.0 if chosen.higher_is_better else -1.0
    means = sign * measured.means().mean
    known = [at for at in range(len(named)) if not math.isnan(means[at])]
    if not known:
        raise InputError(f"'{metric}' is undefined for every arm")
    names = list(named)
    best = max(known, key=lambda at: means[at])
    covariance = measured.covariance()[np.ix_(known, known)]
    drawn = joint_draws(covariance, min(permutations, _BEST_DRAWS))
    level = all_pairs_level(drawn, covariance, LEVEL)
    first, second = np.triu_indices(len(known), 1)
    places = np.array(known)
    found = measured.differences(places[first], places[second])
    apart = found.p < 1 - level
    lower = np.where(sign * found.difference < 0, places[first], places[second])[apart]
    tied = set(known) - set(lower.tolist()) - {best}
    return names[best], frozenset(names[at] for at in tied)


def _groups(contrasts: Sequence[Contrast], metric: Metric, draws: int) -> list[_Group]:
    """Contrasts by what their arms were tested on, each arm once."""
    arms: dict[object, list[list[Scores]]] = {}
    members: dict[object, dict[int, int]] = {}
    rows: dict[object, list[tuple[int, int, int]]] = {}
    for place, each in enumerate(contrasts):
        arm, base = checked_pair_of_arms(each.arm, each.base)
        tests = tuple((one.key, hash(one.labels.tobytes()), _names_of(one)) for one in arm)
        of_tests, known = arms.setdefault(tests, []), members.setdefault(tests, {})
        positions = []
        for given, ordered in ((each.arm, arm), (each.base, base)):
            if id(given) not in known:
                known[id(given)] = len(of_tests)
                of_tests.append(ordered)
            positions.append(known[id(given)])
        rows.setdefault(tests, []).append((place, positions[0], positions[1]))
    return [
        _Group(Measured(arms[tests], metric, draws=draws), *map(list, zip(*each, strict=True)))
        for tests, each in rows.items()
    ]


def _names_of(replicate: Scores) -> int:
    return hash(replicate.patients.tobytes())


def _drawn(group: _Group, draws: int, seed: int) -> Floats:
    first, second = np.array(group.first), np.array(group.second)
    covariance = group.measured.covariance()
    return contrast_draws(joint_draws(covariance, draws, seed), covariance, first, second)


def _reason(group: _Group, row: int, contrast: Contrast) -> str:
    """Why there is no verdict, or that there is nothing to infer; otherwise ""."""
    if not contrast.out_of_fold:
        return NOT_OUT_OF_FOLD
    if group.measured.alike(group.first[row], group.second[row]):
        return SAME
    if any(calls_one_class(arm) for arm in (contrast.arm, contrast.base)):
        return ONE_CLASS
    if group.measured.patients_concerned < FEWEST_PATIENTS:
        return TOO_FEW
    if not group.measured.are_defined(group.first[row], group.second[row]):
        return NO_VALUE
    return ""


def calls_one_class(arm: ArmScores) -> bool:
    """Whether an arm's networks give up: all of a replicate's images are called one class.

    That some test set holds six images of a class that is never called is enough; of smaller ones
    all of a seed must be so, or half of them all.
    """
    of_seed: dict[int, list[bool]] = {}
    for each in checked_arm(arm):
        called = np.unique(largest_class(each.p))
        images = np.bincount(each.labels, minlength=each.p.shape[1])
        missed = int(images.sum() - images[called].sum())
        one = len(called) == 1 and missed > 0
        if one and missed >= _FEWEST_MISSED:
            return True
        if missed > 0 or len(called) > 1:  # a fold of one class, called so, tells nothing
            of_seed.setdefault(each.seed, []).append(one)
    every = [one for each in of_seed.values() for one in each]
    return any(all(each) for each in of_seed.values()) or 2 * sum(every) >= max(len(every), 1)
