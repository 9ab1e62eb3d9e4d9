"""Images that keep their own shape, for networks that take any: `image: {fit: own}`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from abl.data.arrays import (
    RESIZED,
    ImageArray,
    digest_of_integers,
    windows_of,
)
from abl.data.cache_folders import folder_key, folder_once
from abl.data.pixels import write_ragged_pixels
from abl.data.workers import processes_for
from abl.spec.data import Crop, Image


def own_shapes(array: ImageArray, image: Image) -> np.ndarray:
    """Shapes of what is seen of each image: reduced to the size, rounded to the multiple.

    Returns:
        int64 (N, 2): height, width, at least one multiple and at most as many as `size` holds.
    """
    x0, y0, x1, y1 = windows_of(array, _unsquared(image.crop)).T
    sides = np.stack([y1 - y0, x1 - x0], axis=1)
    sides = sides * np.minimum(1, image.size / sides.max(axis=1, keepdims=True))
    multiples = np.floor(sides / image.multiple + 0.5).astype(np.int64)
    shapes: np.ndarray = multiples.clip(1, image.size // image.multiple) * image.multiple
    return shapes


def own_pixel_folder(
    array: ImageArray,
    cache: Path,
    image: Image,
    shapes: np.ndarray,
    *,
    workers: int | None = None,
) -> Path:
    """A folder that RaggedPixels opens: each image cut, never made square, and resized.

    Args:
        array: From `image_array`.
        cache: A folder of this node, shared by its processes.
        image: Crop and channels.
        shapes: (N, 2) int64 height, width: `own_shapes` of this array, or of the first images of
            its pairs.
        workers: Processes; None is one a CPU.

    Raises:
        InputError, StageError: As `pixel_array`.
    """
    windows, channels = windows_of(array, _unsquared(image.crop)), image.channels

    def write(folder: Path) -> None:
        processes = processes_for(workers, len(array), worth=RESIZED)
        write_ragged_pixels(
            folder, array.folder, windows, shapes, channels=channels, workers=processes
        )

    cuts = digest_of_integers(np.concatenate([windows, shapes], axis=1))
    return folder_once(cache, f"own-{folder_key('own', array.folder.name, channels, cuts)}", write)


def _unsquared(crop: Crop) -> Crop:
    return crop.model_copy(update={"square": False})
