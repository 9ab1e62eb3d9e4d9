"""Images with their masks: both are changed alike, and only images are normalised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from abl.data.mask_sets import MaskSet
from abl.data.pixel_sets import Pixels
from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.batches import unit_range
from abl.train.feed import PixelBatch, PixelFeed, Tensors, changed_images, filled


class MaskFeed(PixelFeed):
    """Feeds images (B, C, S, S) and masks (B, 1, S, S) in [0, 1], -1 where there is none.

    Args:
        masks: Of the same images.
        source: Which masks (MaskSet.take).
        Others: as PixelFeed.
    """

    def __init__(
        self,
        pixels: np.ndarray | Pixels,
        masks: MaskSet,
        source: str,
        image: Image,
        settings: Train,
        *,
        seed: int,
        device: torch.device,
    ):
        super().__init__(pixels, image, settings, seed=seed, device=device)
        self._masks, self._source = masks, source
        self._known = masks.known(source)

    def plain(self, positions: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, Tensors]]:
        """See Feed."""
        for chosen, images in super().plain(positions, size):
            yield chosen, (*images, self.masks(positions[filled(chosen, size)]))

    def shown(self, positions: np.ndarray, changes: Sequence[Tensor]) -> _MaskedBatch:
        """See PixelFeed."""
        batch = super().shown(positions, changes)
        moves = changes[0].to(self.device)
        return _MaskedBatch(self, batch, self.masks(positions), moves)

    def masks(self, positions: np.ndarray) -> Tensor:
        """float32 (B, 1, S, S) on the device, as they are."""
        taken = torch.from_numpy(self._masks.take(self._source, positions)).to(self.device)
        known = torch.from_numpy(self._known[positions]).to(self.device)
        return torch.where(known[:, None, None, None], unit_range(taken), -1.0)

    def moved(self, masks: Tensor, changes: Tensor) -> Tensor:
        """Masks flipped, rotated and cropped as their images are."""
        # brightness is no property of a mask
        augment = self.settings.augment.model_copy(update={"gain": 0.0})
        found = changed_images(masks.clamp(min=0), changes, augment)
        known = (masks >= 0).flatten(1).all(1)
        return torch.where(known[:, None, None, None], found, -1.0)


class _MaskedBatch(PixelBatch):
    def __init__(self, feed: MaskFeed, batch: PixelBatch, masks: Tensor, moves: Tensor):
        self._own, self._batch, self._masks, self._moves = feed, batch, masks, moves

    def inputs(self, part: slice) -> Tensors:
        """float32 (B, C, S, S) and (B, 1, S, S)."""
        return (
            *self._batch.inputs(part),
            self._own.moved(self._masks[part], self._moves[part]),
        )
