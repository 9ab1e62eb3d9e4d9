"""What a network is fed: batches of images, or of the features that its frozen part gives.

A feed hides where batches come from, so that a training with kept features is the same training,
to the bit, as one that computes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from abl.data.pixel_sets import Pixels, pixels_of
from abl.nets.model import Cut
from abl.spec.data import Image
from abl.spec.train import Augment, Train
from abl.train.augment import augmentation_draws, augmented, fixed_draws, view_choices
from abl.train.batches import Normalisation, batch_slices, shape_batches, unit_range
from abl.train.predict import BATCH_SIZE, autocast

Tensors = tuple[Tensor, ...]


class Shown(Protocol):
    """One batch of a training."""

    def inputs(self, part: slice) -> Tensors:
        """What the network takes, of a part of the batch."""


class Feed(Protocol):
    """Batches for a training and for predictions."""

    def forward(self, network: nn.Module) -> nn.Module:
        """What is called with the batches: the network, or what lies behind its frozen part."""

    def epoch(
        self, positions: np.ndarray, epoch: int, size: int
    ) -> Iterator[tuple[np.ndarray, Shown]]:
        """Batches of about `size` of the images at the positions, each image once.

        Yields:
            Places in `positions`, int64 (B,), and the batch of these images.
        """

    def plain(self, positions: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, Tensors]]:
        """Batches of exactly `size` images as they are, the last filled up with copies.

        Yields:
            Places in `positions` that the first rows of the batch hold, and the batch.
        """


class PixelFeed:
    """Images from the shared pixels, changed at random, on the device.

    Args:
        pixels: uint8 (N, C, S, S), or Pixels; only batches of it are read.
        seed: Of the replicate: random changes that every epoch draws anew.
        modalities: Images that lie behind each other on the channel axis; 1 or 2.
        partner: int64 (N,): whose second image stands with each first one, or None.
        images: Images of one modality, if `pixels` holds both one after the other.
    """

    def __init__(
        self,
        pixels: np.ndarray | Pixels,
        image: Image,
        settings: Train,
        *,
        seed: int,
        device: torch.device,
        modalities: int = 1,
        partner: np.ndarray | None = None,
        images: int | None = None,
    ):
        self.pixels = pixels_of(pixels)
        self.settings, self.seed, self.device = settings, seed, device
        self.modalities, self._partner = modalities, partner
        self.images = images or len(self.pixels)
        self.normalise = Normalisation(image.normalize, self.pixels.channels // modalities, device)
        self.views = settings.augment.fixed_views
        self._fixed = fixed_draws(self.views, self.images)

    def forward(self, network: nn.Module) -> nn.Module:
        """The network itself."""
        return network

    def epoch(
        self, positions: np.ndarray, epoch: int, size: int
    ) -> Iterator[tuple[np.ndarray, Shown]]:
        """See Feed."""
        changes = self.changes(positions, epoch)
        for chosen in shape_batches(self.pixels.shapes(positions), size):
            yield chosen, self.shown(positions[chosen], [each[chosen] for each in changes])

    def plain(self, positions: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, Tensors]]:
        """See Feed."""
        for chosen in shape_batches(self.pixels.shapes(positions), size, joined=False):
            rows = positions[filled(chosen, size)]
            yield chosen, (self._on_device(self.normalised(unit_range(self.gathered(rows)))),)

    def shown(self, positions: np.ndarray, changes: Sequence[Tensor]) -> PixelBatch:
        """The images at the positions, with what changes them."""
        images = self.gathered(positions)
        return PixelBatch(self, images, [each.to(self.device) for each in changes])

    def changes(self, positions: np.ndarray, epoch: int) -> list[Tensor]:
        """Numbers that decide an image's change in an epoch, a tensor (B, 6) a modality.

        Rows of -1 leave an image as it is.
        """
        if not self.views:
            return [augmentation_draws(len(positions), self.seed, epoch)] * self.modalities
        views = view_choices(len(positions), self.views, self.seed, epoch)
        return self.fixed_changes(positions, views)

    def fixed_changes(self, positions: np.ndarray, views: np.ndarray) -> list[Tensor]:
        """The same of a chosen fixed view of each image."""
        second = positions if self._partner is None else self._partner[positions]
        places = [positions, second][: self.modalities]
        return [self._fixed[views, place % self.images] for place in places]

    def gathered(self, positions: np.ndarray) -> Tensor:
        """uint8 (B, C, H, W) on the device."""
        images = torch.from_numpy(self.pixels.take(positions))
        if self.device.type == "cuda":
            return images.pin_memory().to(self.device, non_blocking=True)
        return images.to(self.device)

    def normalised(self, images: Tensor) -> Tensor:
        """Of each modality, float32 in [0, 1]."""
        if self.modalities == 1:
            return self.normalise(images)
        return torch.cat([self.normalise(part) for part in images.chunk(self.modalities, 1)], 1)

    def changed(self, images: Tensor, changes: Sequence[Tensor]) -> Tensor:
        """Augmented and normalised, from uint8."""
        augment = self.settings.augment
        parts = unit_range(images).chunk(self.modalities, 1)
        made = [_changed(part, each, augment) for part, each in zip(parts, changes, strict=True)]
        normal = [self.normalise(part) for part in made]
        return self._on_device(normal[0] if len(normal) == 1 else torch.cat(normal, 1))

    def _on_device(self, inputs: Tensor) -> Tensor:
        if self.settings.channels_last:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs


class PixelBatch:
    """Images of a batch, changed when they are asked for."""

    def __init__(self, feed: PixelFeed, images: Tensor, changes: Sequence[Tensor]):
        self._feed, self._images, self._changes = feed, images, changes

    def inputs(self, part: slice) -> Tensors:
        """float32 (B, C, H, W)."""
        changes = [each[part] for each in self._changes]
        return (self._feed.changed(self._images[part], changes),)


class FeatureBatch:
    """Features of a batch, one tensor a branch."""

    def __init__(self, features: Sequence[Tensor]):
        self._features = features

    def inputs(self, part: slice) -> Tensors:
        """float32 (B, ...) of each branch."""
        return tuple(each[part] for each in self._features)


class FrontFeed:
    """Features computed by the frozen part of a network whenever they are needed.

    Images have fixed views. The frozen part always runs on batches of one shape, as it does when
    its features are kept, so that both give the same bits.
    """

    def __init__(self, pixels: PixelFeed, cut: Cut):
        self._pixels, self._cut = pixels, cut

    def forward(self, network: nn.Module) -> nn.Module:
        """What lies behind the frozen part."""
        return self._cut.behind

    def epoch(
        self, positions: np.ndarray, epoch: int, size: int
    ) -> Iterator[tuple[np.ndarray, Shown]]:
        """See Feed."""
        changes = self._pixels.changes(positions, epoch)
        blocks = self._blocks(positions, changes)
        held: list[Tensors] = []
        for part in batch_slices(len(positions), size):
            wanted = part.stop - part.start
            while sum(len(block[0]) for block in held) < wanted:
                held.append(next(blocks))
            joined = tuple(torch.cat(each) for each in zip(*held, strict=True))
            held = [tuple(each[wanted:] for each in joined)]
            yield np.arange(part.start, part.stop), FeatureBatch([e[:wanted] for e in joined])

    def _blocks(self, positions: np.ndarray, changes: Sequence[Tensor]) -> Iterator[Tensors]:
        for start in range(0, len(positions), BATCH_SIZE):
            chosen = np.arange(start, min(start + BATCH_SIZE, len(positions)))
            rows = filled(chosen, BATCH_SIZE)
            shown = self._pixels.shown(positions[rows], [each[rows] for each in changes])
            (images,) = shown.inputs(slice(None))
            yield tuple(each[: len(chosen)] for each in self._features(images))

    def plain(self, positions: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, Tensors]]:
        """See Feed."""
        for chosen, (images,) in self._pixels.plain(positions, size):
            yield chosen, self._features(images)

    def _features(self, images: Tensor) -> Tensors:
        parts = images.chunk(self._pixels.modalities, 1)
        settings = self._pixels.settings
        return tuple(
            front_features(front, part, settings)
            for front, part in zip(self._cut.fronts, parts, strict=True)
        )


class KeptFeed:
    """Features read from where they are kept.

    Args:
        kept: One (K, N, ...) array a branch, K fixed views of N images; the first view is the image
            itself.
        places: One int64 (rows,) a branch: image of each row of the data set.
    """

    def __init__(
        self,
        kept: Sequence[np.ndarray],
        places: Sequence[np.ndarray],
        behind: nn.Module,
        *,
        seed: int,
        device: torch.device,
    ):
        self._kept, self._places, self._behind = kept, places, behind
        self._seed, self._device = seed, device
        self._views = len(kept[0])

    def forward(self, network: nn.Module) -> nn.Module:
        """What lies behind the frozen part."""
        return self._behind

    def epoch(
        self, positions: np.ndarray, epoch: int, size: int
    ) -> Iterator[tuple[np.ndarray, Shown]]:
        """See Feed."""
        views = view_choices(len(positions), self._views, self._seed, epoch)
        for part in batch_slices(len(positions), size):
            features = self._read(positions[part], views[part])
            yield np.arange(part.start, part.stop), FeatureBatch(features)

    def plain(self, positions: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, Tensors]]:
        """See Feed."""
        for start in range(0, len(positions), size):
            chosen = np.arange(start, min(start + size, len(positions)))
            rows = positions[filled(chosen, size)]
            yield chosen, self._read(rows, np.zeros(len(rows), np.int64))

    def _read(self, positions: np.ndarray, views: np.ndarray) -> Tensors:
        taken = [
            kept[views, places[positions]]
            for kept, places in zip(self._kept, self._places, strict=True)
        ]
        return tuple(torch.from_numpy(each).to(self._device).float() for each in taken)


def front_features(front: nn.Module, images: Tensor, settings: Train) -> Tensor:
    """float32 features of a batch, rounded to the precision in which they are kept."""
    with torch.no_grad(), autocast(settings.precision, images.device):
        features: Tensor = front(images)
    features = features.float()
    return features.half().float() if settings.frozen_precision == "fp16" else features


def filled(chosen: np.ndarray, size: int) -> np.ndarray:
    """The positions, the last one repeated up to `size`."""
    return np.concatenate([chosen, np.repeat(chosen[-1:], size - len(chosen))])


def _changed(images: Tensor, changes: Tensor, augment: Augment) -> Tensor:
    made = augmented(images, changes, augment)
    if not augment.views:
        return made
    as_it_is = changes[:, 0] < 0
    return torch.where(as_it_is[:, None, None, None], images, made)
