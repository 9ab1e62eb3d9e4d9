"""Whether a classifier can be made and trained as asked, found out on shapes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from abl.errors import InputError, Problem
from abl.nets.execution import meta_network
from abl.nets.fitting_weights import fitting_state
from abl.nets.headless_weights import GAP, headless_state
from abl.nets.mask_guided import build_guided, without_weights
from abl.nets.model import Classifier, Design, build_classifier, design_of
from abl.nets.registry import OF_WEIGHTS, remembered
from abl.nets.weights import existing_file, read_state
from abl.spec.attention import Attention
from abl.spec.data import Image
from abl.spec.train import Train

_ALONE = "more than 1 value per channel"


def design_problems(train: Train, image: Image, classes: int) -> tuple[str, ...]:
    """What is wrong with what a training asks of its classifier."""
    # what it starts from makes no difference to what fits
    design = replace(design_of(train, image, classes), weights="none")
    alone = next((key for key in ("batch_size", "micro_batch") if getattr(train, key) == 1), "")
    # of images of many shapes no one batch speaks for all
    return _problems(design, train.attention, "" if image.fit == "own" else alone)


@remembered
def _problems(design: Design, attention: Attention, alone: str) -> tuple[str, ...]:
    """Faults of the parts, and of a step on one image if `alone` (a setting) asks for it."""
    try:
        _ = design.boundary, design.joined
        with torch.device("meta"):
            network = _made(design, attention)
    except InputError as error:
        if "meta tensor" in str(error) or (error.__cause__ and _can_be_made(design, attention)):
            return ()  # made of real tensors only: a training will tell
        return tuple(problem.message for problem in error.problems)
    if not alone or _takes_one_image(network, design, masked=attention.variant != "none"):
        return ()
    return (
        f"train.{alone}: 1 leaves {design.network} nothing to take batch statistics of (its last "
        f"map is one pixel at image.size {design.image_size}): write 2 or more, or a larger "
        "image.size",
    )


def _made(design: Design, attention: Attention) -> Classifier:
    if attention.variant == "none":
        return build_classifier(design)
    return build_guided(design, without_weights(attention))


def _can_be_made(design: Design, attention: Attention) -> bool:
    """Whether what fails on shapes alone, as a user's own builder may, is made of real tensors."""
    try:
        with torch.random.fork_rng(devices=[]):
            _made(design, attention)
    except InputError:
        return False
    return True


def _takes_one_image(network: nn.Module, design: Design, *, masked: bool) -> bool:
    """Whether a step on one image has batch statistics; what else is wrong a training will tell."""
    channels, size = design.channels * (1 if design.fusion == "none" else 2), design.image_size
    try:
        with torch.device("meta"), torch.no_grad():
            masks = (torch.zeros(1, 1, size, size),) if masked else ()
            network.train()(torch.empty(1, channels, size, size), *masks)
    except Exception as error:  # made of real tensors only, or of another call
        return _ALONE not in str(error)
    return True


@remembered
def _misfit(
    path: Path,
    size: int,
    changed_ns: int,
    network: str,
    classes: int,
    channels: int,
    side: int,
    head: str,
) -> tuple[tuple[Problem, ...], tuple[str, ...]]:
    try:
        empty = meta_network(network, classes=classes, channels=channels, image_size=side)
    except Exception:  # a network that cannot be made of shapes alone is tried when it trains
        return (), ()
    try:
        if head == GAP:  # layers that it does without may be missing
            takes = {"classes": classes, "channels": channels, "image_size": side}
            own = headless_state(empty, read_state(path), source=path.name, name=network, **takes)
            if own.state:
                return (), _notes(path, own.adapted, f"{OF_WEIGHTS}{path.name} {own.said}")
        found = fitting_state(empty, read_state(path), source=path.name)
    except InputError as error:
        told = [each.message.removeprefix("weights: ") for each in error.problems]
        named = [each if path.name in each else f"{path.name} {each}" for each in told]
        fit = f"give a file saved from {network}, or weights: none"
        return tuple(Problem(f"train.weights: {each}; {fit}") for each in named), ()
    said = found.said and f"weights: {path.name} is read by {found.said}"
    return (), _notes(path, found.adapted, said)


def _notes(path: Path, adapted: Sequence[str], said: str) -> tuple[str, ...]:
    """What is said of how a file is read, and of what of it is not loaded as it is."""
    changed = f"{OF_WEIGHTS}{path.name} {'; '.join(adapted)}" if adapted else ""
    return tuple(each for each in (said, changed) if each)


def weights_problems(
    path: str | Path,
    network: str,
    *,
    classes: int,
    channels: int,
    image_size: int,
    head: str = "fc",
) -> tuple[list[Problem], list[str]]:
    """What is wrong with a file of weights for a network, before anything is trained; and what is
    to be said of how it is read.
    """
    file = existing_file(path)
    seen = file.stat()  # the arms of a sweep ask for the same again and again
    asked = (file, seen.st_size, seen.st_mtime_ns, network, classes, channels, image_size, head)
    problems, said = _misfit(*asked)
    return list(problems), list(said)
