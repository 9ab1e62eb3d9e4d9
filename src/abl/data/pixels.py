"""Images on disk, memory-mapped: decoded, of different sizes one after the other in one file; and
cut and resized, as one (N, C, S, S) array or of their own shape.

This module and what it imports stay free of pandas and torch: every process that decodes imports
them when it starts.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from abl.data.dataset import ImageSource
from abl.data.images import reduced
from abl.data.workers import mapped_over
from abl.errors import InputError, Problem, raise_if_any

SIZES = ("height", "width", "channels", "source_height", "source_width")
FILE = "pixels.npy"
BYTES, INDEX = "pixels.bin", "index.npz"  # of images of their own shape
DECODED, RESIZED = 16, 64  # images a job: 16 are 50 MB of 1024 x 1024 RGB
DECODED_WORTH, RESIZED_WORTH = 200, 1000  # images worth the start of a process


class RaggedImages:
    """uint8 images opened by path: bytes.bin and index.npz (offsets, sizes).

    Attributes:
        sizes: (N, 5) int64, columns SIZES: as stored here, and before the reduction.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        with np.load(folder / INDEX) as index:
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
        for images, source_sizes, failed in mapped_over(
            count, DECODED, decode, worth=DECODED_WORTH
        ):
            problems.extend(failed)
            for image, source_size in zip(images, source_sizes, strict=True):
                file.write(image.data)
                sizes.append((*image.shape, *source_size))
    raise_if_any(problems)
    table = np.array(sizes, dtype=np.int64).reshape(-1, len(SIZES))
    offsets = np.concatenate([[0], np.cumsum(table[:, :3].prod(axis=1))]).astype(np.int64)
    np.savez(folder / INDEX, offsets=offsets, sizes=table)


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
    images = RaggedImages(folder)
    return np.stack([image_hash(images.image(position)) for position in positions])


def image_hash(image: np.ndarray) -> np.ndarray:
    """uint64 (HASH_WORDS,): perceptual hash of an image, uint8 (H, W) or (H, W, C)."""
    import imagehash  # SciPy behind it takes long to import, and few processes hash

    grey = image.ndim == 3 and image.shape[2] == 1
    picture = Image.fromarray(image[..., 0] if grey else image)
    bits = imagehash.phash(picture, hash_size=HASH_SIDE).hash.ravel()
    return np.packbits(bits).view(np.uint64)


def write_pixels(
    folder: Path, *, images: Path, windows: np.ndarray, size: int, channels: int
) -> None:
    """Writes pixels.npy, uint8 (N, channels, size, size).

    Args:
        images: A folder that RaggedImages opens.
        windows: (N, 4) int64: x0, y0, x1, y1 of what is seen of each image.
        channels: 1 or 3.
    """
    path = folder / FILE
    shape = (len(windows), channels, size, size)
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    _reserve(path, path.stat().st_size)
    # every process writes its own rows of the mapped file: no pixel crosses a pipe
    resize = partial(_resize_chunk, images, path, windows)
    for _ in mapped_over(len(windows), RESIZED, resize, worth=RESIZED_WORTH):
        pass


def write_ragged_pixels(
    folder: Path, *, images: Path, windows: np.ndarray, shapes: np.ndarray, channels: int
) -> None:
    """Writes pixels.bin, images (channels, H, W) one after the other, and index.npz.

    Args:
        images, windows, channels: As `write_pixels`.
        shapes: (N, 2) int64: height, width of each result.
    """
    path = folder / BYTES
    offsets = np.concatenate([[0], np.cumsum(channels * shapes.prod(axis=1))]).astype(np.int64)
    path.touch()
    _reserve(path, int(offsets[-1]))
    resize = partial(_resize_ragged_chunk, images, path, windows, shapes, offsets)
    for _ in mapped_over(len(windows), RESIZED, resize, worth=RESIZED_WORTH):
        pass
    np.savez(folder / INDEX, offsets=offsets, shapes=shapes, channels=channels)


def _reserve(path: Path, size: int) -> None:
    """Makes a file this long, on disk where the system can."""
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            # a full disk is an OSError here; met on writing to mapped memory it kills the process
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


def _resize_ragged_chunk(
    images: Path,
    path: Path,
    windows: np.ndarray,
    shapes: np.ndarray,
    offsets: np.ndarray,
    positions: range,
) -> None:
    source = RaggedImages(images)
    content = np.memmap(path, dtype=np.uint8, mode="r+")
    for position in positions:
        start, end = offsets[position], offsets[position + 1]
        height, width = (int(side) for side in shapes[position])
        planes = content[start:end].reshape(-1, height, width)
        planes[:] = fitted(
            cut(source.image(position), windows[position]), height, width, len(planes)
        )


def _resize_chunk(images: Path, path: Path, windows: np.ndarray, positions: range) -> None:
    source = RaggedImages(images)
    pixels = np.lib.format.open_memmap(path, mode="r+")
    channels, size = pixels.shape[1:3]
    for position in positions:
        part = cut(source.image(position), windows[position])
        pixels[position] = fitted(part, size, size, channels)


def cut(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The window (x0, y0, x1, y1) of an image (H, W, C); black where it leaves the image."""
    x0, y0, x1, y1 = (int(edge) for edge in window)
    part = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if part.shape[:2] == (y1 - y0, x1 - x0):
        return part
    padded = np.zeros((y1 - y0, x1 - x0, image.shape[2]), dtype=image.dtype)
    top, left = max(-y0, 0), max(-x0, 0)
    padded[top : top + part.shape[0], left : left + part.shape[1]] = part
    return padded


def fitted(part: np.ndarray, height: int, width: int, channels: int) -> np.ndarray:
    """uint8 (channels, height, width) from (H, W, 1 or 3); a grey plane is repeated by a view.

    Bilinear, antialiased over the support (Pillow); what has the size already is not resampled.
    Colour becomes luma (ITU-R 601-2) where one channel is asked for.
    """
    grey = part.shape[2] == 1
    if part.shape[:2] != (height, width) or (channels == 1 and not grey):
        image = Image.fromarray(np.ascontiguousarray(part[..., 0] if grey else part))
        if channels == 1 and not grey:
            image = image.convert("L")
        part = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    planes = part.reshape(height, width, -1).transpose(2, 0, 1)
    return np.broadcast_to(planes, (channels, height, width))
