"""Whether a network can take an image size, found out without computing anything."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from abl.errors import InputError

_LARGEST_TRIED = 512
# what PyTorch and model code raise for a map that became too small; also what a faulty user's
# network raises, so the message is passed on
_SHAPE_ERRORS = (RuntimeError, ValueError, AssertionError, ZeroDivisionError)


def check_image_size(
    network: nn.Module, name: str, channels: int, image_size: int, classes: int
) -> None:
    """Raises InputError if (B, channels, image_size, image_size) does not give (B, classes)."""
    try:
        shape = _output_shape(network, channels, image_size)
    except _SHAPE_ERRORS as error:
        enough = _enough_pixels(network, channels, image_size)
        why = (
            f"image.size must be {enough} or more"
            if enough
            else f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"
        )
        raise InputError(f"network {name} cannot take images of {image_size} px: {why}") from error
    if shape != (2, classes):
        raise InputError(
            f"network {name} gives {shape} for two images; logits (2, {classes}) are needed"
        )


def _output_shape(network: nn.Module, channels: int, image_size: int) -> tuple[int, ...] | None:
    try:
        return _output_shape_on_meta(network, channels, image_size)
    except _SHAPE_ERRORS:
        # tensors that are no buffers, and operations without a meta form, need the real thing
        images = torch.zeros(2, channels, image_size, image_size)
        return _shape_of(network, lambda: network(images))


def _enough_pixels(network: nn.Module, channels: int, image_size: int) -> int | None:
    for size in range(image_size + 1, _LARGEST_TRIED + 1):
        try:
            _output_shape_on_meta(network, channels, size)
        except _SHAPE_ERRORS:
            continue
        return size
    return None


def _output_shape_on_meta(
    network: nn.Module, channels: int, image_size: int
) -> tuple[int, ...] | None:
    tensors = {
        key: torch.empty_like(tensor, device="meta")
        for key, tensor in [*network.named_parameters(), *network.named_buffers()]
    }
    images = torch.empty(2, channels, image_size, image_size, device="meta")
    return _shape_of(network, lambda: functional_call(network, tensors, (images,)))


def _shape_of(network: nn.Module, forward: Callable[[], object]) -> tuple[int, ...] | None:
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            output = forward()
    finally:
        network.train(was_training)
    return tuple(output.shape) if isinstance(output, Tensor) else None
