"""Trainings that run as one program give what each gives by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from abl.errors import StageError, Stopped
from abl.nets.build import build_network
from abl.spec.data import Image
from abl.spec.train import Augment, EarlyStop, Optimizer, Schedule, Train
from abl.train.bundle import BundledTraining, BundleOutcome, fit_bundle
from abl.train.feed import PixelFeed, Shown, Tensors
from abl.train.fit import FitResult, Oversight, TrainingRows, fit
from abl.train.process import reset_process

CPU = torch.device("cpu")


class DoubleFeed:
    """A feed in float64, in which rounding does not hide a wrong result."""

    def __init__(self, feed: PixelFeed):
        self._feed = feed

    def forward(self, network: nn.Module) -> nn.Module:
        return network

    def epoch(
        self, positions: np.ndarray, epoch: int, size: int
    ) -> Iterator[tuple[np.ndarray, Shown]]:
        for chosen, shown in self._feed.epoch(positions, epoch, size):
            yield chosen, lambda part, shown=shown: tuple(each.double() for each in shown(part))

    def plain(self, positions: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, Tensors]]:
        for chosen, inputs in self._feed.plain(positions, size):
            yield chosen, tuple(each.double() for each in inputs)


def images(side: int, count: int = 26) -> tuple[np.ndarray, np.ndarray]:
    """Noise, brighter at the top in class 1."""
    draw = np.random.default_rng(3)
    labels = (np.arange(count) % 5 < 2).astype(np.int64)
    pixels = draw.integers(0, 120, (count, 3, side, side), dtype=np.uint8)
    pixels[labels == 1, :, : side // 2] += 90
    return pixels, labels


def made(
    settings: Sequence[Train],
    seeds: Sequence[int],
    side: int,
    *,
    double: bool,
    folds: Sequence[int] = (),
    oversights: Sequence[Oversight] = (),
) -> list[BundledTraining]:
    pixels, labels = images(side)
    first = PixelFeed(pixels, Image(size=side), settings[0], seed=0, device=CPU)
    bundle = []
    for at, (one, seed) in enumerate(zip(settings, seeds, strict=True)):
        reset_process(seed)
        network = build_network(one.network, classes=2, channels=3, image_size=side)
        feed = PixelFeed(first.pixels, Image(size=side), one, seed=seed, device=CPU)
        size = folds[at] if folds else 13
        order = np.random.default_rng(at if folds else 0).permutation(26)
        train, validation, test = order[:size], order[size:19], order[19:]
        rows = TrainingRows(
            train,
            labels[train],
            classes=2,
            evaluate={"train": train, "validation": validation, "test": test},
            validation_labels=labels[validation],
        )
        bundle.append(
            BundledTraining(
                network.double() if double else network,
                DoubleFeed(feed) if double else feed,
                rows,
                one,
                Image(size=side),
                seed,
                oversights[at] if oversights else Oversight(),
            )
        )
    return bundle


def alone(each: BundledTraining) -> FitResult:
    reset_process(each.seed)
    return fit(
        each.network,
        each.feed,
        each.rows,
        settings=each.settings,
        image=each.image,
        seed=each.seed,
        oversight=each.oversight,
    )


def assert_equal(bundled: BundleOutcome, single: FitResult, *, within: float) -> None:
    assert bundled.error is None, bundled.error
    result = bundled.result
    assert result is not None
    assert result.epochs == single.epochs
    assert list(result.history["epoch"]) == list(single.history["epoch"])
    for name in single.history.columns.drop("seconds"):
        # losses are added up in float32
        near = max(within, 1e-6)
        np.testing.assert_allclose(result.history[name], single.history[name], atol=near, rtol=0)
    for one, other in zip(result.weights, single.weights, strict=True):
        assert list(one) == list(other)
        for name in other:
            # buffers of BatchNorm are among them
            torch.testing.assert_close(one[name], other[name], atol=within, rtol=0)
    for role, logits in single.logits.items():
        np.testing.assert_allclose(result.logits[role], logits, atol=max(within, 1e-6), rtol=1e-6)


def quick(network: str, **changes: object) -> Train:
    known = {"epochs": 1, "last_k": 1, "batch_size": 6, "optimizer": Optimizer(lr=1e-3)}
    return Train.model_validate({"network": network, **known, **changes})


SMALL = ["cnn1", "cnn2", "plain4", "tiny_vgg", "tiny_resnet", "tiny_dense", "tiny_inception",
         "tiny_mobile"]  # fmt: skip


@pytest.mark.parametrize("network", [*SMALL, "resnet18"])
def test_an_epoch_as_one_is_that_of_each_alone(network: str) -> None:
    # Adam's step is the sign of a gradient that is nearly 0, which ResNet18 has many of
    optimizer = Optimizer(name="sgd" if network == "resnet18" else "adam", lr=1e-3)
    settings = [quick(network, optimizer=optimizer)] * 2
    bundled = fit_bundle(made(settings, [0, 1], 24, double=True))
    for each, one in zip(bundled, made(settings, [0, 1], 24, double=True), strict=True):
        assert_equal(each, alone(one), within=1e-9)
        assert each.members == 2
