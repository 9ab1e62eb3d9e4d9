"""The strongest answer of a convolution, projected back into its image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from abl.nets.build import build_network
from abl.nets.deconvolution import projections


def test_it_is_that_of_transposed_layers_by_hand() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip
    image = torch.randn(1, 1, 8, 8)
    first, second = projections(network, (image,), lambda count: range(1, count + 1))
    assert (first.number, second.number) == (1, 2)
    with torch.no_grad():
        weights, more = network[0].weight, network[3].weight
        answer = functional.conv2d(image, weights, network[0].bias, padding=1)
        pooled, place = functional.max_pool2d(answer.clamp(min=0), 2, return_indices=True)
        deeper = functional.conv2d(pooled, more, network[3].bias, padding=1)

        def strongest(found: torch.Tensor) -> torch.Tensor:
            alone = torch.zeros_like(found)
            alone.view(-1)[found.argmax()] = 1
            return alone

        back = functional.conv_transpose2d(strongest(answer), weights, padding=1)
        np.testing.assert_allclose(first.pixels, back[0].numpy(), atol=1e-6)
        back = functional.conv_transpose2d(strongest(deeper), more, padding=1)
        # max_unpool2d has no deterministic form, which other tests may have asked for
        unpooled = torch.zeros_like(answer).flatten(2).scatter(2, place.flatten(2), back.flatten(2))
        back = unpooled.view_as(answer).clamp(min=0)
        back = functional.conv_transpose2d(back, weights, padding=1)
        np.testing.assert_allclose(second.pixels, back[0].numpy(), atol=1e-6)
    assert second.channel == int(deeper.argmax()) // 16
    # nothing of it stays
    with torch.no_grad():
        assert network.training
        torch.testing.assert_close(network(image), network(image.clone()))


@pytest.mark.parametrize("name", ["vgg11", "resnet18", "googlenet", "tiny_dense"])
def test_networks_of_libraries_are_looked_into(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, classes=2, channels=3, image_size=64)
    image = torch.randn(1, 3, 64, 64)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    found = projections(network, (image,), lambda count: [1, count])
    for each in found:
        assert each.pixels.shape == (3, 64, 64)
        assert np.isfinite(each.pixels).all()
        assert np.abs(each.pixels).max() > 0
    # of the first convolution no more than its own window
    assert (found[0].pixels != 0).any(axis=0).sum() <= 49
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
