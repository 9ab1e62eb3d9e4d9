"""A search space: what may be tried, what of it depends on what else was chosen; in Optuna's words.

At the end how much each of its settings explains of the scores.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from abl.search.samplers import quiet

TREES = 64  # of functional ANOVA
Point = dict[str, Any]


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; `log` spaces them by their logarithm.

    `steps` is the number of values that a grid takes of it.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False
    steps: int | None = None

    def grid(self) -> tuple[float, ...]:
        """The values that a grid tries, ascending.

        Raises:
            ValueError: Neither whole numbers nor `steps`.
        """
        if self.steps is None:
            if not self.integer:
                raise ValueError("a grid needs steps")
            return tuple(range(int(self.low), int(self.high) + 1))
        ends = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        width = (ends[1] - ends[0]) / max(self.steps - 1, 1)
        raw = [ends[0] + width * at for at in range(self.steps)]
        values = [math.exp(each) if self.log else each for each in raw]
        # the ends as they were given, the rest without the tails of binary fractions
        exact = [self.low, *(float(f"{each:.6g}") for each in values[1:-1]), self.high]
        found = [round(each) if self.integer else each for each in exact]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Choices:
    """Values without an order; `inner` is what is searched besides where a value is chosen."""

    values: tuple[str | int | float | bool, ...]
    inner: Mapping[str | int | float | bool, Mapping[str, Any]] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.values)


Space = Mapping[str, Range | Choices]


def dimensions_of(space: Space) -> dict[str, Range | Choices]:
    """Name -> dimension, also of those under a condition; of several with one name the first."""
    found: dict[str, Range | Choices] = {}
    for name, dimension in space.items():
        found.setdefault(name, dimension)
        if isinstance(dimension, Choices):
            for inner in dimension.inner.values():
                for below, each in dimensions_of(inner).items():
                    found.setdefault(below, each)
    return found


def within(space: Space, given: Mapping[str, Any]) -> Point | None:
    """The point that these values are in a space, None if one is missing or lies outside.

    Names that the space does not have, or not under the values chosen, are left out.
    """
    point: Point = {}
    for name, dimension in space.items():
        if name not in given:
            return None
        value = given[name]
        if isinstance(dimension, Choices):
            # 1 is not true, and 1.0 is 1
            same = (v for v in dimension.values if v == value)
            known = [v for v in same if isinstance(v, bool) == isinstance(value, bool)]
            below = within(dimension.inner.get(known[0], {}), given) if known else None
            if below is None:
                return None
            point |= {name: known[0], **below}
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not dimension.low <= value <= dimension.high:
            return None
        if dimension.integer and value != int(value):
            return None
        point[name] = int(value) if dimension.integer else float(value)
    return point


def grid_points(space: Space) -> Iterator[Point]:
    """Every point of a grid once, in the order of the file.

    Raises:
        ValueError: A range of fractions without `steps`.
    """
    every: list[list[Point]] = []
    for name, dimension in space.items():
        if isinstance(dimension, Range):
            every.append([{name: value} for value in dimension.grid()])
        else:
            inner = [(v, grid_points(dimension.inner.get(v, {}))) for v in dimension.values]
            every.append([{name: value, **below} for value, points in inner for below in points])
    for parts in itertools.product(*every):
        yield {name: value for part in parts for name, value in part.items()}


def suggested(trial: Any, space: Space) -> Point:
    """The values that an Optuna trial takes in a space, conditions followed."""
    point: Point = {}
    for name, dimension in space.items():
        point[name] = trial._suggest(name, distribution_of(dimension))
        if isinstance(dimension, Choices):
            point |= suggested(trial, dimension.inner.get(point[name], {}))
    return point


def distribution_of(values: Range | Choices) -> Any:
    """What Optuna calls a dimension."""
    from optuna import distributions

    if isinstance(values, Choices):
        return distributions.CategoricalDistribution(list(values.values))
    if values.integer:
        return distributions.IntDistribution(int(values.low), int(values.high), log=values.log)
    return distributions.FloatDistribution(values.low, values.high, log=values.log)


def distributions_of(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the names that a point has."""
    found: dict[str, Any] = {}
    for name, dimension in space.items():
        if name in point:
            found[name] = distribution_of(dimension)
            if isinstance(dimension, Choices):
                found |= distributions_of(dimension.inner.get(point[name], {}), point)
    return found


def importance_of(
    space: Space, points: Sequence[Point], scores: Sequence[Sequence[float]]
) -> list[dict[str, Any]]:
    """Share of the variance that each setting of all points explains alone, the largest first.

    Rows of `name`, `mean` and `sd` over replicates (nan of a single one); none with fewer than four
    points, or where no score differs. Source: Hutter, Hoos, Leyton-Brown, ICML 2014, functional
    ANOVA in Optuna's implementation, on each replicate alone.

    Args:
        points: Those that were scored on every replicate.
        scores: Of the first objective, one row a point, one column a replicate.
    """
    if len(points) < 4 or not scores or not scores[0]:
        return []
    import optuna
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.trial import create_trial

    by_name: dict[str, list[float]] = {}
    with quiet():
        for at in range(len(scores[0])):
            values = [float(row[at]) for row in scores]
            if max(values) == min(values):
                continue
            study = optuna.create_study()
            study.add_trials(
                [
                    create_trial(
                        params=dict(point),
                        distributions=distributions_of(space, point),
                        value=value,
                    )
                    for point, value in zip(points, values, strict=True)
                ]
            )
            evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
            for name, share in evaluator.evaluate(study).items():
                by_name.setdefault(name, []).append(float(share))
    rows = [
        {
            "name": name,
            "mean": statistics.fmean(shares),
            "sd": statistics.stdev(shares) if len(shares) > 1 else math.nan,
        }
        for name, shares in by_name.items()
    ]
    return sorted(rows, key=lambda row: (-row["mean"], row["name"]))
