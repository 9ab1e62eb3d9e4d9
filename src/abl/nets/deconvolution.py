"""What in an image the channels of a network's convolutions answer to.

Source: Zeiler, Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section
2: the strongest answer of a layer, all others set to zero, goes back through the layers in front of
it. Convolutions are transposed, pooling puts it where the maximum was, and what comes back to a
rectifier is rectified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_RECTIFIERS = (
    functional.relu, torch.relu, torch.relu_, functional.relu_, Tensor.relu, Tensor.relu_,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Projection:
    """The strongest answer of a convolution to an image, projected back into it.

    Attributes:
        number: Of the convolution, from 1, in the order in which they run.
        channel: That answers most, from 0.
        pixels: float32 (C, S, S); 0 where nothing of it comes from.
    """

    number: int
    channel: int
    pixels: np.ndarray


def projections(
    network: nn.Module, inputs: Sequence[Tensor], wanted: Callable[[int], Sequence[int]]
) -> list[Projection]:
    """Projections of one image, in evaluation mode; the network is left as it was.

    Args:
        inputs: What the network takes, a batch of one: its image (1, C, S, S) comes first.
        wanted: From the number of convolutions to numbers of those to project.
    """
    was_training = network.training
    network.eval()
    answers: list[Tensor] = []

    def keep(module: nn.Module, given: Any, answer: Tensor) -> Tensor:
        answers.append(answer)
        return answer.clone()  # what is computed in place behind it leaves it alone

    hooks = [
        each.register_forward_hook(keep)
        for each in network.modules()
        if isinstance(each, nn.Conv2d)
    ]
    try:
        image = inputs[0].detach().clone().requires_grad_()
        with torch.enable_grad(), _Rectifying():
            network(image, *inputs[1:])
        return [_projection(image, answers[number - 1], number) for number in wanted(len(answers))]
    finally:
        for hook in hooks:
            hook.remove()
        network.train(was_training)


def _projection(image: Tensor, answer: Tensor, number: int) -> Projection:
    flat = answer.flatten()
    at = int(flat.argmax())
    (found,) = torch.autograd.grad(flat[at], image, retain_graph=True)
    per_channel = answer.shape[-2] * answer.shape[-1]
    return Projection(number, at // per_channel, found[0].detach().float().cpu().numpy())


class _Rectified(torch.autograd.Function):
    """A rectifier through which what comes back is rectified too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *coming: Tensor) -> Tensor:
        return coming[0].clamp(min=0)


class _Rectifying(TorchFunctionMode):
    """Every rectifier that runs is such a one."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in _RECTIFIERS:
            return _Rectified.apply(args[0])  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))
