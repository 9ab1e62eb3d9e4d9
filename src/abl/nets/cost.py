"""What a network, its training and its frozen front cost, counted on shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abl.nets.registry import remembered

if TYPE_CHECKING:  # importing torch takes seconds, which a table is spared
    from torch import nn


@dataclass(frozen=True)
class NetworkCost:
    """Numbers of one network, and operations on one image: a multiply-add counts as two."""

    parameters: int
    forward_flops: int


@remembered
def network_cost(name: str, *, classes: int, channels: int, image_size: int) -> NetworkCost:
    """Parameters and FLOPs of a network, on shapes alone (torch's meta device).

    Raises:
        InputError: Unknown name, or an image size it cannot take.
    """
    from abl.nets.execution import meta_network

    network = meta_network(name, classes=classes, channels=channels, image_size=image_size).eval()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return NetworkCost(parameters, numbers_and_flops(network, channels, image_size)[1])


def training_flops(
    cost: NetworkCost,
    *,
    images: int,
    epochs: int,
    branches: int = 1,
    frozen: float = 0.0,
    kept: bool = False,
) -> float:
    """FLOPs of training on so many images an epoch: forward once, backward about twice that.

    Args:
        branches: Extractors that each image goes through.
        frozen: Share of the operations in front of the boundary: no gradient is computed there.
        kept: Whether features are read there instead of computed.
    """
    passes = 3.0 - 2.0 * frozen - (frozen if kept else 0.0)
    return passes * branches * cost.forward_flops * images * epochs


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


@remembered
def front_cost(
    name: str, frozen: int | str, *, classes: int, channels: int, image_size: int
) -> FrontCost | None:
    """The front of a network frozen so far; None if nothing of it can be kept.

    Raises:
        InputError: As boundaries_of.
    """
    from abl.nets.boundaries import boundaries_of
    from abl.nets.execution import meta_network
    from abl.nets.graph import NotTraceableError, last_frozen_point, traced

    asked = {"classes": classes, "channels": channels, "image_size": image_size}
    places = boundaries_of(name, **asked)
    boundary = places.at(frozen)
    try:
        whole = traced(meta_network(name, **asked).eval())
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
    numbers, flops = numbers_and_flops(whole.piece("", point), channels, image_size)
    return FrontCost(point, least, numbers, flops, flops / max(places.flops, 1))


def numbers_and_flops(network: nn.Module, channels: int, image_size: int) -> tuple[int, int]:
    """Numbers that it gives for one image, and the operations that this takes."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        given = network(torch.empty(1, channels, image_size, image_size, device="meta"))
    return int(given.numel()), int(counter.get_total_flops())
