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


def design_problem(train: Train, image: Image, classes: int) -> str | None:
    """What is wrong with what a training asks of its classifier, or None."""
    # what it starts from makes no difference to what fits
    return _problem(replace(design_of(train, image, classes), weights="none"), train.attention)


@cache
def _problem(design: Design, attention: Attention) -> str | None:
    try:
        _ = design.boundary, design.joined
        with torch.device("meta"):
            if attention.variant == "none":
                build_classifier(design)
            else:
                build_guided(design, _without_weights(attention))
    except InputError as error:
        if "meta tensor" in str(error):
            return None  # made of real tensors only: a training will tell
        return str(error)
    return None


def _without_weights(attention: Attention) -> Attention:
    branch = attention.segmentation.model_copy(update={"weights": "none"})
    return attention.model_copy(update={"segmentation": branch})
