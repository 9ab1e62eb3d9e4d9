"""What a sweep file asks for twice, or for nothing: axes nobody reads, arms given again."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from abl.spec.attention import looks_at_mask
from abl.spec.base import Part
from abl.spec.labels import written_value
from abl.spec.sweep import Sweep
from abl.spec.train import Optimizer, Schedule

Place = tuple[str | int, ...]

MOST_ARMS = 200_000  # ten thousand are known to work; a slip of the pen asks for billions


def _is(*words: object) -> Callable[[Any], bool]:
    return lambda value: value in words


def _is_positive(value: Any) -> bool:
    return isinstance(value, str) or (value is not None and value > 0)


class Needed(NamedTuple):
    """What another setting must be for a setting to be read.

    Attributes:
        decisive: Path of the other.
        holds: Whether a value of it will do.
        wanted: How such a value is written.
    """

    decisive: str
    holds: Callable[[Any], bool]
    wanted: str


def _decides_with(block: str, part: type[Part]) -> dict[str, tuple[Needed, ...]]:
    """What the settings of a block need, as its identity has it."""
    return {
        f"{block}.{name}": (Needed(f"{block}.{other}", _is(needed), str(needed)),)
        for name, (other, needed) in part.DECIDES_WITH.items()
    }


_ATTENTION = "train.attention"
_MODULES = Needed(f"{_ATTENTION}.variant", lambda value: value != "none", "serial, se, cbam, ...")
_GUIDED = Needed(
    f"{_ATTENTION}.variant", lambda value: looks_at_mask(str(value)), "guided by a mask (serial)"
)
_BRANCH = (_GUIDED, Needed(f"{_ATTENTION}.mask", _is("predicted"), "predicted"))

# setting -> what must hold in some arm for it to be read
READ_IF: dict[str, tuple[Needed, ...]] = {
    **_decides_with("train.optimizer", Optimizer),
    **_decides_with("train.schedule", Schedule),
    "train.spp_levels": (Needed("train.head", _is("spp"), "spp"),),
    "train.frozen_precision": (Needed("train.frozen", _is_positive, "1 or more"),),
    f"{_ATTENTION}.points": (_MODULES,),
    f"{_ATTENTION}.reduction": (_MODULES,),
    f"{_ATTENTION}.mask": (_GUIDED,),
    f"{_ATTENTION}.jitter": (
        _GUIDED,
        Needed(f"{_ATTENTION}.mask", _is("predicted", "ellipse"), "predicted or ellipse"),
    ),
    f"{_ATTENTION}.detach": _BRANCH,
    f"{_ATTENTION}.alpha": _BRANCH,
    f"{_ATTENTION}.segmentation": _BRANCH,
    "image.multiple": (Needed("image.fit", _is("own"), "own"),),
    "image.crop.threshold": (Needed("image.crop.to", _is("tissue"), "tissue"),),
    "data.patient_label": (
        Needed("data.unit", _is("nodule", "patient"), "nodule or patient"),
    ),
    "splits.folds": (Needed("splits.kind", _is("kfold"), "kfold"),),
    "splits.test": (
        Needed("splits.kind", _is("holdout", "monte_carlo"), "holdout or monte_carlo"),
    ),
    "splits.column": (Needed("splits.kind", _is("column"), "column"),),
    "splits.scored": (Needed("splits.kind", _is("column"), "column"),),
    "data.phantom.prevalence_b": (Needed("data.phantom.centre_b", _is_positive, "above 0"),),
    "data.phantom.flip_side": (Needed("data.phantom.flip", _is_positive, "above 0"),),
}  # fmt: skip
# what may stop a sweep or is said of it, and changes no number
CHANGES_NO_RESULT = ("data.duplicates",)
CHANGES_NOTHING = "changes nothing"  # as every sentence on such a setting has it


def pointless(sweep: Sweep) -> list[tuple[Place, str]]:
    """(place in the file, what is wrong) of axes and arms that add nothing."""
    return [*_unread(sweep), *_given_again(sweep)]


def too_many_arms(sweep: Sweep) -> list[tuple[Place, str]]:
    """(place in the file, what is wrong) of more arms than anybody could list."""
    found: list[tuple[Place, str]] = []
    for at, block in enumerate(sweep.arms or ({},)):
        counts = {name: len(axis.listed()) for name, axis in sweep.axes.items() if not axis.curve}
        counts |= {name: len(listed_values(values)) for name, values in block.items()}
        arms = math.prod(counts.values())
        if arms > MOST_ARMS:
            place: Place = ("arms", at) if sweep.arms else ("axes",)
            text = f"{arms:,} arms are more than {MOST_ARMS:,}: give fewer values, or curve: true"
            found.append((place, f"{place[0]}: {text}"))
    return found


def unread_settings(sweep: Sweep, written: Collection[Place]) -> list[str]:
    """A sentence for each setting outside axes and arms that a file gives and no arm reads.

    Args:
        written: Places of the file.
    """
    values, found = sweep.model_dump(by_alias=True), []
    for path in READ_IF:
        lacking = _lacking(path, sweep, values) if tuple(path.split(".")) in written else None
        if lacking is not None:
            value = at_path(values, path)
            shown = "" if isinstance(value, Mapping) else f": {written_value(value)}"
            told = f"{_only_if(lacking, values)}: leave it out, or change {lacking.decisive}"
            found.append(f"{path}{shown} {CHANGES_NOTHING}: {told}")
    return found


def _unread(sweep: Sweep) -> Iterator[tuple[Place, str]]:
    values = sweep.model_dump(by_alias=True)
    listed: list[tuple[Place, str]] = [(("axes", path), path) for path in sweep.axes]
    searched = sweep.search.space if sweep.search else ()
    listed += [(("search", "space", path), path) for path in searched]
    listed += [
        (("arms", at, path), path)
        for at, block in enumerate(sweep.arms)
        for path in block
        if path not in sweep.axes
    ]
    for place, path in listed:
        block = ".".join(str(part) for part in place[:-1] if not isinstance(part, int))
        if path in CHANGES_NO_RESULT:
            yield place, f"{block}.{path}: {CHANGES_NOTHING}: no number depends on it"
        if (lacking := _lacking(path, sweep, values)) is not None:
            yield place, f"{block}.{path}: {CHANGES_NOTHING}: {_only_if(lacking, values)}"


def _lacking(path: str, sweep: Sweep, values: Mapping[str, Any]) -> Needed | None:
    """What a setting, or one of a block, needs to be read and no arm has; None if it is read."""
    needed = READ_IF.get(path) or next(
        (each for block, each in READ_IF.items() if path.startswith(f"{block}.")), ()
    )
    for each in needed:
        if not any(each.holds(value) for value in _values_of(each.decisive, sweep, values)):
            return each
    return None


def _only_if(lacking: Needed, values: Mapping[str, Any]) -> str:
    now = at_path(values, lacking.decisive)
    return f"it is read only if {lacking.decisive} is {lacking.wanted}, and it is {now}"


def _values_of(path: str, sweep: Sweep, values: Mapping[str, Any]) -> list[Any]:
    """What a setting may be in some arm: of the file, of axes, blocks of arms, or a search."""
    block, _, last = path.rpartition(".")
    found = [at_path(values, path)]
    for name in (path, last):  # a study's axis is called as its setting
        found += _given(name, sweep)
    found += [at_path(given, last) for given in _given(block, sweep) if isinstance(given, Mapping)]
    # an axis of a study may stand for a setting under another name: it is not judged
    own = [axis for axis in sweep.axes if "." not in axis and axis in path.split(".")]
    return found + [value for axis in own for value in sweep.axes[axis].listed()]


def _given(name: str, sweep: Sweep) -> list[Any]:
    """The values of an axis, of blocks of arms and of a search."""
    found = list(sweep.axes[name].listed()) if name in sweep.axes else []
    if sweep.search and name in sweep.search.space:
        dimension = sweep.search.space[name]
        found += dimension.choices or (dimension.stop,)
    for block in sweep.arms:
        found += listed_values(block[name]) if name in block else []
    return found


def at_path(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _given_again(sweep: Sweep) -> Iterator[tuple[Place, str]]:
    """Blocks of arms that name the same axes and share a combination: one arm, written twice."""
    first: dict[str, int] = {}
    for at, block in enumerate(sweep.arms):
        mine: set[str] = set()
        for combination in itertools.product(*map(listed_values, block.values())):
            values = dict(zip(block, combination, strict=True))
            arm = json.dumps(values, sort_keys=True)
            if arm in mine or arm in first:
                words = ", ".join(
                    f"{axis}: {written_value(value)}" for axis, value in values.items()
                )
                before = "this block" if arm in mine else f"block {first[arm] + 1}"
                yield ("arms", at), f"arms: {{{words}}} is there already, in {before}: take one out"
                break
            mine.add(arm)
        first |= dict.fromkeys(mine - first.keys(), at)


def listed_values(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]
