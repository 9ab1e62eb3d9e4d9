"""Attention modules guided by a mask, and two that need none, as controls.

Source of the guided ones: Liu et al., Front. Med. 2026, doi 10.3389/fmed.2026.1694174. The text at
hand prints none of its equations; F_s, the residuals and `serial` are reconstructed from its prose
and captions.

A variant is one decorated function `build(width, reduction) -> nn.Module`; its name is the name in
YAML. The module takes features (B, width, H, W) and a mask (B, 1, H, W) that has their size, or
features alone if the variant needs no mask, and gives features of the same shape.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from abl.spec.attention import VARIANTS

Builder = Callable[[int, int], nn.Module]
# keeps a constant mask from dividing by zero: it becomes 0
EPSILON = 1e-6


def variant(name: str, *, mask: bool = True, version: int = 1) -> Callable[[Builder], Builder]:
    """Registers a variant under a name.

    Args:
        mask: Whether it looks at a mask. The module of one that does not takes features alone, and
            its trainings read and predict no masks.
    """
    return VARIANTS.registering(name, mask=mask, version=version)


@variant("channel")
def channel(width: int, reduction: int) -> nn.Module:
    """F + F_c: channels weighed by what they hold under the mask."""
    return Guided(ChannelWeights(width, reduction), lambda f, f_s, a: f + f * a)


@variant("spatial")
def spatial(width: int, reduction: int) -> nn.Module:
    """F + F_s: features under the mask counted twice."""
    return Guided(None, lambda f, f_s, _: f + f_s)


@variant("serial")
def serial(width: int, reduction: int) -> nn.Module:
    """The channel weights act on the spatial output, with the residual (reconstructed)."""
    return Guided(ChannelWeights(width, reduction), lambda f, f_s, a: f + f_s * a)


@variant("parallel")
def parallel(width: int, reduction: int) -> nn.Module:
    """F + F_s + F_c: the proposed module."""
    return Guided(ChannelWeights(width, reduction), lambda f, f_s, a: f + f_s + f * a)


@variant("se", mask=False)
def squeeze_and_excitation(width: int, reduction: int) -> nn.Module:
    """Squeeze and excitation (Hu, Shen, Sun 2018): channel weights, no mask. A control."""
    return WithoutMask(ChannelWeights(width, reduction))


@variant("cbam", mask=False)
def cbam(width: int, reduction: int) -> nn.Module:
    """Convolutional block attention (Woo et al. 2018), timm's: no mask. A control."""
    from timm.layers.cbam import CbamModule

    rd_channels = max(width // reduction, 1)
    return WithoutMask(CbamModule(width, rd_channels=rd_channels), scales=False)


def resized_mask(mask: Tensor, height: int, width: int) -> Tensor:
    """(B, 1, S, S) -> (B, 1, height, width), bilinear without smoothing, as the paper says."""
    return functional.interpolate(mask, size=(height, width), mode="bilinear", align_corners=False)


def min_max(mask: Tensor) -> Tensor:
    """Each image's mask (B, 1, H, W) stretched to [0, 1]; a constant one becomes 0."""
    low, high = mask.amin((2, 3), keepdim=True), mask.amax((2, 3), keepdim=True)
    return (mask - low) / (high - low + EPSILON)


class ChannelWeights(nn.Module):
    """a = sigmoid(MLP(GAP(x))): (B, width, H, W) -> (B, width, 1, 1) in (0, 1)."""

    def __init__(self, width: int, reduction: int):
        super().__init__()
        between = max(width // reduction, 1)
        self.mlp = nn.Sequential(nn.Linear(width, between), nn.ReLU(), nn.Linear(between, width))

    def forward(self, features: Tensor) -> Tensor:
        weights = torch.sigmoid(self.mlp(features.mean((2, 3))))
        return weights[:, :, None, None]


class Guided(nn.Module):
    """An attention module that looks at features F under a mask m.

    Args:
        weigh: Channel weights a of F_s = F * m, (B, width, H, W) -> (B, width, 1, 1), if any.
        sums: F, F_s and a (or F_s again) -> features.
    """

    def __init__(self, weigh: nn.Module | None, sums: Callable[[Tensor, Tensor, Tensor], Tensor]):
        super().__init__()
        self.weigh = weigh
        self._sums = sums

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        under = features * mask
        return self._sums(features, under, under if self.weigh is None else self.weigh(under))


class WithoutMask(nn.Module):
    """An attention module that looks at the features alone.

    Args:
        inner: Gives weights (B, width, 1, 1), or the weighed features themselves.
        scales: Whether it gives weights.
    """

    def __init__(self, inner: nn.Module, *, scales: bool = True):
        super().__init__()
        self.inner = inner
        self._scales = scales

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.inner(features)
        return features * found if self._scales else found
