"""Features of a network's layers, computed once for every image of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from abl.errors import StageError
from abl.nets.layers import Embedder
from abl.train.feature_feed import mapped_room
from abl.train.feed import PixelFeed
from abl.train.predictions import BATCH_SIZE

FLIPS = {"none": (), "left_right": (3,), "up_down": (2,), "both": (2, 3)}  # axes of (B, C, H, W)


def write_embeddings(
    paths: Sequence[Path], embedder: Embedder, feed: PixelFeed, flip: str = "none"
) -> list[int]:
    """Writes the values of each layer of all images as .npy, float32 (N, width), in their order.

    Args:
        paths: One a layer.
        embedder: On the feed's device.
        flip: Of FLIPS: how each image is reflected first.

    Returns:
        The width of each layer, as it was found.

    Raises:
        StageError: Values that are not finite; no image.
        OSError: No room on the disk.
    """
    kept: list[np.ndarray] = []
    with torch.inference_mode():
        for chosen, (images,) in feed.plain(np.arange(feed.images), BATCH_SIZE):
            # every batch has one shape: kernels, and so the last bits, depend on it
            found = embedder(images.flip(FLIPS[flip]) if FLIPS[flip] else images)
            if not kept:
                shapes = [(feed.images, each.shape[1]) for each in found]
                kept = [
                    mapped_room(path, shape, np.float32)
                    for path, shape in zip(paths, shapes, strict=True)
                ]
            for array, each in zip(kept, found, strict=True):
                if not torch.isfinite(each).all():
                    raise StageError("features that are not finite")
                array[chosen] = each[: len(chosen)].cpu().numpy()
    if not kept:
        raise StageError("there are no images to compute features of")
    for array in kept:
        array.flush()  # type: ignore[attr-defined]
    return [array.shape[1] for array in kept]
