"""What a network computes in: shorter types under autocast, its last layer in single precision.

Under autocast a linear layer gives bfloat16, 8 bits of a mantissa: 336 images then had 36 different
scores, and ranks, AUC and thresholds were those of ties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from abl.errors import StageError

Precision = Literal["fp32", "bf16", "fp16"]


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """The forward pass in a shorter type. Raises StageError for fp16 without a GPU."""
    if precision == "fp32":
        return nullcontext()
    if precision == "fp16" and device.type != "cuda":
        raise StageError("train.precision: fp16 needs a GPU (on a CPU: fp32 or bf16)")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype)


@contextmanager
def last_layers_in_fp32(network: nn.Module, outputs: int, precision: Precision) -> Iterator[None]:
    """Within it, layers that give as many numbers as there are classes compute in float32.

    Those are the last ones; another layer that is as narrow computes in float32 as well. Weights
    are float32 under autocast anyhow.

    Args:
        outputs: Numbers that the network gives for an image (or a pixel): its classes.
        precision: With fp32 nothing is changed.
    """
    layers: list[nn.Module] = []
    if precision != "fp32":
        layers = [each for each in network.modules() if _outputs_of(each) == outputs]
    for layer in layers:
        layer.forward = _in_fp32(layer.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # that of its class again


def _outputs_of(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, nn.Conv2d) else None


def _in_fp32(forward: Callable[..., Any]) -> Callable[..., Any]:
    def whole(features: Tensor) -> Any:
        with torch.autocast(features.device.type, enabled=False):
            return forward(features.float())

    return whole
