"""Trainings that run as one program give what each gives by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
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
from abl.train.bundle_feed import resident_pixels
from abl.train.feed import PixelFeed, Shown, Tensors
from abl.train.fit import FitResult, Oversight, TrainingRows, fit
from abl.train.process import reset_process
from abl.train.stacked import stacking_fault

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
        np.testing.assert_allclose(result.history[name], single.history[name], atol=near, rtol=1e-6)
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


@pytest.mark.parametrize("network", [*SMALL, pytest.param("resnet18", marks=pytest.mark.slow)])
def test_an_epoch_as_one_is_that_of_each_alone(network: str) -> None:
    # Adam's step is the sign of a gradient that is nearly 0, which ResNet18 has many of
    optimizer = Optimizer(name="sgd" if network == "resnet18" else "adam", lr=1e-3)
    settings = [quick(network, optimizer=optimizer)] * 2
    side = 40 if network == "resnet18" else 24
    bundled = fit_bundle(made(settings, [0, 1], side, double=True))
    for each, one in zip(bundled, made(settings, [0, 1], side, double=True), strict=True):
        assert_equal(each, alone(one), within=1e-9)
        assert each.members == 2


def test_in_float32_they_are_near() -> None:
    # Adam makes steps of a bias before BatchNorm, whose gradient is rounding alone
    optimizer = Optimizer(name="sgd", lr=1e-3)
    balances = ("loss", "loss", "none")
    settings = [quick("plain4", epochs=2, optimizer=optimizer, balance=each) for each in balances]
    bundled = fit_bundle(made(settings, [0, 1, 2], 24, double=False))
    for each, one in zip(bundled, made(settings, [0, 1, 2], 24, double=False), strict=True):
        assert_equal(each, alone(one), within=2e-5)


def test_each_has_its_own_numbers() -> None:
    # sgd: what Adam makes of a gradient that is rounding alone hides a wrong rate
    settings = [
        quick("plain4", epochs=3, last_k=2, optimizer=Optimizer(name="sgd", **numbers), **changes)
        for numbers, changes in (
            ({"lr": 1e-2}, {"balance": "none"}),
            ({"lr": 1e-3}, {"balance": "none", "schedule": Schedule(name="cosine", warmup=1)}),
            ({"lr": 1e-2, "weight_decay": 0.1}, {"augment": Augment(rotate_deg=0, gain=0.2)}),
            ({"lr": 1e-2, "momentum": 0.5}, {"balance": "sampler"}),
        )
    ]
    # as many steps, though not as many images: duplicate shows some twice
    seeds, folds = [0, 0, 1, 1], [13, 11, 11, 12]
    bundled = fit_bundle(made(settings, seeds, 16, double=True, folds=folds))
    assert [each.members for each in bundled] == [4, 4, 4, 4]
    for each, one in zip(bundled, made(settings, seeds, 16, double=True, folds=folds), strict=True):
        assert_equal(each, alone(one), within=1e-9)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_optimizers_keep_their_own_arithmetic(name: str) -> None:
    settings = [
        quick("plain4", epochs=2, optimizer=Optimizer(name=name, lr=lr, weight_decay=decay))
        for lr, decay in ((1e-2, 0.1), (1e-3, 0.0))
    ]
    bundled = fit_bundle(made(settings, [3, 3], 16, double=True))
    for each, one in zip(bundled, made(settings, [3, 3], 16, double=True), strict=True):
        assert_equal(each, alone(one), within=1e-7)


def test_trainings_with_other_steps_run_after_each_other() -> None:
    settings = [quick("plain4", batch_size=4)] * 3
    folds = [13, 19, 13]
    bundled = fit_bundle(made(settings, [0, 1, 2], 16, double=True, folds=folds))
    assert [each.members for each in bundled] == [2, 1, 2]
    for each, one in zip(
        bundled, made(settings, [0, 1, 2], 16, double=True, folds=folds), strict=True
    ):
        assert_equal(each, alone(one), within=1e-7)


@pytest.mark.parametrize("restore_best", [True, False])
def test_each_stops_at_its_own_epoch(restore_best: bool) -> None:
    stop = EarlyStop(patience=1, restore_best=restore_best)
    settings = [
        quick("plain4", epochs=8, early_stop=stop, optimizer=Optimizer(lr=lr), last_k=2)
        for lr in (1e-4, 1e-3, 1e-2)
    ]
    bundled = fit_bundle(made(settings, [0, 1, 2], 16, double=True))
    singles = [alone(one) for one in made(settings, [0, 1, 2], 16, double=True)]
    assert len({len(single.history) for single in singles}) > 1
    for each, single in zip(bundled, singles, strict=True):
        assert_equal(each, single, within=1e-7)


def test_one_that_diverges_ends_alone() -> None:
    rates = (1e-3, 1e38, 1e-3)
    settings = [quick("plain4", epochs=2, optimizer=Optimizer(name="sgd", lr=lr)) for lr in rates]
    seeds = [0, 1, 2]
    bundled = fit_bundle(made(settings, seeds, 16, double=False))
    with pytest.raises(StageError, match="diverged") as raised:
        alone(made(settings, seeds, 16, double=False)[1])
    assert str(bundled[1].error).split(":")[0] == str(raised.value).split(":")[0]
    assert bundled[1].result is None
    for place in (0, 2):
        single = alone(made(settings, seeds, 16, double=False)[place])
        assert_equal(bundled[place], single, within=2e-5)


def test_one_that_is_hopeless_gives_itself_up(tmp_path: Path) -> None:
    settings = [quick("plain4", epochs=3)] * 2
    hopeless = Oversight(tmp_path, hopeless=lambda history: "no use" if len(history) > 1 else "")
    bundled = fit_bundle(
        made(settings, [0, 1], 16, double=True, oversights=[hopeless, Oversight()])
    )
    error = bundled[0].error
    assert isinstance(error, Stopped)
    assert len(error.facts["history"]) == 2
    assert (tmp_path / "checkpoint.safetensors").exists()
    single = alone(made(settings, [0, 1], 16, double=True)[1])
    assert_equal(bundled[1], single, within=1e-7)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_a_bundle_that_is_broken_off_goes_on(tmp_path: Path, name: str) -> None:
    settings = [
        quick("plain4", epochs=4, last_k=2, optimizer=Optimizer(name=name, lr=lr))
        for lr in (1e-3, 1e-2, 1e-3)
    ]
    seeds = [0, 1, 2]
    folders = [tmp_path / str(seed) for seed in seeds]
    for folder in folders:
        folder.mkdir()

    def kill(row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            raise KilledError

    killed = [Oversight(folders[0], 0, kill), *(Oversight(each, 0) for each in folders[1:])]
    with pytest.raises(KilledError):
        fit_bundle(made(settings, seeds, 16, double=True, oversights=killed))
    # one was broken off before its first checkpoint: the others wait for it
    (folders[2] / "checkpoint.safetensors").unlink()
    seen: list[float] = []
    again = [Oversight(folders[0], 0, lambda row: seen.append(row["epoch"]))]
    again += [Oversight(each, 0) for each in folders[1:]]
    bundled = fit_bundle(made(settings, seeds, 16, double=True, oversights=again))
    assert seen == [3, 4]
    for each, one in zip(bundled, made(settings, seeds, 16, double=True), strict=True):
        assert_equal(each, alone(one), within=1e-7)


def test_logits_of_each_epoch_are_kept_of_those_that_ask() -> None:
    settings = [quick("plain4", epochs=2)] * 2
    bundle = made(settings, [0, 1], 16, double=True)
    rows = bundle[0].rows
    bundle[0] = replace(bundle[0], rows=replace(rows, followed=rows.positions))
    first, second = fit_bundle(bundle)
    one = made(settings, [0, 1], 16, double=True)[0]
    single = alone(replace(one, rows=replace(one.rows, followed=one.rows.positions)))
    assert first.result is not None
    assert second.result is not None
    assert single.dynamics is not None
    assert first.result.dynamics is not None
    np.testing.assert_allclose(first.result.dynamics, single.dynamics, atol=2e-3)
    assert second.result.dynamics is None


def test_micro_batches_add_up() -> None:
    settings = [quick("plain4", micro_batch=2)] * 2
    bundled = fit_bundle(made(settings, [0, 1], 16, double=True))
    for each, one in zip(bundled, made(settings, [0, 1], 16, double=True), strict=True):
        assert_equal(each, alone(one), within=1e-7)


def test_bfloat16_has_its_last_layer_in_single_precision() -> None:
    settings = [quick("plain4", precision="bf16")] * 2
    bundled = fit_bundle(made(settings, [0, 1], 16, double=False))
    for each, one in zip(bundled, made(settings, [0, 1], 16, double=False), strict=True):
        single = alone(one)
        assert each.result is not None
        for role, logits in single.logits.items():
            np.testing.assert_allclose(each.result.logits[role], logits, atol=0.05)
            assert len(np.unique(each.result.logits[role])) == logits.size


class Noisy(nn.Module):
    """Draws in a way that no generator can be given to."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(images.mean((2, 3)) + torch.rand(3))


class Branching(Noisy):
    """Goes another way for some images."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        means = images.mean((2, 3))
        return self.last(means if means.sum() > 0 else -means)


def test_what_cannot_be_stacked_is_told() -> None:
    assert stacking_fault(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (3, 2, 2)) == ""
    assert "random numbers" in stacking_fault(Noisy(), (3, 4, 4))
    assert stacking_fault(Branching(), (3, 4, 4))
    assert (
        stacking_fault(nn.Conv2d(3, 2, 1), (3, 4, 4)) == "it gives no row of numbers for an image"
    )


def test_images_that_lie_on_the_device_are_those_of_the_feed() -> None:
    pixels, _ = images(8)
    feed = PixelFeed(pixels, Image(size=8), quick("plain4"), seed=0, device=CPU)
    assert resident_pixels(feed) is None
    assert resident_pixels(feed, devices=["cpu"], most=pixels.nbytes - 1) is None
    whole = resident_pixels(feed, devices=["cpu"])
    assert whole is not None
    assert torch.equal(whole[torch.tensor([3, 1])], feed.gathered(np.array([3, 1])))
    assert resident_pixels(feed, devices=["cpu"]) is whole
