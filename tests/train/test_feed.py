"""A training is the same to the bit, whatever hides behind its feed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from abl.nets.cut import Cut, cut_of
from abl.nets.model import Classifier, Design, build_classifier
from abl.spec.data import Image
from abl.spec.train import Augment, Optimizer, Train
from abl.train.batches import fixed_draws, view_choices
from abl.train.feature_feed import FrontFeed, KeptFeed, front_features, write_features
from abl.train.feed import Feed, PixelFeed
from abl.train.fit import FitResult, TrainingRows, fit
from abl.train.predictions import BATCH_SIZE
from abl.train.process import reset_process

CPU = torch.device("cpu")
SIZE, COUNT = 32, 75
IMAGE = Image(size=SIZE)
CHANGES = {"flip": True, "rotate_deg": 20, "crop": 0.9, "gain": 0.1}


def some_pixels(channels: int = 3) -> np.ndarray:
    generator = np.random.default_rng(3)
    return generator.integers(0, 256, (COUNT, channels, SIZE, SIZE), dtype=np.uint8)


LABELS = (np.arange(COUNT) % 3 == 0).astype(np.int64)


def asked(network: str, frozen: int, views: int, **changes: object) -> Train:
    values: dict[str, object] = {
        "network": network,
        "frozen": frozen,
        "epochs": 2,
        "last_k": 1,
        "batch_size": 16,
        "optimizer": Optimizer(lr=1e-3),
        "augment": Augment(views=views, **CHANGES),
    }
    return Train.model_validate(values | changes)


def built(settings: Train) -> tuple[Classifier, Cut]:
    reset_process(0)
    design = Design(
        settings.network,
        2,
        3,
        SIZE,
        frozen=settings.frozen,
        head=settings.head,
        fusion=settings.fusion,
    )
    classifier = build_classifier(design)
    cut = cut_of(design, classifier)
    assert cut is not None
    return classifier, cut


def pixel_feed(settings: Train, pixels: np.ndarray, **options: object) -> PixelFeed:
    return PixelFeed(pixels, IMAGE, settings, seed=4, device=CPU, **options)  # type: ignore[arg-type]


def trained(classifier: Classifier, feed: Feed, settings: Train) -> FitResult:
    # in no order, and not all: what is kept lies in the order of the data set
    order = np.random.default_rng(1).permutation(COUNT)
    train, validation, test = order[:47], order[47:58], order[58:]
    return fit(
        classifier,
        feed,
        TrainingRows(
            train,
            LABELS[train],
            classes=2,
            evaluate={"train": train, "validation": validation, "test": test},
            validation_labels=LABELS[validation],
        ),
        settings=settings,
        image=IMAGE,
        seed=4,
    )


def in_three_ways(settings: Train, folder: Path) -> tuple[FitResult, FitResult, FitResult]:
    """With kept features, with a frozen front, and with nothing cut."""
    classifier, cut = built(settings)
    feed = pixel_feed(settings, some_pixels())
    kept = write_features(folder / "f.npy", cut.fronts[0], feed, settings)
    expected = np.float16 if settings.frozen_precision == "fp16" else np.float32
    assert kept.dtype == expected
    assert kept.shape[:2] == (settings.augment.views, COUNT)
    places = [np.arange(COUNT)]
    last = settings.is_channels_last
    reading = KeptFeed([kept], places, cut.behind, seed=4, device=CPU, channels_last=last)
    first = trained(classifier, reading, settings)
    classifier, cut = built(settings)
    second = trained(classifier, FrontFeed(feed, cut), settings)
    classifier, _ = built(settings)
    return first, second, trained(classifier, feed, settings)


def assert_same(first: FitResult, second: FitResult) -> None:
    for role, logits in first.logits.items():
        np.testing.assert_array_equal(logits, second.logits[role])
    for one, other in zip(first.weights, second.weights, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    losses = [each.history["train_loss"].tolist() for each in (first, second)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("network", "frozen", "views", "batch_size"),
    [
        ("tiny_resnet", 4, 3, 16),
        ("tiny_resnet", 4, 1, 20),
        ("tiny_resnet", 7, 3, 32),
        ("cnn2", 3, 3, 20),  # a dropout behind the cut
        ("cnn2", 6, 1, 32),
        ("tiny_mobile", 6, 3, 20),
        ("tiny_inception", 5, 3, 32),  # parallel convolutions, some of them frozen
        ("squeezenet1_0", 3, 3, 16),
        ("tiny_dense", 6, 1, 20),
    ],
)
def test_kept_and_computed_features_give_the_same_training(
    network, frozen, views, batch_size, tmp_path
):
    settings = asked(network, frozen, views, batch_size=batch_size)
    kept, computed, whole = in_three_ways(settings, tmp_path)
    assert_same(kept, computed)
    # batches of other shapes round otherwise: about the same as with nothing cut, and it trained
    for role, logits in kept.logits.items():
        np.testing.assert_allclose(logits, whole.logits[role], rtol=1e-2, atol=1e-2)
    assert np.ptp(kept.logits["test"]) > 0


@pytest.mark.parametrize("network", ["tiny_resnet", "cnn2", "tiny_dense"])
def test_kept_and_computed_features_lie_in_one_memory_format(network, tmp_path):
    settings = asked(network, 4, 3, batch_size=20, memory_format="channels_last")
    kept, computed, _ = in_three_ways(settings, tmp_path)
    assert_same(kept, computed)
    _, cut = built(settings)
    file, places = np.load(tmp_path / "f.npy", mmap_mode="r"), [np.arange(COUNT)]
    reading = KeptFeed([file], places, cut.behind, seed=4, device=CPU, channels_last=True)
    computing = FrontFeed(pixel_feed(settings, some_pixels()), cut)
    for feed in (reading, computing):  # or what comes first behind the cut adds up otherwise
        _, (features,) = next(feed.plain(np.arange(COUNT), 32))
        assert features.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("network", ["tiny_resnet", "cnn2"])
@pytest.mark.parametrize("views", [1, 3])
def test_features_kept_in_half_precision_give_the_same_training(network, views, tmp_path):
    settings = asked(network, 4, views, batch_size=20, frozen_precision="fp16")
    kept, computed, _ = in_three_ways(settings, tmp_path)
    assert_same(kept, computed)
    full = asked(network, 4, views, batch_size=20)
    (tmp_path / "full").mkdir()
    other, _, _ = in_three_ways(full, tmp_path / "full")
    assert (kept.logits["test"] != other.logits["test"]).any()  # it does round


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
@pytest.mark.parametrize("fusion", ["late", "late_shared"])
def test_two_modalities_are_kept_apart_and_train_the_same(fusion, memory_format, tmp_path):
    how = {"fusion": fusion, "memory_format": memory_format}
    settings = asked("tiny_resnet", 4, 3, batch_size=20, **how)
    pixels = some_pixels(6)
    classifier, cut = built(settings)
    kept = [
        write_features(
            tmp_path / f"{at}.npy",
            cut.fronts[at],
            pixel_feed(settings, pixels[:, 3 * at : 3 * at + 3]),
            settings,
        )
        for at in (0, 1)
    ]
    places = [np.arange(COUNT)] * 2
    last = settings.is_channels_last
    reading = KeptFeed(kept, places, cut.behind, seed=4, device=CPU, channels_last=last)
    first = trained(classifier, reading, settings)
    classifier, cut = built(settings)
    feed = pixel_feed(settings, pixels, modalities=2)
    assert_same(first, trained(classifier, FrontFeed(feed, cut), settings))


@pytest.mark.parametrize(
    ("network", "frozen"),
    [
        ("tiny_resnet", 7),
        ("cnn1", 5),
        ("squeezenet1_0", 25),
        ("resnet18", 12),
        ("tiny_dense", 9),
        ("shufflenet_v2_x0_5", 20),
    ],
)
def test_features_of_an_image_do_not_depend_on_its_place_in_a_batch(network, frozen):
    settings = asked(network, frozen, 1)
    _, cut = built(settings)
    images = torch.rand(BATCH_SIZE, 3, SIZE, SIZE)
    order = torch.from_numpy(np.random.default_rng(2).permutation(BATCH_SIZE))
    together = front_features(cut.fronts[0], images, settings)
    assert torch.equal(front_features(cut.fronts[0], images[order], settings), together[order])
    # nor on what else is in it
    others = torch.rand(BATCH_SIZE, 3, SIZE, SIZE)
    others[5] = images[20]
    assert torch.equal(front_features(cut.fronts[0], others, settings)[5], together[20])


# fixed views and new ones


def shown(feed: PixelFeed, epoch: int) -> torch.Tensor:
    """What an epoch shows of every image, in the order of the data set."""
    found: dict[int, torch.Tensor] = {}
    for chosen, batch in feed.epoch(np.arange(len(feed.pixels)), epoch, 16):
        (images,) = batch(slice(None))
        found |= dict(zip(chosen.tolist(), images, strict=True))
    return torch.stack([found[at] for at in range(len(feed.pixels))])


def test_fixed_views_are_the_same_for_every_seed_and_the_first_is_the_image_itself():
    settings = asked("tiny_resnet", 4, 3)
    feeds = [PixelFeed(some_pixels(), IMAGE, settings, seed=seed, device=CPU) for seed in (0, 7)]
    rows = np.arange(COUNT)
    views = []
    for view in range(3):
        made = []
        for feed in feeds:
            batch = feed.shown(rows, feed.fixed_changes(rows, np.full(COUNT, view)))
            made.append(batch(slice(None))[0])
        assert torch.equal(*made)
        views.append(made[0])
    plain = torch.cat([images for _, (images,) in feeds[0].plain(rows, COUNT)])
    assert torch.equal(views[0], plain)
    for view in views[1:]:
        assert (view != plain).flatten(1).any(1).all()
    assert not torch.equal(views[1], views[2])
    # a seed decides which of them an epoch shows, and every image is one of its views
    chosen = {(seed, epoch): view_choices(COUNT, 3, seed, epoch) for seed in (0, 7) for epoch in
              (1, 2)}  # fmt: skip
    assert len({tuple(each) for each in chosen.values()}) == 4
    assert all(set(each) == {0, 1, 2} for each in chosen.values())
    for feed in feeds:
        seen = shown(feed, 1)
        equal = torch.stack([(seen == view).flatten(1).all(1) for view in views])
        assert equal.any(0).all()
        assert equal.any(1).all()
    assert not torch.equal(shown(feeds[0], 1), shown(feeds[1], 1))


def test_more_views_leave_those_before_as_they_are():
    assert torch.equal(fixed_draws(5, 10)[:3], fixed_draws(3, 10))


def test_one_view_is_no_augmentation():
    feed = pixel_feed(asked("tiny_resnet", 4, 1), some_pixels())
    plain = torch.cat([images for _, (images,) in feed.plain(np.arange(COUNT), COUNT)])
    assert torch.equal(shown(feed, 1), plain)
    assert torch.equal(shown(feed, 2), plain)


def test_without_fixed_views_every_epoch_and_seed_draws_anew():
    settings = asked("tiny_resnet", 0, 0)
    feed = pixel_feed(settings, some_pixels())
    other = PixelFeed(some_pixels(), IMAGE, settings, seed=5, device=CPU)
    first, second = shown(feed, 1), shown(feed, 2)
    assert (first != second).flatten(1).any(1).all()
    assert (first != shown(other, 1)).flatten(1).any(1).all()
    assert torch.equal(first, shown(feed, 1))


# images of their own shape


class FakePixels:
    """Images of three shapes, each of one value: its position."""

    channels = 3
    sides = ((16, 32), (32, 16), (32, 32))

    def __len__(self) -> int:
        return 40

    def shapes(self, positions: np.ndarray) -> np.ndarray:
        return np.array([self.sides[(at * 7) % 3] for at in positions], dtype=np.int64)

    def take(self, positions: np.ndarray) -> np.ndarray:
        images: Sequence[np.ndarray] = [
            np.full((3, *self.sides[(at * 7) % 3]), at, np.uint8) for at in positions
        ]
        return np.stack(images)


def test_images_of_one_shape_share_a_batch_and_none_is_padded():
    pixels = FakePixels()
    settings = Train(augment=Augment(flip=True, rotate_deg=0))
    feed = PixelFeed(pixels, Image(fit="own", normalize="none"), settings, seed=0, device=CPU)
    positions = np.random.default_rng(0).permutation(40)[:37]
    seen: list[int] = []
    for chosen, batch in feed.epoch(positions, 1, 8):
        (images,) = batch(slice(None))
        rows = positions[chosen]
        assert len({tuple(each) for each in pixels.shapes(rows).tolist()}) == 1
        assert images.shape == (len(rows), 3, *pixels.shapes(rows)[0])
        values = torch.from_numpy(rows).float() / 255
        # one value everywhere: no border of zeros
        torch.testing.assert_close(images, values[:, None, None, None].expand_as(images))
        assert 1 < len(rows) <= 9
        seen += rows.tolist()
    assert sorted(seen) == sorted(positions.tolist())
    plain: list[int] = []
    for chosen, (images,) in feed.plain(positions, 8):
        assert len(images) == 8
        plain += positions[chosen].tolist()
    assert sorted(plain) == sorted(positions.tolist())


def shown_copies(views: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions that an epoch shows, what they look like, and the images as they are."""
    pixels = np.random.default_rng(0).integers(0, 255, (4, 1, 8, 8), dtype=np.uint8)
    augment = {"flip": True, "rotate_deg": 20, "of": "copies", "views": views}
    settings = Train.model_validate({"augment": augment})
    feed = PixelFeed(
        pixels, Image(channels=1, normalize="none"), settings, seed=1, device=torch.device("cpu")
    )
    positions = np.array([2, 0, 2, 1, 2, 3, 0])
    [(chosen, shown)] = list(feed.epoch(positions, 1, 16))
    return positions[chosen], shown(slice(None))[0].numpy(), pixels / np.float32(255)


@pytest.mark.parametrize("views", [0, 30])
def test_of_each_image_all_but_the_first_are_changed(views: int) -> None:
    positions, shown, plain = shown_copies(views)
    seen: set[int] = set()
    for position, image in zip(positions.tolist(), shown, strict=True):
        assert np.allclose(image, plain[position]) == (position not in seen)
        seen.add(position)
