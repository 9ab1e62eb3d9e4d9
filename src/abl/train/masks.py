"""Images with masks, as batches and as scores: Dice and IoU by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from abl.data.masks.mask_sets import MaskSet
from abl.data.pixel_sets import Pixels
from abl.nets.mask_guided import overlap
from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.batches import unit_range
from abl.train.feed import Feed, PixelFeed, Shown, Tensors, changed_images, filled
from abl.train.precision import Precision, autocast
from abl.train.predictions import BATCH_SIZE, ROLES


class MaskFeed(PixelFeed):
    """Feeds images (B, C, S, S) and masks (B, 1, S, S) in [0, 1], -1 where there is none.

    Args:
        masks: Of the same images.
        source: Which masks (MaskSet.take).
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

    def shown(self, positions: np.ndarray, changes: Sequence[Tensor]) -> Shown:
        """See PixelFeed; with masks (B, 1, S, S)."""
        images = super().shown(positions, changes)
        masks, moves = self.masks(positions), changes[0].to(self.device)
        return lambda part: (*images(part), self.moved(masks[part], moves[part]))

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


def mask_scores(
    network: nn.Module,
    feed: Feed,
    roles: Mapping[str, np.ndarray],
    images: np.ndarray,
    *,
    precision: Precision = "fp32",
) -> pd.DataFrame:
    """Dice and intersection over union of each image of each role that has a true mask.

    Args:
        network: Gives mask logits (B, 1, S, S), alone or as the second of two.
        feed: Of images and true masks (MaskFeed with source true).
        roles: Role -> positions, int64.
        images: (N,) names.

    Returns:
        image (str), role (str), dice, iou (nan where nothing is found in an image without a
        nodule), area (share of pixels found), nodule (share of pixels of the true mask); float64.
    """
    rows = []
    place = next(network.parameters()).device
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            for role in (role for role in ROLES if role in roles):
                positions = roles[role]
                for chosen, (given, masks) in feed.plain(positions, BATCH_SIZE):
                    with autocast(precision, place):
                        output = network(given)
                    logits: Tensor = output[1] if isinstance(output, tuple) else output
                    dice, iou = overlap(logits.float(), masks)
                    area = (logits > 0).flatten(1).double().mean(1)
                    nodule = (masks > 0.5).flatten(1).double().mean(1)
                    columns = [dice.double(), iou.double(), area, nodule]
                    values = torch.stack(columns, 1).cpu().numpy()
                    known = (masks >= 0).flatten(1).all(1).cpu().numpy()
                    rows += [
                        (str(images[positions[at]]), role, *values[row])
                        for row, at in enumerate(chosen)
                        if known[row]
                    ]
    finally:
        network.train(was_training)
    return pd.DataFrame(rows, columns=["image", "role", "dice", "iou", "area", "nodule"])
