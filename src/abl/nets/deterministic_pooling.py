"""Adaptive average pooling whose gradient is deterministic on GPUs too."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AdaptiveAveragePool(nn.Module):
    """As nn.AdaptiveAvgPool2d: (B, C, H, W) -> (B, C, rows, columns), as two matrix products.

    PyTorch's own has no deterministic backward on CUDA; AlexNet and VGG contain it. Bins:
    floor(i * n / out) to ceil((i + 1) * n / out), PyTorch's.
    """

    def __init__(self, rows: int, columns: int):
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, features: Tensor) -> Tensor:
        height, width = features.shape[-2:]
        if (height, width) == (self.rows, self.columns):
            return features
        by_row = _bins(height, self.rows, features)
        by_column = _bins(width, self.columns, features)
        return by_row @ features @ by_column.T


def with_deterministic_pooling(network: nn.Module) -> nn.Module:
    """The network with each AdaptiveAvgPool2d of more than one bin replaced, in place."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.AdaptiveAvgPool2d):
            size = module.output_size
            rows, columns = size if isinstance(size, tuple) else (size, size)
            if rows is not None and columns is not None and (rows, columns) != (1, 1):
                network.set_submodule(name, AdaptiveAveragePool(rows, columns))
    return network


def _bins(size: int, bins: int, like: Tensor) -> Tensor:
    weights = torch.zeros(bins, size)
    for row in range(bins):
        start, end = row * size // bins, -(-(row + 1) * size // bins)
        weights[row, start:end] = 1 / (end - start)
    return weights.to(like.device, like.dtype)
