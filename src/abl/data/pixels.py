"""Images cut and resized into one (N, C, S, S) array on disk.

Free of pandas and torch, as ragged.py is and for the same reason.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from abl.data.ragged import RaggedImages
from abl.data.workers import chunks, mapped

FILE = "pixels.npy"
CHUNK = 64  # images a job


def write_pixels(
    folder: Path, images: Path, windows: np.ndarray, *, size: int, channels: int, workers: int
) -> None:
    """Writes pixels.npy, uint8 (N, channels, size, size).

    Args:
        folder: Where pixels.npy goes.
        images: A folder that RaggedImages opens.
        windows: (N, 4) int64: x0, y0, x1, y1 of what is seen of each image.
        size: Side of the result in pixels.
        channels: 1 or 3.
        workers: Processes.
    """
    path = folder / FILE
    shape = (len(windows), channels, size, size)
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # a full disk is an OSError here; met on writing to mapped memory it kills the process
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    # every process writes its own rows of the mapped file: no pixel crosses a pipe
    resize = partial(_resize_chunk, images, path, windows)
    for _ in mapped(resize, chunks(len(windows), CHUNK), workers):
        pass


def _resize_chunk(images: Path, path: Path, windows: np.ndarray, positions: range) -> None:
    source = RaggedImages(images)
    pixels = np.lib.format.open_memmap(path, mode="r+")
    channels, size = pixels.shape[1:3]
    for position in positions:
        part = cut(source.image(position), windows[position])
        pixels[position] = resized(part, size, channels)


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


def resized(part: np.ndarray, size: int, channels: int) -> np.ndarray:
    """uint8 (channels, size, size) from (H, W, 1 or 3); a grey plane is repeated by a view.

    Bilinear, antialiased over the support (Pillow); what has the size already is not resampled.
    Colour becomes luma (ITU-R 601-2) where one channel is asked for.
    """
    grey = part.shape[2] == 1
    if part.shape[:2] != (size, size) or (channels == 1 and not grey):
        image = Image.fromarray(np.ascontiguousarray(part[..., 0] if grey else part))
        if channels == 1 and not grey:
            image = image.convert("L")
        part = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    planes = part.reshape(size, size, -1).transpose(2, 0, 1)
    return np.broadcast_to(planes, (channels, size, size))
