from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.errors import StageError
from abl.spec.data import Image
from abl.spec.train import Augment, Schedule, Train
from abl.train.batches import (
    Normalisation,
    augmentation_draws,
    augmented,
    balanced_rows,
    batch_slices,
    class_weights,
    epoch_rows,
    prefetched,
)
from abl.train.epoch import learning_rate
from abl.train.feed import PixelFeed
from abl.train.process import derived_seed

CPU = torch.device("cpu")
LABELS = st.lists(st.integers(0, 2), min_size=3, max_size=60).map(
    lambda rest: np.array([0, 1, 2, *rest])
)


def rates(schedule: Schedule, epochs: int) -> list[float]:
    return [learning_rate(schedule, 1.0, epoch, epochs) for epoch in range(1, epochs + 1)]


def test_schedules():
    assert rates(Schedule(name="constant"), 3) == [1, 1, 1]
    assert rates(Schedule(name="step", every=2, factor=0.5), 5) == [1, 1, 0.5, 0.5, 0.25]
    assert rates(Schedule(name="cosine"), 4) == pytest.approx(
        [1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]
    )
    assert rates(Schedule(name="step", every=1, factor=0.5, warmup=3), 6) == pytest.approx(
        [0.25, 0.5, 0.75, 1, 0.5, 0.25]
    )


@given(LABELS, st.integers(0, 99))
def test_duplicate_keeps_every_image_and_repeats_evenly(labels, seed):
    rows = balanced_rows(labels, 3, "duplicate", seed)
    assert len(set(np.bincount(labels[rows], minlength=3))) == 1
    assert len(rows) == 3 * np.bincount(labels).max()
    times = np.bincount(rows, minlength=len(labels))
    assert times.min() >= 1
    for label in range(3):
        assert np.ptp(times[labels == label]) <= 1


@given(LABELS, st.integers(0, 99))
def test_subsample_takes_as_many_of_each_class_without_repetition(labels, seed):
    rows = balanced_rows(labels, 3, "subsample", seed)
    assert np.bincount(labels[rows], minlength=3).tolist() == [np.bincount(labels).min()] * 3
    assert len(set(rows)) == len(rows)


@given(LABELS, st.integers(0, 99))
def test_loss_weights_give_each_class_the_same_total(labels, seed):
    weights = class_weights(labels, 3, "loss")
    assert weights is not None
    totals = weights.numpy() * np.bincount(labels)
    np.testing.assert_allclose(totals, len(labels) / 3, rtol=1e-5)
    assert class_weights(labels, 3, "duplicate") is None
    assert balanced_rows(labels, 3, "loss", seed).tolist() == list(range(len(labels)))


def test_sampler_shows_every_class_as_often_and_every_image_of_a_class():
    labels = np.array([0] * 900 + [1] * 100)
    rows = balanced_rows(labels, 2, "sampler", 0)
    shown = np.concatenate([epoch_rows(rows, labels, "sampler", 0, e) for e in range(20)])
    counts = np.bincount(labels[shown])
    assert counts.sum() == 20_000
    assert abs(counts[0] - 10_000) < 5 * np.sqrt(20_000 / 4)
    assert set(shown) == set(range(1000))


def test_draws_depend_on_seed_and_epoch_alone():
    labels = np.array([0, 1] * 20)
    rows = np.arange(40)
    orders = {
        tuple(epoch_rows(rows, labels, "none", seed, epoch)) for seed in (0, 1) for epoch in (1, 2)
    }
    assert len(orders) == 4
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert torch.equal(augmentation_draws(5, 3, 2), augmentation_draws(5, 3, 2))
    assert not torch.equal(augmentation_draws(5, 3, 2), augmentation_draws(5, 3, 3))
    assert derived_seed(1, 2) != derived_seed(2, 1)


def test_a_class_without_images_is_told():
    with pytest.raises(StageError, match="no image of class 1"):
        balanced_rows(np.zeros(5, int), 2, "duplicate", 0)


@given(st.integers(1, 200), st.integers(1, 50))
def test_batches_cover_all_and_none_is_a_single_image(count, size):
    slices = batch_slices(count, size)
    assert [i for part in slices for i in range(count)[part]] == list(range(count))
    lengths = [part.stop - part.start for part in slices]
    assert max(lengths) <= size + 1
    if size > 1 and count > 1:
        assert min(lengths) > 1


def images_and_draws(count: int = 6, size: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count, 3, size, size, generator=generator)
    return images, torch.rand(count, 6, generator=generator)


def test_flip_reflects_half_of_the_images_and_twice_is_identity():
    images, draws = images_and_draws(200, 4)
    settings_ = Augment(flip=True, rotate_deg=0)
    once = augmented(images, draws, settings_)
    flipped = (once != images).flatten(1).any(1)
    assert 70 < int(flipped.sum()) < 130
    assert torch.equal(once[flipped], images[flipped].flip(-1))
    assert torch.equal(augmented(once, draws, settings_), images)


def test_no_augmentation_is_identity():
    images, draws = images_and_draws()
    assert torch.equal(augmented(images, draws, Augment(flip=False, rotate_deg=0)), images)


def test_a_rotation_drawn_as_nought_is_identity():
    images, draws = images_and_draws()
    draws[:, 1] = 0.5
    turned = augmented(images, draws, Augment(flip=False, rotate_deg=30))
    torch.testing.assert_close(turned, images, rtol=0, atol=1e-5)


def test_rotation_by_a_quarter_turn_moves_every_pixel():
    images, draws = images_and_draws()
    draws[:, 1] = 1.0
    turned = augmented(images, draws, Augment(flip=False, rotate_deg=90))
    torch.testing.assert_close(turned, torch.rot90(images, 1, (-2, -1)), rtol=0, atol=1e-4)


def test_a_crop_of_half_the_side_enlarges_the_drawn_quarter():
    ramp = torch.arange(16.0).expand(1, 1, 16, 16) / 15
    draws = torch.full((1, 6), 0.5)
    draws[0, 2], draws[0, 3] = 1.0, 0.0  # smallest window, at the left
    window = augmented(ramp, draws, Augment(flip=False, rotate_deg=0, crop=0.5))
    assert float(window.max()) < 0.52
    assert float(window[0, 0, 0, -1] - window[0, 0, 0, 1]) == pytest.approx(7 / 15, abs=0.02)


@given(gain=st.floats(0.01, 0.9))
@settings(max_examples=20)
def test_gain_scales_and_stays_in_range(gain):
    images, draws = images_and_draws()
    bright = augmented(images, draws, Augment(flip=False, rotate_deg=0, gain=gain))
    factors = 1 + gain * (2 * draws[:, 5] - 1)
    expected = (images * factors[:, None, None, None]).clamp(0, 1)
    torch.testing.assert_close(bright, expected)


def test_an_image_is_changed_alike_in_any_batch():
    images, draws = images_and_draws()
    everything = Augment(flip=True, rotate_deg=30, crop=0.7, gain=0.2)
    together = augmented(images, draws, everything)
    for i in range(len(images)):
        alone = augmented(images[i : i + 1], draws[i : i + 1], everything)
        torch.testing.assert_close(alone, together[i : i + 1], rtol=0, atol=1e-6)


def test_normalisation():
    grey = torch.full((1, 1, 2, 2), 0.449)
    assert float(Normalisation("imagenet", 1, CPU)(grey).abs().max()) < 1e-6
    assert torch.equal(
        Normalisation("half", 3, CPU)(torch.ones(1, 3, 2, 2)), torch.ones(1, 3, 2, 2)
    )
    six = Normalisation("imagenet", 6, CPU)(torch.rand(1, 3, 2, 2).repeat(1, 2, 1, 1))
    assert torch.equal(six[:, :3], six[:, 3:])


def test_only_the_batch_is_read_from_the_memmap(tmp_path):
    pixels = np.lib.format.open_memmap(tmp_path / "p.npy", "w+", np.uint8, (5, 1, 2, 2))
    pixels[:] = np.arange(5)[:, None, None, None]
    readonly = np.load(tmp_path / "p.npy", mmap_mode="r")
    feed = PixelFeed(readonly, Image(channels=1), Train(), seed=0, device=CPU)
    batch = feed.gathered(np.array([3, 0, 3]))
    assert batch[:, 0, 0, 0].tolist() == [3, 0, 3]
    assert batch.dtype == torch.uint8


def test_prefetching_keeps_order_and_passes_errors_on():
    assert list(prefetched(range(20), enabled=True)) == list(range(20))

    def failing():
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(prefetched(failing(), enabled=True))
