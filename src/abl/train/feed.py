"""What a network is fed: batches of images, or of the features that its frozen part gives.

A feed hides where batches come from, so that a training with kept features is the same training,
to the bit, as one that computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from abl.data.pixel_sets import Pixels, pixels_of
from abl.spec.data import Image
from abl.spec.train import Augment, Train
from abl.train.batches import (
    Normalisation,
    augmentation_draws,
    augmented,
    first_shown,
    fixed_draws,
    shape_batches,
    unit_range,
    view_choices,
)

Tensors = tuple[Tensor, ...]
Shown = Callable[[slice], Tensors]  # a batch: what the network takes, of a part of it


class Feed(Protocol):
    """Batches for a training and for predictions."""

    def forward(self, network: nn.Module) -> nn.Module:
        """What is called with the batches: the network, or what lies behind its frozen part."""

    def epoch(
        self, positions: np.ndarray, epoch: int, size: int
    ) -> Iterator[tuple[np.ndarray, Shown]]:
        """Batches of about `size` of the images at the positions, each image once.

        With their places in `positions`, int64 (B,).
        """

    def plain(self, positions: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, Tensors]]:
        """Batches of exactly `size` images as they are, the last filled up with copies.

        With the places in `positions` that the first rows of the batch hold.
        """


class PixelFeed:
    """Images from the shared pixels, changed at random, on the device.

    Args:
        pixels: uint8 (N, C, S, S), or Pixels; only batches of it are read.
        seed: Of the replicate: random changes that every epoch draws anew.
        modalities: Images that lie behind each other on the channel axis; 1 or 2.
        partner: int64 (N,): whose second image stands with each first one, or None.
        images: Images of one modality, if `pixels` holds both one after the other.
        lacking: Position of the modality that is not there when the network predicts: all of it is
            the mean of the normalisation, so 0 to the network.
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
        lacking: int | None = None,
    ):
        self._lacking = lacking
        self.pixels = pixels_of(pixels)
        self.settings, self.seed, self.device = settings, seed, device
        self.modalities, self.partner = modalities, partner
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

    def shown(self, positions: np.ndarray, changes: Sequence[Tensor]) -> Shown:
        """The images at the positions, float32 (B, C, H, W), changed when they are asked for."""
        images, changes = self.gathered(positions), [each.to(self.device) for each in changes]
        return lambda part: (self.changed(images[part], [each[part] for each in changes]),)

    def changes(self, positions: np.ndarray, epoch: int) -> list[Tensor]:
        """Numbers that decide an image's change in an epoch, a tensor (B, 6) a modality.

        Rows of -1 leave an image as it is.
        """
        if not self.views:
            drawn = augmentation_draws(len(positions), self.seed, epoch)
            if self.settings.augment.of == "copies":
                drawn[first_shown(positions)] = -1
            return [drawn] * self.modalities
        views = view_choices(len(positions), self.views, self.seed, epoch)
        if self.settings.augment.of == "copies":
            views[first_shown(positions)] = 0
        return self.fixed_changes(positions, views)

    def fixed_changes(self, positions: np.ndarray, views: np.ndarray) -> list[Tensor]:
        """The same of a chosen fixed view of each image."""
        second = positions if self.partner is None else self.partner[positions]
        places = [positions, second][: self.modalities]
        return [self._fixed[views, place % self.images] for place in places]

    def gathered(self, positions: np.ndarray) -> Tensor:
        """uint8 (B, C, H, W) on the device."""
        images = torch.from_numpy(self.pixels.take(positions))
        if self.device.type == "cuda":
            return images.pin_memory().to(self.device, non_blocking=True)
        return images.to(self.device)

    def normalised(self, images: Tensor) -> Tensor:
        """Of each modality, float32 in [0, 1]; zeros for one that is lacking."""
        parts = [self.normalise(part) for part in images.chunk(self.modalities, 1)]
        if self._lacking is not None:
            parts[self._lacking] = torch.zeros_like(parts[self._lacking])
        return torch.cat(parts, 1)

    def changed(self, images: Tensor, changes: Sequence[Tensor]) -> Tensor:
        """Augmented and normalised, from uint8."""
        augment = self.settings.augment
        parts = unit_range(images).chunk(self.modalities, 1)
        normal = [
            self.normalise(changed_images(part, each, augment))
            for part, each in zip(parts, changes, strict=True)
        ]
        return self._on_device(torch.cat(normal, 1))

    def _on_device(self, inputs: Tensor) -> Tensor:
        if self.settings.is_channels_last:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs


def filled(chosen: np.ndarray, size: int) -> np.ndarray:
    """The positions, the last one repeated up to `size`."""
    return np.concatenate([chosen, np.repeat(chosen[-1:], size - len(chosen))])


def changed_images(images: Tensor, changes: Tensor, augment: Augment) -> Tensor:
    """Float (B, C, H, W) in [0, 1], each changed as its row of `changes` (B, 6) says."""
    if augment.views == 1:
        return images
    made = augmented(images, changes, augment)
    if not augment.views and augment.of == "all":
        return made
    as_it_is = changes[:, 0] < 0
    return torch.where(as_it_is[:, None, None, None], images, made)
