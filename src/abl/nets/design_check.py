"""Whether a classifier can be made as asked, found out without computing anything."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch

from abl.errors import InputError
from abl.nets.model import Design, build_classifier, design_of
from abl.spec.data import Image
from abl.spec.train import Train


def design_problem(train: Train, image: Image, classes: int) -> str | None:
    """What is wrong with what a training asks of its classifier, or None."""
    # what it starts from makes no difference to what fits
    return _problem(replace(design_of(train, image, classes), weights="none"))


@cache
def _problem(design: Design) -> str | None:
    try:
        _ = design.boundary, design.joined
        with torch.device("meta"):
            build_classifier(design)
    except InputError as error:
        if "meta tensor" in str(error):
            return None  # made of real tensors only: a training will tell
        return str(error)
    return None
