"""What a network costs: parameters and floating-point operations, counted without computing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class NetworkCost:
    """Cost of one network.

    Attributes:
        parameters: Trainable numbers.
        forward_flops: Of one image; a multiply-add counts as two.
    """

    parameters: int
    forward_flops: int


@cache
def network_cost(name: str, *, classes: int, channels: int, image_size: int) -> NetworkCost:
    """Parameters and FLOPs of a network, on shapes alone (torch's meta device).

    Raises:
        InputError: Unknown name, or an image size it cannot take.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from abl.nets.execution import meta_network

    network = meta_network(name, classes=classes, channels=channels, image_size=image_size).eval()
    image = torch.empty(1, channels, image_size, image_size, device="meta")
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(image)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return NetworkCost(parameters, counter.get_total_flops())


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
