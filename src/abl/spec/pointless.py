"""What a sweep file asks for twice, or for nothing: axes nobody reads, arms given again."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from abl.spec.sweep import Sweep

Place = tuple[str | int, ...]

MOST_ARMS = 200_000  # ten thousand are known to work; a slip of the pen asks for billions


def _is(*words: object) -> Callable[[Any], bool]:
    return lambda value: value in words


def _is_positive(value: Any) -> bool:
    return isinstance(value, str) or (value is not None and value > 0)


# setting -> the setting that decides whether it is read, when it is, and how that is written
READ_IF: dict[str, tuple[str, Callable[[Any], bool], str]] = {
    "train.optimizer.momentum": ("train.optimizer.name", _is("sgd"), "sgd"),
    "train.schedule.every": ("train.schedule.name", _is("step"), "step"),
    "train.schedule.factor": ("train.schedule.name", _is("step"), "step"),
    "train.spp_levels": ("train.head", _is("spp"), "spp"),
    "train.frozen_precision": ("train.frozen", _is_positive, "1 or more"),
    "image.multiple": ("image.fit", _is("own"), "own"),
    "data.patient_label": ("data.unit", _is("nodule", "patient"), "nodule or patient"),
    "splits.test": ("splits.kind", _is("holdout", "monte_carlo"), "holdout or monte_carlo"),
    "splits.column": ("splits.kind", _is("column"), "column"),
    "splits.scored": ("splits.kind", _is("column"), "column"),
    "data.phantom.prevalence_b": ("data.phantom.centre_b", _is_positive, "above 0"),
    "data.phantom.flip_side": ("data.phantom.flip", _is_positive, "above 0"),
}
# what may stop a sweep or is said of it, and changes no number
CHANGES_NO_RESULT = ("data.duplicates",)


def pointless(sweep: Sweep) -> list[tuple[Place, str]]:
    """(place in the file, what is wrong) of axes and arms that add nothing."""
    return [*_unread(sweep), *_given_again(sweep)]


def too_many_arms(sweep: Sweep) -> list[tuple[Place, str]]:
    """(place in the file, what is wrong) of more arms than anybody could list."""
    found: list[tuple[Place, str]] = []
    for at, block in enumerate(sweep.arms or ({},)):
        counts = {name: len(axis.listed()) for name, axis in sweep.axes.items() if not axis.curve}
        counts |= {name: len(_listed(values)) for name, values in block.items()}
        arms = math.prod(counts.values())
        if arms > MOST_ARMS:
            place: Place = ("arms", at) if sweep.arms else ("axes",)
            text = f"{arms:,} arms are more than {MOST_ARMS:,}: give fewer values, or curve: true"
            found.append((place, f"{place[0]}: {text}"))
    return found


def _unread(sweep: Sweep) -> Iterator[tuple[Place, str]]:
    values = sweep.model_dump(by_alias=True)
    listed = [("axes", path) for path in sweep.axes]
    listed += [("search.space", path) for path in (sweep.search.space if sweep.search else ())]
    for block, path in listed:
        place: Place = (*block.split("."), path)
        if path in CHANGES_NO_RESULT:
            yield place, f"{block}.{path}: changes nothing: no number depends on it"
        if path not in READ_IF:
            continue
        decisive, is_read, wanted = READ_IF[path]
        if any(is_read(value) for value in _values_of(decisive, sweep, values)):
            continue
        now = _at(values, decisive)
        told = f"is read only if {decisive} is {wanted}, and it is {now}"
        yield place, f"{block}.{path}: changes nothing: it {told}"


def _values_of(path: str, sweep: Sweep, values: Mapping[str, Any]) -> list[Any]:
    """What a setting may be in some arm: of the file, of axes, blocks of arms, or a search."""
    names = (path, path.rpartition(".")[2])  # a study's axis is called as its setting
    found = [_at(values, path)]
    for name in names:
        if name in sweep.axes:
            found += sweep.axes[name].listed()
        if sweep.search and name in sweep.search.space:
            dimension = sweep.search.space[name]
            found += dimension.choices or (dimension.stop,)
        for block in sweep.arms:
            found += _listed(block.get(name))
    # an axis of a study may stand for a setting under another name: it is not judged
    own = [axis for axis in sweep.axes if "." not in axis and axis in path.split(".")]
    return found + [value for axis in own for value in sweep.axes[axis].listed()]


def _at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _given_again(sweep: Sweep) -> Iterator[tuple[Place, str]]:
    """Blocks of arms that name the same axes and share a combination: one arm, written twice."""
    first: dict[str, int] = {}
    for at, block in enumerate(sweep.arms):
        mine: set[str] = set()
        for combination in itertools.product(*map(_listed, block.values())):
            values = dict(zip(block, combination, strict=True))
            arm = json.dumps(values, sort_keys=True)
            if arm in mine or arm in first:
                words = ", ".join(f"{axis}: {_word(value)}" for axis, value in values.items())
                before = "this block" if arm in mine else f"block {first[arm] + 1}"
                yield ("arms", at), f"arms: {{{words}}} is there already, in {before}: take one out"
                break
            mine.add(arm)
        first |= dict.fromkeys(mine - first.keys(), at)


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
