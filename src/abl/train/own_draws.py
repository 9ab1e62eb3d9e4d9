"""Dropout in networks that are computed as one: each draws what it would draw by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class OwnDraws:
    """The random numbers of networks whose weights are stacked, a generator for each.

    Attributes:
        present: Generators of those that the next forward pass computes, in the order of the
            stack; None is the device's own.
    """

    def __init__(self) -> None:
        self.present: Sequence[torch.Generator | None] = ()

    def masks(self, shape: Sequence[int], like: Tensor, keep: float) -> Tensor:
        """(M, *shape) of the type of `like`: 1 / keep with probability `keep`, otherwise 0."""
        drawn = [
            torch.empty(tuple(shape), dtype=like.dtype, device=like.device).bernoulli_(
                keep, generator=each
            )
            for each in self.present
        ]
        return torch.stack(drawn).div_(keep)


class _Masks(torch.autograd.Function):
    """Masks for a stacked tensor. Has no gradient: it depends on the tensor's shape alone."""

    @staticmethod
    def forward(values: Tensor, keep: float, draws: OwnDraws) -> Tensor:
        return draws.masks(values.shape, values, keep)[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, ...]:
        return (None, None, None)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], values: Tensor, keep: float, draws: OwnDraws
    ) -> tuple[Tensor, int]:
        at = in_dims[0] or 0
        shape = [*values.shape[:at], *values.shape[at + 1 :]]
        return draws.masks(shape, values, keep), 0


class OwnDropout(nn.Module):
    """nn.Dropout inside torch.vmap, with each network's own generator.

    On a CPU it draws the masks of nn.Dropout, to the bit; on a GPU others of the same distribution,
    as PyTorch's own kernel there takes no generator.
    """

    def __init__(self, p: float, draws: OwnDraws):
        super().__init__()
        self.p, self.draws = p, draws

    def forward(self, values: Tensor) -> Tensor:
        """Of the shape of `values`."""
        if not self.training or self.p == 0:
            return values
        if self.p == 1:
            return values * 0
        mask: Tensor = _Masks.apply(values.detach(), 1 - self.p, self.draws)
        return values * mask


def with_own_draws(network: nn.Module, draws: OwnDraws) -> None:
    """Puts OwnDropout in the place of every nn.Dropout of a network."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Dropout:
                setattr(module, name, OwnDropout(child.p, draws).train(child.training))
