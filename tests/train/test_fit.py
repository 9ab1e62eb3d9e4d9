from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from abl.errors import InputError, StageError
from abl.nets.build import build_network
from abl.spec.data import Image
from abl.spec.train import Augment, EarlyStop, Optimizer, Train
from abl.train.checkpoint import load_weights, save_weights
from abl.train.feed import PixelFeed
from abl.train.fit import FitResult, Oversight, TrainingRows, fit
from abl.train.predictions import predict_logits
from abl.train.process import reset_process

SIZE, IMAGE = 16, Image(size=16)


class KilledError(Exception):
    pass


def toy(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Noise, with a bright square at the top left in class 1 (two fifths) and elsewhere in 0."""
    generator = np.random.default_rng(7)
    labels = (np.arange(count) % 5 < 2).astype(np.int64)
    pixels = generator.integers(0, 120, (count, 3, SIZE, SIZE), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        corner = 2 if label else 9
        image[:, corner : corner + 5, corner : corner + 5] += 120
    return pixels, labels


def trained(
    settings: Train, *, seed: int = 0, labels: np.ndarray | None = None, **oversight: object
) -> FitResult:
    pixels, true_labels = toy()
    labels = true_labels if labels is None else labels
    train, validation, test = np.arange(30), np.arange(30, 45), np.arange(45, 60)
    reset_process(seed, threads=settings.threads, deterministic=settings.deterministic)
    network = build_network(settings.network, classes=2, channels=3, image_size=SIZE)
    return fit(
        network,
        pixels,
        TrainingRows(
            train,
            labels[train],
            classes=2,
            evaluate={"train": train, "validation": validation, "test": test},
            validation_labels=labels[validation],
        ),
        settings=settings,
        image=IMAGE,
        seed=seed,
        oversight=Oversight(**oversight),
    )


def assert_same(first: FitResult, second: FitResult) -> None:
    pd.testing.assert_frame_equal(
        first.history.drop(columns="seconds"),
        second.history.drop(columns="seconds"),
        check_exact=True,
    )
    assert first.epochs == second.epochs
    for role in first.logits:
        np.testing.assert_array_equal(first.logits[role], second.logits[role])
    for one, other in zip(first.weights, second.weights, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def quick(**changes: object) -> Train:
    values: dict[str, object] = {
        "network": "tiny_resnet",
        "epochs": 4,
        "last_k": 2,
        "batch_size": 8,
        "augment": Augment(rotate_deg=10, crop=0.9, gain=0.1, flip=False),
    }
    return Train.model_validate(values | changes)


def test_a_separable_set_is_learned_and_result_is_as_described():
    settings = quick(epochs=12, last_k=3, optimizer=Optimizer(lr=3e-3))
    result = trained(settings)
    _, labels = toy()
    assert result.epochs == [10, 11, 12]
    assert {role: logits.shape for role, logits in result.logits.items()} == {
        "train": (3, 30, 2),
        "validation": (3, 15, 2),
        "test": (3, 15, 2),
    }
    assert all(logits.dtype == np.float32 for logits in result.logits.values())
    assert (result.logits["test"].mean(0).argmax(1) == labels[45:]).mean() >= 0.9
    assert result.history["epoch"].tolist() == list(range(1, 13))
    assert list(result.history.columns) == [
        "epoch",
        "lr",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "seconds",
    ]
    last = result.history.iloc[-1]
    shown = (result.logits["validation"][-1].argmax(1) == labels[30:45]).mean()
    assert last["validation_accuracy"] == pytest.approx(shown)
    assert last["train_loss"] < result.history.iloc[0]["train_loss"]


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": Optimizer(name="adam"), "balance": "sampler"},
        {"optimizer": Optimizer(name="sgd", lr=0.05), "balance": "duplicate", "micro_batch": 4},
        {"network": "cnn2", "optimizer": Optimizer(name="adamw")},
        {"optimizer": Optimizer(), "early_stop": EarlyStop(patience=3), "epochs": 9},
        {"memory_format": "channels_last"},
        {"memory_format": "channels_last", "optimizer": Optimizer(name="sgd", lr=0.05)},
    ],
    ids=["adam", "sgd", "dropout", "early_stop", "channels_last", "channels_last_sgd"],
)
def test_a_training_killed_and_resumed_equals_an_unbroken_one(tmp_path, changes):
    settings = quick(**{"epochs": 7, **changes})
    unbroken = trained(settings)
    for kill_at in (2, 5):
        if kill_at >= len(unbroken.history):
            continue

        def kill(row: dict[str, float], at: int = kill_at) -> None:
            if row["epoch"] == at:
                raise KilledError

        with pytest.raises(KilledError):
            trained(settings, folder=tmp_path, every_s=0, on_epoch=kill)
        assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    epochs: list[float] = []
    torch.rand(3)
    resumed = trained(settings, folder=tmp_path, on_epoch=lambda row: epochs.append(row["epoch"]))
    assert epochs[0] > 2  # it did go on from a checkpoint
    assert_same(resumed, unbroken)


def test_a_killed_process_is_resumed(tmp_path):
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_fit import quick, trained
def kill(row):
    if row["epoch"] == 3:
        os._exit(9)
trained(quick(), folder={str(tmp_path)!r}, every_s=0, on_epoch=kill)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    seen: list[float] = []
    resumed = trained(quick(), folder=tmp_path, on_epoch=lambda row: seen.append(row["epoch"]))
    assert seen == [4]
    assert_same(resumed, trained(quick()))


def test_checkpoints_of_other_trainings_and_damaged_ones_are_not_used(tmp_path):
    trained(quick(), seed=1, folder=tmp_path, every_s=0)
    seen: list[float] = []
    result = trained(quick(), folder=tmp_path, on_epoch=lambda row: seen.append(row["epoch"]))
    assert seen == [1, 2, 3, 4]
    trained(quick(), folder=tmp_path, every_s=0)
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert_same(trained(quick(), folder=tmp_path), result)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_weights_have_the_rights_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        (file,) = save_weights(tmp_path, [1], [{"a": torch.zeros(1)}])
        (tmp_path / "other").touch()
    finally:
        os.umask(before)
    assert oct(file.stat().st_mode) == oct((tmp_path / "other").stat().st_mode)


def test_checkpoints_are_not_written_more_often_than_asked(tmp_path):
    trained(quick(), folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_result_does_not_depend_on_what_the_process_did_before():
    first = trained(quick())
    torch.manual_seed(99)
    np.random.seed(5)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    nn.Linear(3, 3)
    trained(quick(network="plain4"), seed=3)
    assert_same(trained(quick()), first)


def test_another_seed_gives_another_network():
    assert not np.array_equal(
        trained(quick()).logits["test"], trained(quick(), seed=1).logits["test"]
    )


def test_what_is_evaluated_does_not_change_the_training():
    settings = quick()
    pixels, labels = toy()
    train = np.arange(30)
    reset_process(0)
    network = build_network("tiny_resnet", classes=2, channels=3, image_size=SIZE)
    alone = fit(
        network,
        pixels,
        TrainingRows(train, labels[train], 2, {"test": np.arange(45, 60)}),
        settings=settings,
        image=IMAGE,
        seed=0,
    )
    assert alone.history["validation_loss"].isna().all()
    np.testing.assert_array_equal(alone.logits["test"], trained(settings).logits["test"])


def test_micro_batches_add_up_to_the_batch_without_batch_norm():
    settings = quick(epochs=1, last_k=1, balance="loss")
    whole = _logits_of_a_perceptron(settings)
    parts = _logits_of_a_perceptron(settings.model_copy(update={"micro_batch": 3}))
    np.testing.assert_allclose(parts, whole, rtol=1e-3, atol=1e-5)


def _logits_of_a_perceptron(settings: Train) -> np.ndarray:
    pixels, labels = toy()
    reset_process(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE**2, 16), nn.ReLU(), nn.Linear(16, 2))
    result = fit(
        network,
        pixels,
        TrainingRows(np.arange(30), labels[:30], 2, {"test": np.arange(30, 60)}),
        settings=settings,
        image=IMAGE,
        seed=0,
    )
    return result.logits["test"]


def test_saved_weights_give_the_kept_logits_again(tmp_path):
    result = trained(quick())
    files = save_weights(tmp_path, result.epochs, result.weights)
    assert [file.name for file in files] == [
        "weights_00003.safetensors",
        "weights_00004.safetensors",
    ]
    pixels, _ = toy()
    feed = PixelFeed(pixels, IMAGE, Train(), seed=0, device=torch.device("cpu"))
    for place, (epoch, state) in enumerate(load_weights(files)):
        assert epoch == result.epochs[place]
        network = build_network("tiny_resnet", classes=2, channels=3, image_size=SIZE)
        network.load_state_dict(state)
        np.testing.assert_array_equal(
            predict_logits(network, feed, np.arange(45, 60)), result.logits["test"][place]
        )
    reloaded = build_network(
        "tiny_resnet", classes=2, channels=3, image_size=SIZE, weights=str(files[1])
    )
    assert torch.equal(reloaded.state_dict()["0.weight"], result.weights[1]["0.weight"])


def test_validation_images_are_predicted_by_the_weights_of_each_kept_epoch():
    # they are not predicted twice: what was measured after the epoch is kept
    result = trained(quick(epochs=4, last_k=2))
    pixels, _ = toy()
    network = build_network("tiny_resnet", classes=2, channels=3, image_size=SIZE)
    feed = PixelFeed(pixels, IMAGE, quick(), seed=0, device=torch.device("cpu"))
    for place, weights in enumerate(result.weights):
        network.load_state_dict(weights)
        np.testing.assert_array_equal(
            predict_logits(network, feed, np.arange(30, 45)), result.logits["validation"][place]
        )


def test_early_stopping_predicts_with_the_best_epoch():
    settings = quick(epochs=30, early_stop=EarlyStop(patience=2), optimizer=Optimizer(lr=0.02))
    result = trained(settings)
    losses = result.history["validation_loss"].to_numpy()
    best = int(losses.argmin()) + 1
    assert result.epochs == [best]
    assert len(losses) == min(30, best + 2)
    assert len(losses) < 30
    _, labels = toy()
    logits = torch.from_numpy(result.logits["validation"][0]).double()
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels[30:45]))
    assert float(loss) == pytest.approx(losses.min(), rel=1e-6)


def test_early_stopping_without_restoring_keeps_the_last_epochs():
    stop = EarlyStop(patience=1, restore_best=False)
    result = trained(quick(epochs=30, early_stop=stop, optimizer=Optimizer(lr=0.02)))
    last = len(result.history)
    assert last < 30
    assert result.epochs == [last - 1, last]


def test_early_stopping_needs_validation():
    pixels, labels = toy()
    with pytest.raises(InputError, match="needs a validation set"):
        fit(
            nn.Flatten(),
            pixels,
            TrainingRows(np.arange(30), labels[:30], 2, evaluate={}),
            settings=quick(early_stop=EarlyStop()),
            image=IMAGE,
            seed=0,
        )


def test_a_diverging_training_is_told_with_its_epoch():
    settings = quick(network="plain4", optimizer=Optimizer(name="sgd", lr=1e30))
    with pytest.raises(StageError, match=r"diverged in epoch \d"):
        trained(settings)


def test_fp16_needs_a_gpu_and_bf16_does_not():
    with pytest.raises(StageError, match="fp16 needs a GPU"):
        trained(quick(precision="fp16"))
    result = trained(quick(precision="bf16", memory_format="channels_last"))
    assert np.isfinite(result.logits["test"]).all()
    assert result.weights[0]["0.weight"].dtype == torch.float32


def test_frozen_parameters_stay():
    pixels, labels = toy()
    reset_process(0)
    network = build_network("plain4", classes=2, channels=3, image_size=SIZE)
    network[0].weight.requires_grad_(False)
    before = network[0].weight.clone()
    fit(
        network,
        pixels,
        TrainingRows(np.arange(30), labels[:30], 2, evaluate={}),
        settings=quick(),
        image=IMAGE,
        seed=0,
    )
    assert torch.equal(network[0].weight, before)


def test_logits_of_followed_images_after_each_epoch_and_the_same_training(tmp_path):
    def followed(settings: Train, folder: Path | None = None, stop_at: int = 0) -> FitResult:
        pixels, labels = toy()
        train = np.arange(30)
        reset_process(0)
        network = build_network("tiny_resnet", classes=2, channels=3, image_size=SIZE)

        def heard(row: dict[str, float]) -> None:
            if row["epoch"] == stop_at:
                raise KeyboardInterrupt

        return fit(
            network,
            pixels,
            TrainingRows(
                train, labels[train], 2, {"train": train, "test": np.arange(45, 60)}, followed=train
            ),
            settings=settings,
            image=IMAGE,
            seed=0,
            oversight=Oversight(folder, every_s=0, on_epoch=heard),
        )

    settings = quick(dynamics=True)
    result = followed(settings)
    plain = trained(quick())
    np.testing.assert_array_equal(result.logits["test"], plain.logits["test"])
    assert plain.dynamics is None
    assert result.dynamics is not None
    assert result.dynamics.dtype == np.float16
    assert result.dynamics.shape == (settings.epochs, 30, 2)
    last = result.logits["train"].astype(np.float16)  # of the last k epochs
    np.testing.assert_array_equal(result.dynamics[-len(last) :], last)
    with pytest.raises(KeyboardInterrupt):
        followed(settings, tmp_path, stop_at=1)
    again = followed(settings, tmp_path)
    np.testing.assert_array_equal(again.dynamics, result.dynamics)
