"""The space that a sweep file describes, and everything that can be wrong with its search."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from abl.decide.metric_names import metric_named
from abl.errors import InputError, Problem
from abl.search.samplers import Direction
from abl.search.space import Choices, Range, Space, dimensions_of, within
from abl.spec.model_faults import annotation_of, nearest_setting
from abl.spec.read import SweepFile, sweep_with
from abl.spec.search import SAMPLERS, Constraint, Dimension, Objective, Search, sampler_problem
from abl.spec.sweep import Sweep
from abl.studies.contract import Study, StudyAxis
from abl.studies.searching.searched_arms import search_of

WORDS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}

# what a search may change: what is trained, and how its results are used
SEARCHED = ("train", "image", "options")
MOST_WRONG = 3  # values of one start point that are named
BY_SPLIT = ("train", "image")  # scores of one arm are made with one set of the others


def path_of(name: str, axes: tuple[StudyAxis, ...]) -> str:
    """The setting that a name of a space stands for; a name that is no axis stands for itself."""
    return next((axis.setting for axis in axes if axis.name == name), name)


def space_of(given: Mapping[str, Dimension], axes: tuple[StudyAxis, ...]) -> Space:
    """The space of a search block, by paths of settings."""
    paths = {name: path_of(name, axes) for name in given}
    return {paths[name]: _dimension(paths[name], each, axes) for name, each in given.items()}


def value_of(path: str, value: Any) -> Any:
    """A value as a setting takes it: `yes` is true where that is wanted, 1 is 1.0."""
    wanted = annotation_of(path)
    if wanted is bool and str(value).lower() in WORDS:
        return WORDS[str(value).lower()]
    plain_number = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if wanted is float and plain_number else value


def _dimension(path: str, given: Dimension, axes: tuple[StudyAxis, ...]) -> Range | Choices:
    if given.choices:
        # as the setting will be read, so that a point is known when it is seen again
        values = tuple(value_of(path, value) for value in given.choices)
        by_word = {str(word): value for word, value in zip(given.choices, values, strict=True)}
        inner = {by_word[word]: space_of(below, axes) for word, below in given.when.items()}
        return Choices(values, inner)
    start, stop = float(given.start or 0.0), float(given.stop or 0.0)
    return Range(start, stop, given.log, given.integer, given.steps)


def known_settings(sweep: Sweep, space: Space) -> dict[str, Any]:
    """What a sweep gives the settings of a space."""
    values = sweep.model_dump(by_alias=True)
    found: dict[str, Any] = {}
    for path in dimensions_of(space):
        block: Any = values
        for part in path.split("."):
            block = block.get(part) if isinstance(block, dict) else None
        found[path] = block
    return found


def start_point(given: Mapping[str, Any], axes: tuple[StudyAxis, ...]) -> dict[str, Any]:
    """A point of `start`, by paths of settings."""
    paths = {name: path_of(name, axes) for name in given}
    return {paths[name]: value_of(paths[name], value) for name, value in given.items()}


def objectives_of(sweep: Sweep) -> tuple[Objective, ...]:
    """What a search makes best: the primary metric unless it says."""
    given = sweep.search.objectives if sweep.search else ()
    return given or (Objective(metric=sweep.primary),)


def directions_of(sweep: Sweep) -> list[Direction]:
    """Whether each objective is to be large or small."""
    found: list[Direction] = []
    for each in objectives_of(sweep):
        higher = metric_named(each.metric).higher_is_better
        found.append(each.direction or ("maximize" if higher else "minimize"))
    return found


def tuning_problems(file: SweepFile, study: Study, plain: SweepFile) -> list[Problem]:
    """Everything wrong with a sweep's search that needs no data; `plain` is the file without it."""
    search = search_of(file)
    told = sampler_problem("search.sampler", search.sampler, SAMPLERS)
    problems = [file.problem(text, "search", "sampler") for text in told]
    problems += [*_metric_problems(file, search), *_name_problems(file, study, search)]
    if problems:
        return problems
    space = space_of(search.space, study.axes)
    problems += _value_problems(file, study, plain, space)
    for at, point in enumerate(search.start):
        known, text = start_point(point, study.axes), ""
        if unknown := sorted(set(known) - set(dimensions_of(space))):
            text = f"'{unknown[0]}' is not searched"
        elif wrong := _start_problem(space, known):
            text = f"point {at + 1} is no point of the space: {wrong}"
        if text:
            problems.append(file.problem(f"search.start: {text}", "search", "start", at))
    if search.sampler == "grid":
        without = [
            f"'{name}'"
            for _, name, _, each in _named(search.space)
            if not (each.choices or each.integer or each.steps)
        ]
        if without:
            text = "search.space: sampler: grid needs steps (or choices) for "
            problems.append(file.problem(text + ", ".join(without), "search", "space"))
    return problems


def _start_problem(space: Space, known: Mapping[str, Any]) -> str:
    """Why these values are no point, "" if they are one."""
    point = within(space, known)
    if point is not None:
        idle = sorted(set(known) - set(point))
        return f"{idle[0]} is not used beside the other values" if idle else ""
    wrong = [
        f"{name} is {known[name]}" if name in known else f"{name} is missing"
        for name, dimension in space.items()
        if within({name: dimension}, known) is None
    ]
    more = f", and {len(wrong) - MOST_WRONG} more" if len(wrong) > MOST_WRONG else ""
    return ", ".join(wrong[:MOST_WRONG]) + more


def _metric_problems(file: SweepFile, search: Search) -> list[Problem]:
    blocks: dict[str, Sequence[Objective | Constraint]] = {
        "objectives": search.objectives,
        "constraints": search.constraints,
    }
    return [
        file.problem(f"search.{key}: {text}", "search", key, at)
        for key, block in blocks.items()
        for at, each in enumerate(block)
        if (text := _metric_fault(each))
    ]


def _metric_fault(given: Objective | Constraint) -> str:
    """What is wrong with a metric or its bound, "" if nothing."""
    try:
        higher = metric_named(given.metric).higher_is_better
    except InputError as error:
        return str(error)
    if isinstance(given, Objective):
        sided = given.direction is not None or higher is not None
        return "" if sided else f"{given.metric} has no better side: give its direction"
    least = given.at_least or 0.0
    if higher and least > 1:
        # what people write in per cent is a share
        share = f": write {least / 100:g}" if least <= 100 else ""
        return f"{given.metric} is at most 1, not {least:g}{share}"
    return ""


def _name_problems(file: SweepFile, study: Study, search: Search) -> list[Problem]:
    axes = {axis.name: axis for axis in study.axes}
    blocks = (file.sweep.axes, *file.sweep.arms)
    varied = {path_of(axis, study.axes) for block in blocks for axis in block}
    words = [axis.name for axis in study.axes if axis.setting.partition(".")[0] in SEARCHED]
    words += ["train.optimizer.lr", "train.optimizer.weight_decay", "train.epochs"]
    problems: list[Problem] = []
    seen: set[str] = set()
    for place, name, branch, each in _named(search.space):
        path = path_of(name, study.axes)
        if name in axes and not path:
            text = f"'{name}' is an axis of the study: list its values under axes"
        elif name in axes and path.split(".")[0] not in SEARCHED:
            text = f"'{name}' says what the images are: list its values under axes"
        elif "." not in path or path.split(".")[0] not in SEARCHED:
            text = f"'{name}' cannot be searched: {nearest_setting(name, words)}"
        elif search.scope == "by_split" and path.split(".")[0] not in BY_SPLIT:
            text = f"'{name}': scope: by_split searches settings of train and image alone"
        elif path in varied:
            text = f"'{name}' is an axis of this sweep too: leave it out of one of them"
        elif path in seen:
            text = f"'{name}' is given twice"
        else:
            text = _kind_problem(name, path, each)
        if not branch:
            seen.add(path)
        if text:
            problems.append(file.problem(f"search.space: {text}", "search", "space", *place))
    return problems


def _named(
    space: Mapping[str, Dimension], above: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str, bool, Dimension]]:
    """(place, name, whether it stands under a condition, it) of every dimension.

    Those of the top level come first: what stands under a condition must not be one of them.
    """
    for name, each in space.items():
        place = (*above, name)
        yield place, name, bool(above), each
    for name, each in space.items():
        for word, below in each.when.items():
            yield from _named(below, (*above, name, "when", word))


def _kind_problem(name: str, path: str, given: Dimension) -> str:
    """What is wrong with the kind of a dimension for its setting, "" if nothing."""
    if given.choices:
        values = [value_of(path, value) for value in given.choices]
        twice = [value for at, value in enumerate(values) if value in values[:at]]
        if twice:
            return f"'{name}': {twice[0]} is given twice"
        return f"'{name}' has a single choice: nothing to search" if len(values) < 2 else ""
    wanted = annotation_of(path)
    kinds = typing.get_args(wanted) or (wanted,)
    kinds = tuple(k for each in kinds for k in (typing.get_args(each) or (each,)))
    if bool in kinds and float not in kinds:
        return f"'{name}' is true or false: write [yes, no]"
    if int in kinds and float not in kinds and not given.integer:
        return f"'{name}' takes whole numbers: add integer: true"
    return ""


def _value_problems(file: SweepFile, study: Study, plain: SweepFile, space: Space) -> list[Problem]:
    """Ends and choices that the setting does not allow, or that an arm cannot have."""
    before = {problem.message for problem in study.problems(plain)}
    named = _named(search_of(file).space)
    places = {path_of(name, study.axes): place for place, name, _, _ in named}
    problems: dict[Problem, None] = {}
    for path, dimension in dimensions_of(space).items():
        said_of: dict[str, list[Any]] = {}
        values: Sequence[Any]
        if isinstance(dimension, Choices):
            values = dimension.values
        else:
            kind = int if dimension.integer else float
            values = [kind(dimension.low), kind(dimension.high)]
        for value in values:
            try:
                sweep = sweep_with(plain, {path: value})
                found = study.problems(replace(plain, sweep=sweep))
            except InputError as error:
                found = list(error.problems)
            for problem in found:
                if problem.message in before:
                    continue
                said_of.setdefault(problem.message.removeprefix("axes: "), []).append(value)
        for said, wrong in said_of.items():
            # what is true of every value is not said of each
            of = "" if len(wrong) == len(values) else f"{', '.join(map(str, wrong))}: "
            text = f"search.space: {path}: {of}{said}"
            problems[file.problem(text, "search", "space", *places.get(path, (path,)))] = None
    return list(problems)
