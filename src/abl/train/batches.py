"""Batches: which images, balanced over classes, augmented, fetched ahead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from abl.errors import StageError
from abl.spec.train import Augment, Balance
from abl.train.process import Stream, derived_seed

Item = TypeVar("Item")

_MEAN_SD = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def batch_slices(count: int, size: int) -> list[slice]:
    """Consecutive slices of `size`; a last one of a single image joins the one before it.

    BatchNorm over a batch of one 1x1 map is undefined; dropping the image would lose it.
    """
    starts = list(range(0, count, size))
    if size > 1 and len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], count], strict=True)]


def shape_batches(shapes: np.ndarray, size: int, *, joined: bool = True) -> list[np.ndarray]:
    """Batches of images of one shape each, in the order in which they become full.

    Args:
        shapes: int64 (n, 2).
        size: Images a batch; what is left of each shape comes last, in batches of its own.
        joined: Whether a last batch of one image joins the one before it, as in batch_slices.

    Returns:
        Positions in `shapes`, int64; each once.
    """
    if (shapes == shapes[:1]).all():
        if joined:
            return [np.arange(each.start, each.stop) for each in batch_slices(len(shapes), size)]
        return [np.arange(at, min(at + size, len(shapes))) for at in range(0, len(shapes), size)]
    batches: list[tuple[bool, int, np.ndarray]] = []
    for shape in np.unique(shapes, axis=0):
        members = np.flatnonzero((shapes == shape).all(axis=1))
        parts = shape_batches(shapes[members], size, joined=joined)
        batches += [(len(part) < size, int(members[part[-1]]), members[part]) for part in parts]
    return [members for *_, members in sorted(batches, key=lambda each: each[:2])]


def unit_range(images: Tensor) -> Tensor:
    """uint8 -> float32 in [0, 1]."""
    return images.float().div_(255)


class Normalisation:
    """(x - mean) / sd by channel, for float (B, C, S, S) in [0, 1].

    One channel gets the mean of the three means (and of the sds); more than three, as when two
    modalities are stacked, get them repeated.
    """

    def __init__(self, name: str, channels: int, device: torch.device):
        mean, sd = (torch.tensor(values, dtype=torch.float64) for values in _MEAN_SD[name])
        if channels % 3:
            mean, sd = mean.mean().expand(channels), sd.mean().expand(channels)
        else:
            mean, sd = mean.repeat(channels // 3), sd.repeat(channels // 3)
        self.mean = mean.float()[:, None, None].to(device)
        self.sd = sd.float()[:, None, None].to(device)

    def __call__(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.sd


def prefetched(items: Iterable[Item], *, enabled: bool) -> Iterator[Item]:
    """The same items in the same order, the next one made in a thread while one is used.

    Worth it where the device computes while the CPU gathers, not where both are the CPU.
    """
    if not enabled:
        yield from items
        return
    end = object()
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        coming = pool.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, iterator, end)
            yield item  # type: ignore[misc]


def balanced_rows(labels: np.ndarray, classes: int, balance: Balance, seed: int) -> np.ndarray:
    """Rows of the training set that are used, int64, drawn once for a whole training.

    duplicate: every row, then rows of each smaller class at random until all classes are as large
    as the largest; none is repeated twice more often than another of its class. subsample: as many
    rows of each class as the smallest has, at random. Others: every row.

    Raises:
        StageError: a class without a training image.
    """
    counts = np.bincount(labels, minlength=classes)
    empty = [str(label) for label in np.flatnonzero(counts == 0)]
    if empty:
        raise StageError(f"the training set has no image of class {', '.join(empty)}")
    generator = np.random.default_rng([seed, Stream.BALANCE])
    rows = np.arange(len(labels), dtype=np.int64)
    if balance == "duplicate":
        extra = [
            _repeated(np.flatnonzero(labels == label), int(counts.max() - count), generator)
            for label, count in enumerate(counts)
        ]
        return np.concatenate([rows, *extra])
    if balance == "subsample":
        kept = [
            generator.permutation(np.flatnonzero(labels == label))[: counts.min()]
            for label in range(classes)
        ]
        return np.sort(np.concatenate(kept)).astype(np.int64)
    return rows


def epoch_rows(
    rows: np.ndarray, labels: np.ndarray, balance: Balance, seed: int, epoch: int
) -> np.ndarray:
    """The rows of one epoch in the order in which they are shown, int64.

    sampler: as many as there are, with replacement, every class with the same probability.
    """
    generator = np.random.default_rng([seed, Stream.ORDER, epoch])
    if balance != "sampler":
        return generator.permutation(rows)
    by_class = [rows[labels[rows] == label] for label in np.unique(labels[rows])]
    drawn = generator.integers(len(by_class), size=len(rows))
    place = generator.random(len(rows))
    sizes = np.array([len(members) for members in by_class])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return np.concatenate(by_class)[starts[drawn] + (place * sizes[drawn]).astype(np.int64)]


def class_weights(labels: np.ndarray, classes: int, balance: Balance) -> Tensor | None:
    """Weights of the loss, float32 (classes,), mean 1 over images; None unless balance is loss."""
    if balance != "loss":
        return None
    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy((len(labels) / (classes * counts)).astype(np.float32))


def _repeated(members: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    rounds = [generator.permutation(members) for _ in range(-(-count // len(members)))]
    return np.concatenate([*rounds, members[:0]])[:count].astype(np.int64)


_FLIP, _ANGLE, _SIDE, _X, _Y, _GAIN = range(6)


def augmentation_draws(count: int, seed: int, epoch: int) -> Tensor:
    """Uniform numbers in [0, 1), float32 (count, 6) on the CPU: one row for each image shown.

    Drawn for a whole epoch at once, so that an image's change depends neither on the batch it is
    in nor on the device.
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, Stream.AUGMENT, epoch))
    return torch.rand(count, 6, generator=generator)


def fixed_draws(views: int, images: int) -> Tensor:
    """Numbers of K fixed views of N images, float32 (K, N, 6); the same for every training.

    Those of view 0, the image itself, are -1; so is the whole if no views are fixed.
    """
    kept = [torch.full((images, 6), -1.0)]
    for view in range(1, views):
        generator = torch.Generator().manual_seed(derived_seed(Stream.VIEWS, view))
        kept.append(torch.rand(images, 6, generator=generator))
    return torch.stack(kept)


def view_choices(count: int, views: int, seed: int, epoch: int) -> np.ndarray:
    """Which fixed view of each image an epoch shows: int64 (count,) in [0, views)."""
    if views == 1:
        return np.zeros(count, np.int64)
    generator = torch.Generator().manual_seed(derived_seed(seed, Stream.CHOOSE_VIEW, epoch))
    return torch.randint(views, (count,), generator=generator).numpy()


def first_shown(positions: np.ndarray) -> np.ndarray:
    """Places at which each image of an epoch is shown for the first time; the others are copies."""
    return np.unique(positions, return_index=True)[1]


def augmented(images: Tensor, draws: Tensor, settings: Augment) -> Tensor:
    """Flipped, rotated about the centre, cut to a random square window, made brighter or darker.

    Args:
        images: Float (B, C, H, W) with values in [0, 1]; what lies outside an image is 0.
        draws: (B, 6), rows of augmentation_draws, on the device of the images.
    """
    if settings.flip:
        images = torch.where(_each(draws[:, _FLIP] < 0.5), images.flip(-1), images)
    if settings.rotate_deg > 0 or settings.crop < 1:
        height, width = images.shape[-2:]
        grid = _sampling_grid(draws, settings, height, width)
        images = functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    if settings.gain > 0:
        images = (images * _each(1 + settings.gain * (2 * draws[:, _GAIN] - 1))).clamp(0, 1)
    return images


def _sampling_grid(draws: Tensor, settings: Augment, height: int, width: int) -> Tensor:
    """Where each output pixel is read: (B, H, W, 2), x and y in [-1, 1]."""
    angle = math.radians(settings.rotate_deg) * (2 * draws[:, _ANGLE] - 1)
    side = 1 - (1 - settings.crop) * draws[:, _SIDE]
    centre_x = (1 - side) * (2 * draws[:, _X] - 1)
    centre_y = (1 - side) * (2 * draws[:, _Y] - 1)
    along_x, along_y = (
        (2 * torch.arange(size, device=draws.device) + 1) / size - 1 for size in (width, height)
    )
    x = side[:, None, None] * along_x[None, None, :] + centre_x[:, None, None]
    y = side[:, None, None] * along_y[None, :, None] + centre_y[:, None, None]
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    if height == width:
        return _pairs(cosine * x - sine * y, sine * x + cosine * y)
    # angles are those of the picture, whose sides are not alike
    wide = width / height
    return _pairs(cosine * x - sine * y / wide, sine * x * wide + cosine * y)


def _pairs(x: Tensor, y: Tensor) -> Tensor:
    """x and y beside each other on a last axis; torch.stack takes ten times as long for it."""
    return torch.view_as_real(torch.complex(x, y))


def _each(values: Tensor) -> Tensor:
    return values[:, None, None, None]
