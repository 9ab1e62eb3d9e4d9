"""Six small networks of different design, trained from scratch in seconds at 64 px on a CPU.

A panel of selectors, or arms of a sweep that runs anywhere: each reaches 1/16 of the input side,
normalises by batch, ends in global average pooling and a linear layer (B, width) -> (B, classes).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abl.nets.registry import network


@network("plain4")
def plain4(classes: int, channels: int, image_size: int) -> nn.Module:
    """Four 3x3 convolutions, halved between (VGG's design)."""
    return _network(
        *_conv(channels, 16, 3, stride=2),
        _halve(),
        *_conv(16, 48, 3),
        _halve(),
        *_conv(48, 64, 3),
        _halve(),
        *_conv(64, 96, 3),
        *_head(96, classes),
    )


@network("tiny_vgg")
def tiny_vgg(classes: int, channels: int, image_size: int) -> nn.Module:
    """Eight 3x3 convolutions in four blocks (VGG's depth in small): frozen 0 to 8."""
    widths = (16, 32, 48, 64)
    layers: list[nn.Module] = []
    inputs = channels
    for at, width in enumerate(widths):
        layers += [*_conv(inputs, width, 3, stride=1 if at else 2), *_conv(width, width, 3)]
        layers += [_halve()] if at < len(widths) - 1 else []
        inputs = width
    return _network(*layers, *_head(inputs, classes))


@network("tiny_resnet")
def tiny_resnet(classes: int, channels: int, image_size: int) -> nn.Module:
    """Three basic residual blocks (He et al. 2016)."""
    return _network(
        *_conv(channels, 16, 3, stride=2),
        _halve(),
        Residual(16, 24, stride=1),
        Residual(24, 48, stride=2),
        Residual(48, 80, stride=2),
        *_head(80, classes),
    )


@network("tiny_dense")
def tiny_dense(classes: int, channels: int, image_size: int) -> nn.Module:
    """Three dense blocks of three layers, growth 16 (Huang et al. 2017)."""
    return _network(
        *_conv(channels, 16, 3, stride=2),
        _halve(),
        DenseBlock(16, growth=16, layers=3),
        *_conv(64, 40, 1),
        _halve(),
        DenseBlock(40, growth=16, layers=3),
        *_conv(88, 48, 1),
        _halve(),
        DenseBlock(48, growth=16, layers=3),
        nn.BatchNorm2d(96),
        nn.ReLU(inplace=True),
        *_head(96, classes),
    )


@network("tiny_inception")
def tiny_inception(classes: int, channels: int, image_size: int) -> nn.Module:
    """Three blocks of four parallel branches (Szegedy et al. 2015)."""
    return _network(
        *_conv(channels, 16, 3, stride=2),
        _halve(),
        Inception(16, 16),
        _halve(),
        Inception(64, 24),
        _halve(),
        Inception(96, 32),
        *_head(128, classes),
    )


@network("tiny_mobile")
def tiny_mobile(classes: int, channels: int, image_size: int) -> nn.Module:
    """Four inverted residuals with depthwise convolutions (Sandler et al. 2018)."""
    return _network(
        *_conv(channels, 16, 3, stride=2),
        _halve(),
        InvertedResidual(16, 24, stride=1),
        InvertedResidual(24, 24, stride=1),
        InvertedResidual(24, 40, stride=2),
        InvertedResidual(40, 64, stride=2),
        *_conv(64, 128, 1),
        *_head(128, classes),
    )


class Residual(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            *_conv(inputs, outputs, 3, stride=stride),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else _projection(inputs, outputs, stride)

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.body(features) + self.shortcut(features))


class DenseBlock(nn.Module):
    """(B, inputs, H, W) -> (B, inputs + layers * growth, H, W)."""

    def __init__(self, inputs: int, *, growth: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(*_conv(inputs + index * growth, growth, 3)) for index in range(layers)
        )

    def forward(self, features: Tensor) -> Tensor:
        for layer in self.layers:
            features = torch.cat([features, layer(features)], dim=1)
        return features


class Inception(nn.Module):
    """(B, inputs, H, W) -> (B, 4 * width, H, W)."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        narrow = width // 2
        self.one = nn.Sequential(*_conv(inputs, width, 1))
        self.three = nn.Sequential(*_conv(inputs, narrow, 1), *_conv(narrow, width, 3))
        self.five = nn.Sequential(*_conv(inputs, narrow, 1), *_conv(narrow, width, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), *_conv(inputs, width, 1))

    def forward(self, features: Tensor) -> Tensor:
        branches = (self.one, self.three, self.five, self.pool)
        return torch.cat([branch(features) for branch in branches], dim=1)


class InvertedResidual(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride), expanded twice inside."""

    def __init__(self, inputs: int, outputs: int, *, stride: int):
        super().__init__()
        wide = 2 * inputs
        self.body = nn.Sequential(
            *_conv(inputs, wide, 1),
            nn.Conv2d(wide, wide, 3, stride, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(inplace=True),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.is_residual = inputs == outputs and stride == 1

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features) if self.is_residual else self.body(features)


def _conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


def _projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def _halve() -> nn.Module:
    return nn.MaxPool2d(2, ceil_mode=True)


def _head(width: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


def _network(*layers: nn.Module) -> nn.Module:
    """The layers in their order, convolutions with He's weights."""
    network = nn.Sequential(*layers)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network
