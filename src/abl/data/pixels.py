"""Images cut and resized on disk: one (N, C, S, S) array, or images of their own shape.

Free of pandas and torch, as ragged.py is and for the same reason.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from abl.data.ragged import RaggedImages
from abl.data.workers import mapped_over

FILE = "pixels.npy"
BYTES, INDEX = "pixels.bin", "index.npz"  # of images of their own shape
CHUNK = 64  # images a job
WORTH = 1000  # images worth the start of a process


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
    for _ in mapped_over(len(windows), CHUNK, resize, worth=WORTH):
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
    for _ in mapped_over(len(windows), CHUNK, resize, worth=WORTH):
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
