"""What can be wrong with a sweep in any study, found before there is data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from abl.decide.metrics import metric_named
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.nets.registry import check_network
from abl.nets.user_module import load_module, unload_module
from abl.plan.graph import Arm
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.studies.arms import Relevant, base_position, base_values
from abl.studies.base import StudyAxis
from abl.studies.workspace import Workspace


def base_problems(
    file: SweepFile, axes: tuple[StudyAxis, ...], arms: list[Arm], relevant: Relevant
) -> list[Problem]:
    """A base that names no axis, or is the base of no arm."""
    base = base_values(file, axes)
    if base is None:
        return []
    known = [axis.name for axis in axes]
    wrong = [name for name in base if name not in known and "." not in name]
    if wrong:
        told = [(name, f"base: no axis '{name}': {nearest(name, known)}") for name in wrong]
        return [file.problem(text, "base", name) for name, text in told]
    if arms and not any(base_position(arm, arms, base, relevant) is not None for arm in arms):
        own = any(relevant({**arm.params, **base}) == dict(arm.params) for arm in arms)
        text = "base: no arm differs from it" if own else "base: matches no arm of the sweep"
        return [file.problem(text, "base")]
    return []


def metric_problems(file: SweepFile) -> list[Problem]:
    """What is wrong with the names of metrics in a sweep."""
    sweep = file.sweep
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("metrics", at), name) for at, name in enumerate(sweep.metrics)
    ]
    named.append((("primary",), sweep.primary))
    if sweep.select_by:
        named.append((("select_by",), sweep.select_by))
    problems = [
        file.problem(f"metrics: {name} is given twice: take one out", "metrics", at)
        for at, name in enumerate(sweep.metrics)
        if name in sweep.metrics[:at]
    ]
    for place, name in named:
        try:
            metric_named(name)
        except InputError as error:
            problems.append(file.problem(str(error), *place))
    return list(dict.fromkeys(problems))


def stated_problems(file: SweepFile) -> list[Problem]:
    """Stated settings that no sweep file has."""
    known = set(_paths(file.sweep.model_dump(mode="json", by_alias=True, exclude={"stated"})))
    return [
        file.problem(f"stated: no setting '{path}': {nearest(path, known)}", "stated", path)
        for path in file.sweep.stated
        if path not in known
    ]


def _paths(values: Any, above: str = "") -> Iterator[str]:
    for name, value in values.items() if isinstance(values, dict) else ():
        path = f"{above}{name}"
        yield path
        yield from _paths(value, f"{path}.")


def load_problems(file: SweepFile) -> list[Problem]:
    """Loads the user's module, so that its names, and no other file's, are those in use."""
    if not file.sweep.module:
        unload_module()
        return []
    path = (file.folder / file.sweep.module).resolve()
    if not path.is_relative_to(file.folder) or not os.path.isfile(path):  # noqa: PTH113
        return [file.problem(f"module: no file '{file.sweep.module}' beside the sweep", "module")]
    try:
        load_module(path)
    except InputError as error:
        return list(error.problems)
    return []


def module_problems(file: SweepFile) -> list[Problem]:
    """Loads the user's module, so that its names are known, and checks the network's name."""
    if problems := load_problems(file):
        return problems
    wrong = check_network(file.sweep.train.network)
    return [file.problem(f"train.network: {wrong}", "train", "network")] if wrong else []


def open_data(workspace: Workspace, sweeps: Sequence[Sweep]) -> None:
    """Opens the data sets of all arms. Raises InputError with the faults of every one."""
    problems: dict[Problem, None] = {}
    for data in {sweep.data.model_dump_json(): sweep.data for sweep in sweeps}.values():
        try:
            workspace.data(data)
        except InputError as error:
            problems |= dict.fromkeys(error.problems)
    raise_if_any(list(problems))


def place_of_axis(file: SweepFile, axis: str) -> tuple[str | int, ...]:
    """Where the file gives an axis its values."""
    if axis in file.sweep.axes:
        return ("axes", axis)
    if axis.startswith("options."):
        return tuple(axis.split("."))
    return next(
        (("arms", at, axis) for at, block in enumerate(file.sweep.arms) if axis in block), ("axes",)
    )
