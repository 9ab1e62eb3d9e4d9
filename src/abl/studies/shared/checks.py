"""What can be wrong with a sweep in any study, found before there is data."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from abl.decide.metric_names import metric_named
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.nets.registry import check_network
from abl.nets.trust import UntrustedError, distrust
from abl.nets.user_module import load_module, unload_module
from abl.plan.graph import Arm
from abl.spec.data import Data
from abl.spec.model_faults import nearest_setting
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData, Workspace
from abl.studies.contract import StudyAxis
from abl.studies.shared.arms import (
    Relevant,
    base_position,
    base_values,
    named_contrasts,
    used_values,
)
from abl.studies.shared.label_faults import label_problems


def _base_problems(
    file: SweepFile, axes: tuple[StudyAxis, ...], arms: list[Arm], relevant: Relevant
) -> list[Problem]:
    """A base that names no axis, or is the base of no arm."""
    base = base_values(file, axes)
    if base is None:
        return []
    known = [axis.name for axis in axes]
    wrong = [name for name in base if name not in known and "." not in name]
    if wrong:
        return [
            file.problem(f"base: no axis '{name}': {nearest(name, known)}", "base", name)
            for name in wrong
        ]
    if arms and not any(base_position(arm, arms, base, relevant) is not None for arm in arms):
        own = any(used_values({**arm.params, **base}, relevant) == arm.params for arm in arms)
        if own:
            return [file.problem("base: no arm differs from it", "base")]
        return _no_such_base(file, base, arms)
    return []


def _no_such_base(file: SweepFile, base: Mapping[str, Any], arms: Sequence[Arm]) -> list[Problem]:
    """Values of the base that no arm has; else the arm that has the most of them."""
    problems = []
    for name, value in base.items():
        known = dict.fromkeys(str(arm.params[name]) for arm in arms if name in arm.params)
        if str(value) not in known:
            axis = file.sweep.axes.get(name)
            if not known:
                text = f"base: no arm has a {name}: write axes: {{{name}: [{value}, ...]}}"
            elif file.sweep.exclude and axis and str(value) in map(str, axis.listed()):
                text = f"base: exclude takes out every arm with {name} {value}"
            else:
                text = f"base: no arm has {name} {value}: {nearest(str(value), known)}"
            problems.append(file.problem(text, "base", name))
    if problems:
        return problems
    closest = max(arms, key=lambda arm: sum(arm.params.get(n) == v for n, v in base.items()))
    text = f"base: matches no arm of the sweep: the nearest one is {closest.title}"
    return [file.problem(text, "base")]


def arm_problems(
    file: SweepFile, axes: tuple[StudyAxis, ...], arms: list[Arm], relevant: Relevant
) -> list[Problem]:
    """What is wrong with the base, and with the contrasts that the file names."""
    problems = _base_problems(file, axes, arms, relevant)
    if arms:
        try:
            named_contrasts(file, axes, arms, relevant)
        except InputError as error:
            problems += error.problems
    return problems + label_problems(file, arms)


def metric_problems(file: SweepFile) -> list[Problem]:
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
            chosen = metric_named(name)
        except InputError as error:
            problems.append(file.problem(str(error), *place))
        else:
            if place == ("primary",) and chosen.higher_is_better is None:
                text = f"primary: {name} is best between its ends: choose a metric with a best end"
                problems.append(file.problem(text, *place))
    return list(dict.fromkeys(problems))


def stated_problems(file: SweepFile) -> list[Problem]:
    """Stated settings that no sweep file has."""
    if not file.sweep.stated:
        return []
    known = set(_paths(file.sweep.model_dump(mode="json", by_alias=True, exclude={"stated"})))
    return [
        file.problem(f"stated: no setting '{path}': {nearest_setting(path, known)}", "stated", path)
        for path in file.sweep.stated
        if path not in known
    ]


def _paths(values: Any, above: str = "") -> Iterator[str]:
    for name, value in values.items() if isinstance(values, dict) else ():
        path = f"{above}{name}"
        yield path
        yield from _paths(value, f"{path}.")


def load_problems(file: SweepFile) -> list[Problem]:
    """Loads the user's module, so that its names, and no other file's, are those in use.

    Raises:
        UntrustedError: It comes from elsewhere, and was never trusted; nothing of it was run.
    """
    if not file.sweep.module:
        unload_module()
        return []
    path = (file.folder / file.sweep.module).resolve()
    if not path.is_relative_to(file.folder) or not os.path.isfile(path):  # noqa: PTH113
        return [file.problem(f"module: no file '{file.sweep.module}' beside the sweep", "module")]
    if untrusted := distrust(path):
        raise UntrustedError(path, file.problem(untrusted, "module"))
    try:
        load_module(path)
    except InputError as error:
        return list(error.problems)
    return []


def network_problems(file: SweepFile) -> list[Problem]:
    """What is wrong with the network's name."""
    wrong = check_network(file.sweep.train.network)
    return [file.problem(f"train.network: {wrong}", "train", "network")] if wrong else []


def open_data(workspace: Workspace, blocks: Iterable[Data]) -> None:
    """Opens the data sets of all arms. Raises InputError with the faults of every one."""
    problems: dict[Problem, None] = {}
    for data in {data.model_dump_json(): data for data in blocks}.values():
        try:
            workspace.data(data)
        except InputError as error:
            problems |= dict.fromkeys(error.problems)
    raise_if_any(list(problems))


def refuse_equal_repeats(file: SweepFile, opened: OpenData) -> None:
    """Raises InputError if every repeat would have the same split, and count as another."""
    splits, repeats = file.sweep.splits, file.sweep.replicates.repeats
    if splits.kind != "column" or repeats == 1:
        return
    parts = [opened.split(splits, repeat, 0).items() for repeat in (0, 1)]
    if all(np.array_equal(one, other) for (_, one), (_, other) in zip(*parts, strict=True)):
        text = (
            f"replicates.repeats: {repeats}: column '{splits.column}' gives every repeat the same "
            "split; write repeats: 1, and more seeds for more trainings"
        )
        raise InputError([file.problem(text, "replicates", "repeats")])


def place_of_axis(file: SweepFile, axis: str) -> tuple[str | int, ...]:
    """Where the file gives an axis its values."""
    if axis in file.sweep.axes:
        return ("axes", axis)
    if axis.startswith("options."):
        return tuple(axis.split("."))
    return next(
        (("arms", at, axis) for at, block in enumerate(file.sweep.arms) if axis in block), ("axes",)
    )


PRETRAINED, RANDOM = "pretrained", "random"

NETWORK = StudyAxis("network", "Backbone.", setting="train.network", words=True)
FROZEN = StudyAxis(
    "frozen",
    "n: the first n convolutions (of a transformer: blocks) stay as they are; or 'stage k'.",
    setting="train.frozen",
)
WEIGHTS = StudyAxis(
    "weights",
    "What training starts from: pretrained (train.weights), random (a control), imagenet, a file.",
    PRETRAINED,
    words=True,
)
HEAD = StudyAxis(
    "head",
    "Classifier behind the features: fc (the network's own), gap or spp.",
    setting="train.head",
    words=True,
)


# how a problem begins -> the axis that is at fault
_AXES = {"frozen": "frozen", "head": "head", "fusion": "mode", "variant": "variant",
         "placement": "placement", "mask": "mask", "network": "network", "image.size": "image.size",
         "segmentation": "train.attention.segmentation.encoder",
         "train.batch_size": "train.batch_size",
         "train.micro_batch": "train.micro_batch"}  # fmt: skip
# families that take images of any size, or from 64 pixels on, for which no torch need be imported
_ANY_SIZE = re.compile(
    r"(torchvision:)?(cnn2|efficientnet|mnasnet|mobilenet|plain4|regnet|resnet|resnext|shufflenet|"
    r"tiny_|wide_resnet)"
)
_FROM_64 = re.compile(r"(torchvision:)?(alexnet|cnn1|convnext|densenet|squeezenet|vgg)")


def weights_faults(arm: Arm, file: SweepFile) -> list[tuple[str, str]]:
    """`pretrained` where nothing is: random networks would stand under a false name."""
    if arm.named.get("weights") != PRETRAINED or file.sweep.train.weights != "none":
        return []
    text = "weights: pretrained needs train.weights: a file, imagenet, or {pretrain: ...}"
    return [("weights", text)]


def design_faults(sweep: Sweep) -> list[tuple[str, str]]:
    """(axis, what is wrong) with frozen layers, head and fusion of an arm's network."""
    train, image = sweep.train, sweep.image
    plain = (train.frozen, train.head, train.fusion) == (0, "fc", "none")
    alone = 1 in (train.batch_size, train.micro_batch)
    takes_it = _ANY_SIZE.match(train.network) or (
        image.size >= 64 and _FROM_64.match(train.network)
    )
    if plain and train.attention.variant == "none" and not alone and takes_it:
        return []
    # shapes are worked out by torch, which takes seconds to import
    from abl.nets.design_check import design_problems

    return [
        (next((axis for word, axis in _AXES.items() if found.startswith(word)), "head"), found)
        for found in design_problems(train, image, len(sweep.data.classes))
    ]
