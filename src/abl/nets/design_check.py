"""Whether a classifier can be made and trained as asked, found out on shapes alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from abl.errors import InputError, Problem
from abl.nets.execution import meta_network
from abl.nets.mask_guided import build_guided, without_weights
from abl.nets.model import Design, build_classifier, design_of
from abl.nets.registry import remembered
from abl.nets.weights import existing_file, fitting_state, read_state
from abl.spec.data import Image
from abl.spec.train import Attention, Train

_SEVERAL = 2  # images of a batch that has statistics
_ALONE = "more than 1 value per channel"


def design_problems(train: Train, image: Image, classes: int) -> tuple[str, ...]:
    """What is wrong with what a training asks of its classifier."""
    # what it starts from makes no difference to what fits
    design = replace(design_of(train, image, classes), weights="none")
    found = _problems(design, train.attention)
    if found or image.fit == "own":  # of images of many shapes no one batch speaks for all
        return found
    batch = min(train.batch_size, train.micro_batch or train.batch_size, _SEVERAL)
    key = "batch_size" if train.batch_size == 1 else "micro_batch"
    return tuple(text.format(key=key) for text in _step_problems(design, train.attention, batch))


@remembered
def _problems(design: Design, attention: Attention) -> tuple[str, ...]:
    try:
        _ = design.boundary, design.joined
        with torch.device("meta"):
            if attention.variant == "none":
                build_classifier(design)
            else:
                build_guided(design, without_weights(attention))
    except InputError as error:
        if "meta tensor" in str(error):
            return ()  # made of real tensors only: a training will tell
        return tuple(problem.message for problem in error.problems)
    return ()


@remembered
def _step_problems(design: Design, attention: Attention, batch: int) -> tuple[str, ...]:
    """What a step on so many images would come to."""
    try:
        with torch.device("meta"):
            plain = attention.variant == "none"
            network = (
                build_classifier(design)
                if plain
                else build_guided(design, without_weights(attention))
            )
            channels = design.channels * (1 if design.fusion == "none" else 2)
            images = torch.empty(batch, channels, design.image_size, design.image_size)
            masks = () if plain else (torch.zeros(batch, 1, design.image_size, design.image_size),)
            with torch.no_grad():
                network.train()(images, *masks)
    except (ValueError, RuntimeError) as error:
        if _ALONE in str(error):
            return (
                f"train.{{key}}: 1 leaves {design.network} nothing to take batch statistics of "
                f"(its last map is one pixel at image.size {design.image_size}): write 2 or more, "
                "or a larger image.size",
            )
    except Exception:  # made of real tensors only, or of another call: a training will tell
        return ()
    return ()


@remembered
def _misfit(
    path: Path, size: int, changed_ns: int, network: str, classes: int, channels: int, side: int
) -> tuple[tuple[Problem, ...], str]:
    try:
        empty = meta_network(network, classes=classes, channels=channels, image_size=side)
    except Exception:  # a network that cannot be made of shapes alone is tried when it trains
        return (), ""
    try:
        _, said = fitting_state(empty, read_state(path), source=path.name)
    except InputError as error:
        told = [each.message.removeprefix("weights: ") for each in error.problems]
        named = [each if path.name in each else f"{path.name} {each}" for each in told]
        fit = f"give a file saved from {network}, or weights: none"
        return tuple(Problem(f"train.weights: {each}; {fit}") for each in named), ""
    return (), said and f"weights: {path.name} is read by {said}"


def weights_problems(
    path: str | Path, network: str, *, classes: int, channels: int, image_size: int
) -> tuple[list[Problem], list[str]]:
    """What is wrong with a file of weights for a network, before anything is trained; and what is
    to be said of how it is read.
    """
    file = existing_file(path)
    seen = file.stat()  # the arms of a sweep ask for the same again and again
    asked = (file, seen.st_size, seen.st_mtime_ns, network, classes, channels, image_size)
    problems, said = _misfit(*asked)
    return list(problems), [said] if said else []
