"""Networks that do something at the moment at which a training builds or runs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import torch
from torch import nn

from abl.nets.registry import network
from tiny_sweeps import pooled3

HUGE = 1 << 48  # more than any address space holds
HOOK = "hook.sh"


class _With(nn.Module):
    """The pooled network, with parameters that only lie there."""

    def __init__(self, classes: int, channels: int, floats: int):
        super().__init__()
        self.inner = pooled3(classes, channels, 24)
        self.ballast = nn.Parameter(torch.zeros(floats))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + 0 * self.ballast[0]


class _Hungry(_With):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # not when it is tried out, which is done without gradients
        size = HUGE if torch.is_grad_enabled() else 1
        return self.inner(x) + 0 * torch.empty(size)[0]


@network("hungry")
def hungry(classes: int, channels: int, image_size: int) -> nn.Module:
    """Asks for more memory than there is."""
    return _Hungry(classes, channels, 1)


@network("heavy")
def heavy(classes: int, channels: int, image_size: int) -> nn.Module:
    """Its weights take about a megabyte of the disk."""
    return _With(classes, channels, 250_000)


@network("hooked")
def hooked(classes: int, channels: int, image_size: int) -> nn.Module:
    """Runs the script `hook.sh` of the working directory, if there is one, when it is built."""
    if Path(HOOK).exists():
        subprocess.run(["sh", HOOK], check=True)
    return pooled3(classes, channels, image_size)
