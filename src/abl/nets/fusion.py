"""How two modalities become one prediction (Qin et al. 2020: early and late; ours: the others).

A fusion mode is one decorated function `build(width) -> nn.Module`; its name is the name in YAML.
At `features` the module takes the two modalities' features, (B, width, H, W) or (B, width) each,
and gives one; at `input` it takes the stacked images (B, 2C, H, W) and gives (B, C, H, W).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from abl.nets.registry import FUSIONS

Builder = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Fusion:
    """A fusion mode.

    Attributes:
        at: Where the modalities meet.
        extractors: Networks that are trained: one or two.
        widens: Whether features come out twice as wide.
        needs_map: Whether it works on maps alone.
    """

    name: str
    at: Literal["input", "features"]
    extractors: int
    widens: bool
    needs_map: bool
    build: Builder


def fusion(
    name: str,
    *,
    at: Literal["input", "features"] = "features",
    extractors: int = 2,
    widens: bool = False,
    needs_map: bool = False,
    version: int = 1,
) -> Callable[[Builder], Builder]:
    """Registers a fusion mode under a name."""

    def register(builder: Builder) -> Builder:
        mode = Fusion(name, at, extractors, widens, needs_map, builder)
        FUSIONS.add(name, mode, builder, version=version)
        return builder

    return register


@fusion("early", at="input", extractors=1)
def early(width: int) -> nn.Module:
    """Stacked channels and a learned 1x1 convolution back to one image's, then the network."""
    return nn.Conv2d(2 * width, width, 1)


@fusion("late", widens=True)
def late(width: int) -> nn.Module:
    """One extractor a modality, features concatenated."""
    return Concatenate()


@fusion("late_shared", extractors=1, widens=True)
def late_shared(width: int) -> nn.Module:
    """As late, with one extractor for both: half the weights to learn."""
    return Concatenate()


@fusion("gated")
def gated(width: int) -> nn.Module:
    """A weight for each channel and image, learned from both (Arevalo et al. 2017)."""
    return Gate(width)


@fusion("cross_attention", widens=True, needs_map=True)
def cross_attention(width: int) -> nn.Module:
    """Each modality's places look at those of the other, then features are concatenated."""
    return CrossAttention(width)


class Concatenate(nn.Module):
    """(B, width, ...) twice -> (B, 2 * width, ...)."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return torch.cat([first, second], dim=1)


class Gate(nn.Module):
    """z * first + (1 - z) * second, z = sigmoid(W [mean first, mean second]); (B, width, ...).

    Source: Arevalo, Solorio, Montes-y-Gomez, Gonzalez, ICLR workshop 2017 (the gated multimodal
    unit), here with a weight a channel that holds for the whole map.
    """

    def __init__(self, width: int):
        super().__init__()
        self.weigh = nn.Linear(2 * width, width)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        places = tuple(range(2, first.ndim))
        means = [each.mean(places) if places else each for each in (first, second)]
        z = torch.sigmoid(self.weigh(torch.cat(means, dim=1)))
        z = z.reshape(*z.shape, *(1 for _ in places))
        return z * first + (1 - z) * second


class CrossAttention(nn.Module):
    """Residual attention between two maps, both ways: (B, width, H, W) twice -> (B, 2 width, H, W).

    Queries are the places of one map, keys and values those of the other (Vaswani et al. 2017),
    with one head of `inner` numbers a place.
    """

    def __init__(self, width: int, inner: int = 64):
        super().__init__()
        inner = min(inner, width)
        self.query, self.key = nn.Linear(width, inner), nn.Linear(width, inner)
        self.value, self.out = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        one, other = (each.flatten(2).transpose(1, 2) for each in (first, second))
        seen = (one + self._look(one, other), other + self._look(other, one))
        maps = [each.transpose(1, 2).reshape(first.shape) for each in seen]
        return torch.cat(maps, dim=1)

    def _look(self, at: Tensor, to: Tensor) -> Tensor:
        query, key, value = self.query(at), self.key(to), self.value(to)
        weights = torch.softmax(query @ key.transpose(1, 2) / query.shape[-1] ** 0.5, dim=-1)
        found: Tensor = self.out(weights @ value)
        return found
