"""Scores of a network trained in a shorter type: as many different ones as in single precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from abl.nets.build import build_network
from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.epoch import EpochRunner
from abl.train.feed import PixelFeed
from abl.train.precision import autocast, last_layers_in_fp32
from abl.train.predictions import mean_probabilities, predict_logits

CPU, COUNT, SIDE = torch.device("cpu"), 336, 32


class OwnLast(nn.Module):
    """A network whose last layer is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.weight = nn.Parameter(torch.randn(2, 8, generator=torch.Generator().manual_seed(0)))
        self.bias = nn.Parameter(torch.tensor([-2.0, 2.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return functional.linear(self.first(images).relu().mean((2, 3)), self.weight, self.bias)


def network_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "own":
        return OwnLast()
    network = build_network(name, classes=2, channels=3, image_size=SIDE)
    *_, last = [each for each in network.modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    with torch.no_grad():  # as sure as a trained network is
        last.bias += torch.tensor([-2.0, 2.0])
    return network


def feed(train: Train) -> PixelFeed:
    draw = np.random.default_rng(0)
    shades = draw.integers(0, 200, (COUNT, 1, 1, 1))
    pixels = (shades + draw.integers(0, 56, (COUNT, 3, SIDE, SIDE))).astype(np.uint8)
    return PixelFeed(pixels, Image(size=SIDE), train, seed=0, device=CPU)


@pytest.mark.parametrize("name", ["tiny_resnet", "tiny_mobile", "cnn1", "squeezenet1_0", "own"])
def test_scores_are_as_many_as_in_single_precision(name: str) -> None:
    network = network_of(name)
    network.eval()
    given, everything = feed(Train(precision="bf16")), np.arange(COUNT)

    def distinct(logits: np.ndarray) -> int:
        return len(np.unique(mean_probabilities(logits[None])[:, 1]))

    whole = distinct(predict_logits(network, given, everything, classes=2))
    short = predict_logits(network, given, everything, precision="bf16", classes=2)
    assert short.dtype == np.float32
    assert distinct(short) > 0.9 * whole
    # what it would be: the test sees the fault
    with torch.inference_mode(), autocast("bf16", CPU):
        batches = given.plain(everything, 32)
        plain = torch.cat([network(images)[: len(at)] for at, (images,) in batches])
    assert plain.dtype == torch.bfloat16
    assert distinct(plain.float().numpy()) < 0.7 * whole
    np.testing.assert_allclose(short, plain.float().numpy(), rtol=0.05, atol=0.05)


def test_the_loss_of_a_training_is_that_of_its_predictions() -> None:
    train = Train(precision="bf16", epochs=1, last_k=1, balance="none")
    network = build_network("tiny_resnet", classes=2, channels=3, image_size=SIDE)
    seen = []
    network.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    positions = np.arange(16)
    runner = EpochRunner(
        network,
        feed(train),
        positions,
        positions % 2,
        rows=positions,
        class_weights=None,
        settings=train,
        seed=0,
        device=CPU,
        outputs=2,
    )
    loss, _ = runner.run(1, 1e-3)
    assert np.isfinite(loss)
    assert set(seen) == {torch.float32}
    assert all("forward" not in vars(module) for module in network.modules())


def test_layers_are_left_as_they_were_whatever_happens() -> None:
    network, images = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), torch.ones(1, 4)
    with last_layers_in_fp32(network, 2, "bf16"), autocast("bf16", CPU):
        assert network(images).dtype == torch.float32
        assert network[0](images).dtype == torch.bfloat16
    with pytest.raises(ZeroDivisionError), last_layers_in_fp32(network, 2, "bf16"):
        _ = 1 / 0
    with autocast("bf16", CPU):
        assert network(images).dtype == torch.bfloat16
    with last_layers_in_fp32(network, 2, "fp32"):
        assert all("forward" not in vars(layer) for layer in network)
