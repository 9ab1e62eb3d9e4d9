"""Whether a classifier can be made as asked, found out without computing anything."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch

from abl.errors import InputError
from abl.nets.mask_guided import build_guided
from abl.nets.model import Design, build_classifier, design_of
from abl.spec.attention import Attention
from abl.spec.data import Image
from abl.spec.train import Train


def design_problems(train: Train, image: Image, classes: int) -> tuple[str, ...]:
    """What is wrong with what a training asks of its classifier."""
    # what it starts from makes no difference to what fits
    return _problems(replace(design_of(train, image, classes), weights="none"), train.attention)


@cache
def _problems(design: Design, attention: Attention) -> tuple[str, ...]:
    try:
        _ = design.boundary, design.joined
        with torch.device("meta"):
            if attention.variant == "none":
                build_classifier(design)
            else:
                build_guided(design, _without_weights(attention))
    except InputError as error:
        if "meta tensor" in str(error):
            return ()  # made of real tensors only: a training will tell
        return tuple(problem.message for problem in error.problems)
    return ()


def _without_weights(attention: Attention) -> Attention:
    branch = attention.segmentation.model_copy(update={"weights": "none"})
    return attention.model_copy(update={"segmentation": branch})
