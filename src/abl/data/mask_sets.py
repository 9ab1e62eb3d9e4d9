"""Masks of the images of a view: true ones, and ellipses in boxes, drawn when they are asked for.

Free of pandas and torch, as pixel_sets.py is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MASK_SCORES = "masks.parquet"  # of a trained network: Dice and IoU by image
TRUE, BOXES, ROWS = "pixels.npy", "boxes.npy", "rows.npy"
PLACE_DRAW = 12  # names the stream of random numbers of boxes put elsewhere


@dataclass(frozen=True, eq=False)
class MaskSet:
    """Masks and boxes of N images, in the pixels that networks see.

    Attributes:
        size: Side of the images.
        true: uint8 (M, 1, S, S), memory-mapped: masks of the images that have one, nodule 255.
        row_of: int64 (N,): row of `true`, -1 for images without a mask.
        boxes: float64 (N, 4): x0, y0, x1, y1 of the nodule, nan where it is not known.
        elsewhere: float64 (N, 4): a box of the same size at a random place.
    """

    size: int
    true: np.ndarray
    row_of: np.ndarray
    boxes: np.ndarray
    elsewhere: np.ndarray

    def __len__(self) -> int:
        return len(self.row_of)

    def known(self, source: str) -> np.ndarray:
        """bool (N,): which images have a mask of this source."""
        has_mask, has_box = self.row_of >= 0, ~np.isnan(self.boxes).any(axis=1)
        return {"true": has_mask, "mixed": has_mask | has_box}.get(source, has_box)

    def take(self, source: str, positions: np.ndarray) -> np.ndarray:
        """uint8 (B, 1, S, S), nodule 255; zeros where there is no mask of this source.

        Args:
            source: true; ellipse, inscribed in the box; random, the same of a box of that size
                elsewhere; mixed, the true mask where there is one and the ellipse otherwise.
            positions: int64 (B,).
        """
        positions = np.asarray(positions, dtype=np.int64)
        boxes = self.elsewhere if source == "random" else self.boxes
        drawn = (
            np.zeros((len(positions), 1, self.size, self.size), np.uint8)
            if source == "true"
            else ellipses(boxes[positions], self.size)
        )
        rows = self.row_of[positions]
        if source in ("true", "mixed") and (rows >= 0).any():
            drawn[rows >= 0] = np.asarray(self.true)[rows[rows >= 0]]
        return drawn


def ellipses(boxes: np.ndarray, size: int) -> np.ndarray:
    """Filled ellipses inscribed in boxes: uint8 (B, 1, size, size), inside 255.

    The centre is the middle of the box, the semi-axes half its width and height (Liu et al. 2026;
    reconstructed). A box smaller than a pixel marks the pixel it lies in; nan marks none.

    Args:
        boxes: float64 (B, 4): x0, y0, x1, y1, in pixels; they may leave the image.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    middle = (low + high) / 2
    # half a pixel at least, so that some pixel's centre lies within
    half = np.maximum((high - low) / 2, np.sqrt(0.5))
    centres = np.arange(size) + 0.5
    x = (centres[None, :] - middle[:, :1]) / half[:, :1]
    y = (centres[None, :] - middle[:, 1:]) / half[:, 1:]
    with np.errstate(invalid="ignore"):
        inside = x[:, None, :] ** 2 + y[:, :, None] ** 2 <= 1
    return (inside[:, None] * np.uint8(255)).astype(np.uint8)


def boxes_elsewhere(boxes: np.ndarray, images: Sequence[str], size: int) -> np.ndarray:
    """Boxes of the same sizes at places drawn uniformly within the image, by the images' names.

    The place knows nothing of the nodule's, so that the two may overlap by chance.

    Args:
        boxes: float64 (N, 4), nan where unknown.
        images: Names, which decide the draw: a row keeps its box whatever the others are.
        size: Side of the images.
    """
    found = np.full_like(boxes, np.nan)
    for at, name in enumerate(images):
        x0, y0, x1, y1 = boxes[at]
        if np.isnan(boxes[at]).any():
            continue
        word = int.from_bytes(hashlib.sha256(str(name).encode()).digest()[:8], "big")
        draw = np.random.default_rng(np.random.SeedSequence([PLACE_DRAW, word]))
        width, height = min(x1 - x0, size), min(y1 - y0, size)
        left, top = draw.random(2) * (size - width, size - height)
        found[at] = (left, top, left + width, top + height)
    return found


def bounding_boxes(masks: np.ndarray) -> np.ndarray:
    """Boxes around masks uint8 (M, 1, S, S): float64 (M, 4), nan for an empty one."""
    found = np.full((len(masks), 4), np.nan)
    for at, mask in enumerate(masks):
        rows, columns = (np.flatnonzero((mask[0] > 127).any(axis=axis)) for axis in (1, 0))
        if len(rows):
            found[at] = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    return found


def open_masks(folder: Path) -> MaskSet:
    """The masks of a folder that `prepare_masks` has written."""
    boxes: np.ndarray = np.load(folder / BOXES)
    true = np.load(folder / TRUE, mmap_mode="r")
    return MaskSet(int(true.shape[-1]), true, np.load(folder / ROWS), boxes[0], boxes[1])
