"""A search space: what may be tried, and what of it depends on what else was chosen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

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


def names_of(space: Space) -> list[str]:
    """Every name of a space, also those under a condition, in order."""
    found: dict[str, None] = {}
    for name, dimension in space.items():
        found[name] = None
        if isinstance(dimension, Choices):
            for inner in dimension.inner.values():
                found.update(dict.fromkeys(names_of(inner)))
    return list(found)


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
            known = [v for v in dimension.values if v == value and _is_bool(v) == _is_bool(value)]
            if not known:
                return None
            point[name] = known[0]
            below = within(dimension.inner.get(known[0], {}), given)
            if below is None:
                return None
            point |= below
            continue
        if _is_bool(value) or not isinstance(value, int | float):
            return None
        if not dimension.low <= value <= dimension.high:
            return None
        if dimension.integer and value != int(value):
            return None
        point[name] = int(value) if dimension.integer else float(value)
    return point


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def grid_points(space: Space) -> Iterator[Point]:
    """Every point of a grid once, in the order of the file.

    Raises:
        ValueError: A range of fractions without `steps`.
    """
    every: list[list[Point]] = []
    for name, dimension in space.items():
        if isinstance(dimension, Range):
            every.append([{name: value} for value in dimension.grid()])
            continue
        every.append(
            [
                {name: value, **below}
                for value in dimension.values
                for below in grid_points(dimension.inner.get(value, {}))
            ]
        )
    for parts in itertools.product(*every):
        yield {name: value for part in parts for name, value in part.items()}
