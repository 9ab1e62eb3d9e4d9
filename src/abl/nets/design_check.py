"""Whether a classifier can be made as asked, found out without computing anything."""

from __future__ import annotations

from functools import cache

import torch

from abl.errors import InputError
from abl.nets.model import Design, build_classifier


@cache
def design_problem(
    network: str,
    *,
    classes: int,
    channels: int,
    image_size: int,
    head: str,
    levels: tuple[int, ...],
    fusion: str,
    frozen: int | str,
) -> str | None:
    """What is wrong with a design, or None."""
    design = Design(
        network,
        classes,
        channels,
        image_size,
        head=head,
        levels=levels,
        fusion=fusion,
        frozen=frozen,
    )
    try:
        _ = design.boundary, design.joined
        with torch.device("meta"):
            build_classifier(design)
    except InputError as error:
        if "meta tensor" in str(error):
            return None  # made of real tensors only: a training will tell
        return str(error)
    return None
