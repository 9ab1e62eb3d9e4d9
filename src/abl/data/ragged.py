"""Images of different sizes one after the other in one file, memory-mapped.

This module and what it imports stay free of pandas and torch: every process that decodes imports
them when it starts.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from abl.data.dataset import ImageSource
from abl.data.images import reduced
from abl.data.workers import mapped_over
from abl.errors import InputError, Problem, raise_if_any

SIZES = ("height", "width", "channels", "source_height", "source_width")
CHUNK = 16  # images a job: 50 MB of 1024 x 1024 RGB
WORTH = 200  # images worth the start of a process


class RaggedImages:
    """uint8 images opened by path: bytes.bin and index.npz (offsets, sizes).

    Attributes:
        sizes: (N, 5) int64, columns SIZES: as stored here, and before the reduction.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        with np.load(folder / "index.npz") as index:
            self._offsets: np.ndarray = index["offsets"]
            self.sizes: np.ndarray = index["sizes"]
        self._bytes = np.memmap(folder / "bytes.bin", dtype=np.uint8, mode="r")

    def __len__(self) -> int:
        return len(self.sizes)

    def image(self, position: int) -> np.ndarray:
        """uint8 (H, W, C), C 1 or 3, read-only: a view of the file."""
        start, end = self._offsets[position], self._offsets[position + 1]
        return self._bytes[start:end].reshape(self.sizes[position, :3])


def write_images(folder: Path, *, source: ImageSource, count: int, longest_side: int) -> None:
    """Decodes every image once, in order, into a folder that RaggedImages opens.

    Raises:
        InputError: Every image that cannot be decoded.
    """
    sizes: list[tuple[int, ...]] = []
    problems: list[Problem] = []
    decode = partial(_decoded_chunk, source, longest_side)
    with (folder / "bytes.bin").open("wb") as file:
        for images, source_sizes, failed in mapped_over(count, CHUNK, decode, worth=WORTH):
            problems.extend(failed)
            for image, source_size in zip(images, source_sizes, strict=True):
                file.write(image.data)
                sizes.append((*image.shape, *source_size))
    raise_if_any(problems)
    table = np.array(sizes, dtype=np.int64).reshape(-1, len(SIZES))
    offsets = np.concatenate([[0], np.cumsum(table[:, :3].prod(axis=1))]).astype(np.int64)
    np.savez(folder / "index.npz", offsets=offsets, sizes=table)


def _decoded_chunk(
    source: ImageSource, longest_side: int, positions: range
) -> tuple[list[np.ndarray], list[tuple[int, ...]], list[Problem]]:
    """Images (H, W, C), their (H, W) before the reduction, and what failed."""
    images: list[np.ndarray] = []
    source_sizes: list[tuple[int, ...]] = []
    problems: list[Problem] = []
    for position in positions:
        try:
            image = source.decode(position)
        except InputError as error:
            problems.extend(error.problems)
            continue
        small = np.ascontiguousarray(reduced(image, longest_side))
        images.append(small.reshape(*small.shape[:2], -1))
        source_sizes.append(image.shape[:2])
    return images, source_sizes, problems


HASH_SIDE = 16  # of the DCT block
HASH_WORDS = HASH_SIDE * HASH_SIDE // 64


def hash_chunk(folder: Path, positions: range) -> np.ndarray:
    """uint64 (len(positions), HASH_WORDS), of images in a folder that RaggedImages opens."""
    import imagehash  # SciPy behind it takes long to import, and few processes hash

    images, hashes = RaggedImages(folder), []
    for position in positions:
        image = images.image(position)
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        hashes.append(imagehash.phash(picture, hash_size=HASH_SIDE).hash.ravel())
    return np.stack([np.packbits(bits).view(np.uint64) for bits in hashes])
