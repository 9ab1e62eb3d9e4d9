"""Arms and their settings: what every study does with `axes`, `arms` and `exclude`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.plan.graph import Arm, ArmList, arms_of
from abl.plan.stage import canonical_json
from abl.spec.model_faults import nearest_setting
from abl.spec.read import SweepFile, sweep_with
from abl.spec.sweep import Sweep
from abl.studies.contract import StudyAxis
from abl.studies.shared.set_twice import set_twice

# blocks that decide what is trained and scored; an axis elsewhere would tell no arms apart
VARIED = ("data", "image", "splits", "train", "options")
# replicates are the same for all arms
FIXED = ("splits.kind", "splits.folds")

# whether an arm has the settings of the file, or those that a search chose for it
SETTINGS_AXIS, FIXED_SETTINGS, TUNED_SETTINGS = "settings", "fixed", "tuned"

# what values of a study's own axes mean, by dotted path of the settings they change
Meaning = Callable[[dict[str, Any]], dict[str, Any]]
# which of an arm's axes matter, by its values of the study's own
Relevant = Callable[[Mapping[str, Any], Collection[str]], Collection[str]]


def used_values(params: Mapping[str, Any], relevant: Relevant) -> dict[str, Any]:
    """An arm's values of the axes that matter to it."""
    kept = relevant(Arm(params).own, tuple(params))
    return {axis: value for axis, value in params.items() if axis in kept}


def arms_from(
    file: SweepFile, axes: tuple[StudyAxis, ...], relevant: Relevant, curves: Sequence[str] = ()
) -> tuple[ArmList, list[Problem]]:
    """The distinct arms of a sweep, and everything wrong with axes, arms and excludes.

    Args:
        axes: The study's own.
        relevant: Which axes matter to an arm.
        curves: Study axes that may be a curve.
    """
    sweep = file.sweep
    own = {axis.name: axis for axis in axes}
    problems = [
        file.problem(f"axes.{name}: curve: true is not possible here", "axes", name)
        for name, axis in sweep.axes.items()
        if axis.curve and name not in curves
    ]
    problems += set_twice(file, axes)
    faulty: set[str] = set()
    for place, name in _named_axes(sweep):
        if name not in own and name in type(sweep).model_fields:
            faulty.add(name)
            text = f"'{name}' cannot be an axis: it must be the same for all arms"
            if name in VARIED:
                text = f"'{name}' cannot be an axis: name one of its settings, as {name}.NAME"
            problems.append(file.problem(text, *place))
        elif name not in own and "." not in name:
            faulty.add(name)
            words = [*own, "train.epochs", "train.optimizer.lr", "data.phantom.flip"]
            text = f"no axis '{name}': {nearest_setting(name, words)}"
            problems.append(file.problem(text, *place))
        elif name not in own and name.split(".")[0] not in type(sweep).model_fields:
            faulty.add(name)
            text = f"no setting '{name}': {nearest_setting(name, own)}"
            problems.append(file.problem(text, *place))
        elif name not in own and (name.split(".")[0] not in VARIED or name in FIXED):
            faulty.add(name)
            text = f"'{name}' cannot be an axis: it must be the same for all arms"
            problems.append(file.problem(text, *place))
    worded = _Words(axes, file)
    # what is wrong with the other axes is told in the same breath
    lists = {
        name: worded.value(name, axis.listed())
        for name, axis in sweep.axes.items()
        if not axis.curve and name not in faulty
    }
    defaults = {
        axis.name: (axis.default,)
        for axis in axes
        if axis.default is not None and axis.name not in sweep.axes
    }
    order = [*(name for name in own if name in lists or name in defaults), *lists]
    every = {name: lists.get(name, defaults.get(name, ())) for name in dict.fromkeys(order)}
    blocks, exclude = (
        [
            {name: value for name, value in worded.block(block).items() if name not in faulty}
            for block in each
        ]
        for each in (sweep.arms, sweep.exclude)
    )
    shown = [name for name in order if name in {name for _, name in _named_axes(sweep)}]
    shown += [axis for block in blocks for axis in block if axis not in shown]
    empty = [at for at, block in enumerate(sweep.arms) if [] in block.values()]
    problems += [file.problem("this block gives an axis no value", "arms", at) for at in empty]
    used = partial(used_values, relevant=relevant)
    if problems:
        # without the blocks, which may be at fault, nothing that is excluded can be judged
        found = arms_of(every, blocks, [], used, shown)
        return ArmList(found.arms, found.cells, [], []), problems
    found = arms_of(every, blocks, exclude, used, shown)
    whole = arms_of(every, blocks, [], used, shown) if exclude and found.unused else found
    for name in found.unused:
        if name in sweep.axes:
            text = "no arm uses more than one value"
            if name not in whole.unused:
                text = "exclude leaves no more than one of its values"
            text = f"axes.{name}: changes nothing: {text}"
            problems.append(file.problem(text, "axes", name))
    problems += [
        file.problem("this block excludes no arm", "exclude", at) for at in found.idle_excludes
    ]
    if not found.arms and not problems:
        problems.append(file.problem("every arm is excluded", "exclude"))
    return found, problems


def base_values(file: SweepFile, axes: tuple[StudyAxis, ...]) -> dict[str, Any] | None:
    """Axis values of the arm that others are compared with, None if the sweep names none."""
    return None if file.sweep.base is None else _Words(axes, file).block(file.sweep.base)


def base_position(
    arm: Arm, arms: list[Arm], base: Mapping[str, Any], relevant: Relevant
) -> int | None:
    """Position of the arm that this one is compared with: equal but for the base's values."""
    wanted = used_values({**arm.params, **base}, relevant)
    position = next((at for at, other in enumerate(arms) if dict(other.params) == wanted), None)
    return None if position is not None and arms[position] is arm else position


def named_contrasts(
    file: SweepFile, axes: tuple[StudyAxis, ...], arms: list[Arm], relevant: Relevant
) -> list[tuple[int, int]]:
    """(arm, base) positions of the contrasts that a sweep names, at equal other axes.

    Raises:
        InputError: Every contrast that matches no pair of arms, and why.
    """
    words, found, problems = _Words(axes, file), [], []
    for at, contrast in enumerate(file.sweep.contrasts):
        block, base = words.block(contrast.arm), words.block(contrast.base)
        pairs = [
            (position, other)
            for position, arm in enumerate(arms)
            if all(arm.params.get(axis) == value for axis, value in block.items())
            and (other := base_position(arm, arms, base, relevant)) is not None
        ]
        if not pairs:
            why = _why_no_pair(axes, arms, block, base)
            told = f"contrasts: {_shown(contrast.arm)} against {_shown(contrast.base)}"
            problems += [file.problem(f"{told}: {each}", "contrasts", at) for each in why]
        found += pairs
    raise_if_any(problems)
    return found


def _why_no_pair(
    axes: tuple[StudyAxis, ...], arms: list[Arm], block: dict[str, Any], base: dict[str, Any]
) -> list[str]:
    known = {axis.name for axis in axes} | {axis for arm in arms for axis in arm.params}
    unknown = [axis for axis in dict.fromkeys([*block, *base]) if axis not in known]
    absent = [
        f"no arm has {_shown({axis: value})}"
        for axis, value in [*block.items(), *base.items()]
        if axis in known and all(arm.params.get(axis) != value for arm in arms)
    ]
    why = [f"no axis '{axis}': {nearest(axis, known)}" for axis in unknown] + absent
    return why or ["no two arms differ in this alone"]


def _shown(block: Mapping[str, Any]) -> str:
    return f"{{{', '.join(f'{axis}: {value}' for axis, value in block.items())}}}"


class _Words:
    """Reads values as an axis means them.

    YAML's true and false are words where an axis takes names, as the rule `true` is; and a word may
    stand for several values.
    """

    def __init__(self, axes: tuple[StudyAxis, ...], file: SweepFile):
        self._axes = {axis.name for axis in axes if axis.words}
        self._wide = {axis.name: axis.wide for axis in axes if axis.wide is not None}
        self._sweep = file.sweep

    def value(self, axis: str, given: Any) -> Any:
        if axis not in self._axes:
            return given
        if isinstance(given, list | tuple):
            every = [self.value(axis, each) for each in given]
            flat = [
                value for each in every for value in (each if isinstance(each, tuple) else [each])
            ]
            # what people write by mistake may not be hashable
            return tuple({repr(value): value for value in flat}.values())
        word = str(given).lower() if isinstance(given, bool) else given
        if axis not in self._wide:
            return word
        values = self._wide[axis](word, self._sweep)
        return values if len(values) > 1 else values[0]

    def block(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {axis: self.value(axis, value) for axis, value in given.items()}


def _named_axes(sweep: Sweep) -> list[tuple[tuple[str | int, ...], str]]:
    named: list[tuple[tuple[str | int, ...], str]] = [(("axes", n), n) for n in sweep.axes]
    for key, blocks in (("arms", sweep.arms), ("exclude", sweep.exclude)):
        named += [((key, at, name), name) for at, block in enumerate(blocks) for name in block]
    return named


class Settings:
    """The sweep as each arm sees it: base settings with the arm's values put in.

    Args:
        axes: The study's own.
        meaning: Settings that an arm's values change beside those that axes stand for.
    """

    def __init__(
        self, file: SweepFile, axes: tuple[StudyAxis, ...], meaning: Meaning = lambda params: {}
    ):
        self._file, self._meaning = file, meaning
        self._paths = {axis.name: axis.setting for axis in axes}
        self._known: dict[str, Sweep] = {}

    def of(self, arm: Arm) -> Sweep:
        """The arm's sweep. Raises InputError for a value that a setting does not allow."""
        paths = {axis: self._paths.get(axis, axis) for axis in arm.params if axis != SETTINGS_AXIS}
        changes = {path: arm.params[axis] for axis, path in paths.items() if path}
        changes |= self._meaning(dict(arm.params)) | dict(arm.tuned)
        key = canonical_json(sorted(changes.items()))
        if key not in self._known:
            self._known[key] = sweep_with(self._file, changes) if changes else self._file.sweep
        return self._known[key]

    def addressed_file(self, arm: Arm) -> SweepFile:
        """The sweep file as if it held the arm's sweep."""
        return replace(self._file, sweep=self.of(arm))

    def all_of(self, arms: list[Arm]) -> list[Sweep]:
        """Every arm's sweep, every problem at once."""
        problems: list[Problem] = []
        found = []
        for arm in arms:
            try:
                found.append(self.of(arm))
            except InputError as error:
                problems += error.problems
        raise_if_any(list(dict.fromkeys(problems)))
        return found
