"""Perceptual hashes of images in an array. Free of pandas and torch, as ragged.py."""

from __future__ import annotations

from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from abl.data.ragged import RaggedImages

SIDE = 16  # of the DCT block
WORDS = SIDE * SIDE // 64


def hash_chunk(folder: Path, positions: range) -> np.ndarray:
    """uint64 (len(positions), WORDS), of images in a folder that RaggedImages opens."""
    images = RaggedImages(folder)
    return np.stack([hash_of(images.image(position)) for position in positions])


def hash_of(image: np.ndarray) -> np.ndarray:
    """uint64 (WORDS,) of an image (H, W, 1 or 3)."""
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    bits: np.ndarray = imagehash.phash(picture, hash_size=SIDE).hash
    return np.packbits(bits.ravel()).view(np.uint64)
