"""Small data sets written to disk, for tests."""

from __future__ import annotations

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
