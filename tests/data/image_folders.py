"""Small data sets written to disk, for tests."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from abl.data.dataset import Dataset
from abl.data.manifest import load_manifest


def noise_image(seed: int, height: int = 24, width: int = 32, channels: int = 1) -> np.ndarray:
    """uint8 (H, W) or (H, W, 3)."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_png(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def grey_tiff(
    data: bytes, width: int, height: int, *, bits: int, white_at_zero: bool = False
) -> bytes:
    """A TIFF around the samples of a grey image, in one strip."""
    photometric = 0 if white_at_zero else 1
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 8),
            (277, 1), (278, height), (279, len(data))]  # fmt: skip
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return head + data + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)


def write_set(
    folder: Path,
    images: Sequence[np.ndarray],
    extra: dict[str, Sequence[object]] | None = None,
) -> Path:
    """PNG files and manifest.csv: labels alternate, two images a patient; `extra` adds columns."""
    columns: dict[str, Sequence[object]] = {
        "image": [f"images/{number}.png" for number in range(len(images))],
        "label": [number // 2 % 2 for number in range(len(images))],
        "patient": [f"p{number // 2}" for number in range(len(images))],
    } | (extra or {})
    for name, image in zip(columns["image"], images, strict=True):
        write_png(folder / str(name), image)
    lines = [",".join(columns)]
    lines += [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def noise_set(folder: Path, count: int = 8, **sizes: int) -> Dataset:
    return load_manifest(write_set(folder, [noise_image(seed, **sizes) for seed in range(count)]))
