"""What the frozen front of a network costs and gives, on shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from abl.nets.boundaries import boundaries_of
from abl.nets.execution import meta_network
from abl.nets.graph import NotTraceableError, last_frozen_point, traced


@dataclass(frozen=True)
class FrontCost:
    """A frozen front.

    Attributes:
        point: Where it ends, by name in the network's graph.
        least: The smallest n whose front ends there.
        numbers: Of the features of one image.
        flops: Of one image.
        share: Of the network's floating-point operations.
    """

    point: str
    least: int
    numbers: int
    flops: int
    share: float


@cache
def front_cost(
    name: str, frozen: int | str, *, classes: int, channels: int, image_size: int
) -> FrontCost | None:
    """The front of a network frozen so far; None if nothing of it can be kept.

    Raises:
        InputError: As boundaries_of.
    """
    asked = {"classes": classes, "channels": channels, "image_size": image_size}
    places = boundaries_of(name, **asked)
    boundary = places.at(frozen)
    network = meta_network(name, **asked).eval()
    try:
        whole = traced(network)
    except NotTraceableError:
        return None
    point = last_frozen_point(whole, boundary.tensors, boundary.still)
    if point is None:
        return None
    least = boundary.n
    while least > 1:
        before = places.places[least - 1]
        if last_frozen_point(whole, before.tensors, before.still) != point:
            break
        least -= 1
    front = whole.piece("", point)
    numbers, flops = _measured(front, channels, image_size)
    return FrontCost(point, least, numbers, flops, flops / max(places.flops, 1))


def _measured(front: nn.Module, channels: int, image_size: int) -> tuple[int, int]:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        features = front(torch.empty(1, channels, image_size, image_size, device="meta"))
    return int(features.numel()), int(counter.get_total_flops())
