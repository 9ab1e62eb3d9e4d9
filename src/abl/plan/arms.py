"""Axes and arms: from what the file lists to the distinct rows of the table (pure)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from abl.plan.graph import Arm
from abl.plan.stage import canonical_json


@dataclass(frozen=True)
class ArmList:
    """The arms of a sweep.

    Attributes:
        arms: Distinct arms in the order of the file.
        cells: How many combinations the file lists, before those that are the same were joined.
        unused: Axes with several values of which no arm uses more than one.
        idle_excludes: Positions of exclude blocks that matched nothing.
    """

    arms: list[Arm]
    cells: int
    unused: list[str]
    idle_excludes: list[int]


def arms_of(
    axes: Mapping[str, Sequence[Any]],
    blocks: Sequence[Mapping[str, Any]],
    exclude: Sequence[Mapping[str, Any]],
    relevant: Callable[[dict[str, Any]], dict[str, Any]],
    shown: Sequence[str] | None = None,
) -> ArmList:
    """The union of the blocks' products, less what is excluded, each distinct arm once.

    Args:
        axes: Axis -> values; an axis that a block does not name runs over all of them.
        blocks: Axis -> value or list of values; no block means one empty block.
        exclude: An arm that has all values of a block is left out.
        relevant: Drops the axes that do not matter to an arm (consensus N to `original`).
        shown: Axes that name an arm; default all.
    """
    order = list(dict.fromkeys([*axes, *(axis for block in blocks for axis in block)]))
    combinations = []
    for block in blocks or [{}]:
        lists = [_listed(block[axis] if axis in block else axes.get(axis)) for axis in order]
        named = [axis for axis, values in zip(order, lists, strict=True) if values is not None]
        given = [values for values in lists if values is not None]
        combinations += [
            dict(zip(named, values, strict=True)) for values in itertools.product(*given)
        ]
    named_by = tuple(order if shown is None else shown)
    matched: set[int] = set()
    kept: dict[str, Arm] = {}
    for params in combinations:
        hits = [at for at, block in enumerate(exclude) if _matches(params, block)]
        matched.update(hits)
        if not hits:
            used = relevant(params)
            kept.setdefault(canonical_json(sorted(used.items())), Arm(used, named_by))
    arms = list(kept.values())
    several = [
        axis for axis in order if len({canonical_json(c.get(axis)) for c in combinations}) > 1
    ]
    unused = [
        axis
        for axis in several
        if len({canonical_json(arm.params[axis]) for arm in arms if axis in arm.params}) < 2
        # one value beside arms to which the axis does not apply still tells arms apart
        and len({axis in arm.params for arm in arms}) == 1
    ]
    idle = [at for at in range(len(exclude)) if at not in matched]
    return ArmList(arms, len(combinations), unused, idle)


def _listed(values: Any) -> list[Any] | None:
    if values is None:
        return None
    return list(values) if isinstance(values, list | tuple) else [values]


def _matches(params: Mapping[str, Any], block: Mapping[str, Any]) -> bool:
    return all(
        axis in params and params[axis] in (_listed(values) or []) for axis, values in block.items()
    )
