"""cnn1 and cnn2 of Rafalo and Zylka 2025, from their public code's layer list (docs/methods)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abl.errors import InputError
from abl.nets.registry import network

_FILTERS = (8, 12, 16, 24, 32, 48)
_KERNELS = (3, 3, 5, 5, 7, 7)
_POOL_STRIDES = (1, 1, 1, 2, 2)
_VALID_KERNEL = 5


@network("cnn1")
def cnn1(classes: int, channels: int, image_size: int) -> nn.Module:
    """Six convolutions, a linear 5x5 'valid' one to a single map, dense. 131,519 parameters at 140
    px and 2 classes (the paper states 132,775)."""
    side = _side_after_pools(image_size) - _VALID_KERNEL + 1
    _check_side("cnn1", side, image_size, smallest=23)
    to_one = nn.Conv2d(_FILTERS[-1], 1, _VALID_KERNEL)
    network = nn.Sequential(
        *_six_convolutions(channels),
        nn.Dropout(0.5),
        to_one,
        nn.Flatten(),
        nn.Linear(side * side, classes),
    )
    _initialise_as_keras(network)
    nn.init.constant_(_bias(to_one), -0.9)
    return network


@network("cnn2")
def cnn2(classes: int, channels: int, image_size: int) -> nn.Module:
    """Six convolutions, dense. 239,494 parameters at 140 px and 2 classes (the paper: 314,230)."""
    side = _side_after_pools(image_size)
    _check_side("cnn2", side, image_size, smallest=7)
    network = nn.Sequential(
        *_six_convolutions(channels),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(_FILTERS[-1] * side * side, classes),
    )
    _initialise_as_keras(network)
    return network


def _six_convolutions(channels: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    inputs = channels
    for index, (filters, kernel) in enumerate(zip(_FILTERS, _KERNELS, strict=True)):
        layers += [nn.Conv2d(inputs, filters, kernel, padding=kernel // 2), nn.ReLU()]
        if index < len(_POOL_STRIDES):
            layers.append(nn.MaxPool2d(2, _POOL_STRIDES[index]))
        inputs = filters
    return layers


def _side_after_pools(image_size: int) -> int:
    side = image_size
    for stride in _POOL_STRIDES:
        side = (side - 2) // stride + 1
    return side


def _check_side(name: str, side: int, image_size: int, *, smallest: int) -> None:
    if side < 1:
        raise InputError(
            f"network {name} cannot take images of {image_size} px: image.size must be {smallest} "
            "or more"
        )


def _initialise_as_keras(network: nn.Module) -> None:
    # Glorot uniform and zero biases, the defaults of the framework the layer list comes from
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(_bias(module))


def _bias(module: nn.Conv2d | nn.Linear) -> Tensor:
    return torch.empty(0) if module.bias is None else module.bias
