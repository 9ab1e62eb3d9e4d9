"""Small sets of images with a nodule and its mask, for tests of sweeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32
Encode = Callable[[np.ndarray, int], np.ndarray]  # mask bool (H, W) and class -> pixels of its file


def write_masked_images(
    folder: Path, encode: Encode, *, patients: int = 24, bare: int | None = None
) -> Path:
    """An image a patient, classes in turn, malignant nodules larger; returns the manifest.

    Args:
        bare: Class whose masks are empty.
    """
    folder.mkdir()
    draw = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    lines = ["image,label,patient,mask"]
    for at in range(patients):
        label = at % 2
        mask = np.hypot(x - draw.uniform(11, 21), y - draw.uniform(11, 21)) <= 5 + 3 * label
        pixels = draw.integers(0, 80, (SIDE, SIDE)) + 120 * mask
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{at}.png")
        shown = mask & (label != bare)
        Image.fromarray(encode(shown, label)).save(folder / f"m{at}.png")
        lines.append(f"{at}.png,{['benign', 'malignant'][label]},p{at},m{at}.png")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def by_255(mask: np.ndarray, label: int) -> np.ndarray:
    return mask * np.uint8(255)


def by_1(mask: np.ndarray, label: int) -> np.ndarray:
    return mask.astype(np.uint8)


def by_colour_of_class(mask: np.ndarray, label: int) -> np.ndarray:
    """Red benign, green malignant nodules on black."""
    colour = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)[label]
    return mask[..., None] * colour


def by_label_map(mask: np.ndarray, label: int) -> np.ndarray:
    found = mask * np.uint8(2)
    found[:, :3] = 1
    return found


def inverted(mask: np.ndarray, label: int) -> np.ndarray:
    return ~mask * np.uint8(255)
