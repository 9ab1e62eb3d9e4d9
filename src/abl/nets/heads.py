"""Classifiers behind the last feature map: the network's own, global average, spatial pyramid.

A head is one decorated function `build(own, width, classes, levels) -> nn.Module`; its name is the
name in YAML. The module maps (B, width, H, W), or (B, width) for networks without a last map, to
logits (B, classes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from abl.errors import InputError
from abl.nets.build import convolution_like
from abl.nets.graph import Traced
from abl.nets.registry import HEADS, HeadBuilder

Levels = Sequence[int]


@dataclass(frozen=True, eq=False)
class OwnHead:
    """What a network has behind the point at which its features end, a map or a vector."""

    whole: Traced
    point: str
    width: int
    is_map: bool
    keep_weights: bool  # they were trained: widening keeps what they compute


def head(name: str, *, version: int = 1) -> Callable[[HeadBuilder], HeadBuilder]:
    """Registers a head under a name."""
    return HEADS.registering(name, version=version)


@head("fc")
def fully_connected(own: OwnHead, width: int, classes: int, levels: Levels) -> nn.Module:
    """The network's own: VGG16's two layers of 4096, ResNet's average and linear layer, ...

    With two extractors its first layer takes twice the channels; trained weights are halved and
    repeated, so that two equal maps give what one gave.
    """
    piece = own.whole.piece(own.point)
    if width != own.width:
        _widen(piece, width // own.width, keep_weights=own.keep_weights)
    return piece


@head("gap")
def global_average(own: OwnHead, width: int, classes: int, levels: Levels) -> nn.Module:
    """Global average pooling and a linear layer (Lin, Chen, Yan 2014)."""
    _needs_map(own, "gap")
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


@head("spp")
def spatial_pyramid(own: OwnHead, width: int, classes: int, levels: Levels) -> nn.Module:
    """Spatial pyramid pooling (He, Zhang, Ren, Sun 2014), then the network's own linear layers.

    The first of them takes the pyramid's bins and is new. It takes maps of any size.
    """
    _needs_map(own, "spp")
    pyramid = PyramidPool(levels)
    bins = pyramid.bins * width
    first = _first_linear(own.whole, own.point)
    if first is None:
        return nn.Sequential(pyramid, nn.Linear(bins, classes))
    source = first.all_input_nodes[0].name
    layers = own.whole.piece(source)
    old = layers.get_submodule(str(first.target))
    layers.set_submodule(
        str(first.target),
        nn.Linear(bins, int(old.out_features), bias=old.bias is not None),  # type: ignore[arg-type]
    )
    return nn.Sequential(pyramid, layers)


class PyramidPool(nn.Module):
    """Maximum in l x l bins for each level l: (B, C, H, W) -> (B, C * bins), any H and W."""

    def __init__(self, levels: Levels):
        super().__init__()
        self.levels = tuple(levels)
        self.bins = sum(level * level for level in levels)

    def forward(self, features: Tensor) -> Tensor:
        pooled = [_maxima(features, level).flatten(1) for level in self.levels]
        return torch.cat(pooled, dim=1)


def _maxima(features: Tensor, level: int) -> Tensor:
    """(B, C, level, level); bins as of adaptive pooling, with a deterministic gradient."""
    height, width = features.shape[-2:]
    rows = [
        features[..., at * height // level : -(-(at + 1) * height // level), :].amax(-2)
        for at in range(level)
    ]
    return torch.stack(
        [
            torch.stack(
                [
                    row[..., at * width // level : -(-(at + 1) * width // level)].amax(-1)
                    for at in range(level)
                ],
                dim=-1,
            )
            for row in rows
        ],
        dim=-2,
    )


def _needs_map(own: OwnHead, name: str) -> None:
    if not own.is_map:
        raise InputError(
            f"head: {name} needs a convolutional network; one of attention blocks has no last "
            "feature map (its own head works: fc)"
        )


def _first_linear(whole: Traced, point: str) -> fx.Node | None:
    modules = dict(whole.network.named_modules())
    order = whole.order()
    for name in order[order.index(point) + 1 :]:
        node = whole.node(name)
        if node.op == "call_module" and isinstance(modules[str(node.target)], nn.Linear):
            return node
    return None


def _widen(piece: fx.GraphModule, times: int, *, keep_weights: bool) -> None:
    """Lets the layers of a head up to its first weighted one take `times` the channels."""
    for node in piece.graph.nodes:
        if node.op != "call_module":
            continue
        name, module = str(node.target), piece.get_submodule(str(node.target))
        wider = _wider(module, times, keep_weights)
        if wider is not None:
            piece.set_submodule(name, wider)
        elif next(module.parameters(), None) is not None:
            kind = type(module).__name__
            raise InputError(f"head: fc cannot take two modalities ({kind}); use gap or spp")
        if isinstance(module, nn.Linear | nn.Conv2d):
            return
    raise InputError("head: fc has no layer that could take two modalities; use gap or spp")


def _wider(module: nn.Module, times: int, keep_weights: bool) -> nn.Module | None:
    if isinstance(module, nn.Linear):
        has_bias = module.bias is not None
        fresh: nn.Module = nn.Linear(module.in_features * times, module.out_features, bias=has_bias)
        repeat = (1, times)
    elif isinstance(module, nn.Conv2d) and module.groups == 1:
        fresh = convolution_like(module, module.in_channels * times)
        repeat = (1, times, 1, 1)  # type: ignore[assignment]
    else:
        if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1:
            norm: nn.Module = type(module)(module.normalized_shape[0] * times, eps=module.eps)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            norm = type(module)(module.num_features * times, eps=module.eps)
        else:
            return None
        return _repeated(norm, module, times) if keep_weights else norm
    if keep_weights:
        with torch.no_grad():
            fresh.weight.copy_(module.weight.repeat(*repeat) / times)  # type: ignore[operator]
            if module.bias is not None:
                fresh.bias.copy_(module.bias)  # type: ignore[operator]
    return fresh


def _repeated(fresh: nn.Module, module: nn.Module, times: int) -> nn.Module:
    """A wider normalisation, which treats each repetition of the channels as the narrow one did."""
    with torch.no_grad():
        given = module.state_dict()
        for name, tensor in fresh.state_dict().items():
            tensor.copy_(given[name].repeat(times) if given[name].ndim else given[name])
    return fresh
