"""Masks of nodules: cut with their images; true, elliptic or misplaced."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from abl.data.arrays import image_array, windows_of
from abl.data.cache_folders import folder_key, folder_once
from abl.data.dataset import BOX, Dataset
from abl.data.masks.masks_read import MaskReadings, has_mask
from abl.data.masks.source import mask_source
from abl.data.pixels import write_pixels
from abl.data.tables.rows import lacking_problems
from abl.data.tissue.tissue_regions import TISSUE_VERSION
from abl.errors import Problem, raise_if_any
from abl.spec.base import identity_of
from abl.spec.data import Image

MASK_SCORES = "masks.parquet"  # of a trained network: Dice and IoU by image
TRUE, BOXES, ROWS, SHOWS = "pixels.npy", "boxes.npy", "rows.npy", "shows.npy"
JITTER_DRAW = 13  # the same of boxes that are drawn inexactly
PLACE_DRAW = 12  # names the stream of random numbers of boxes put elsewhere


@dataclass(frozen=True, eq=False)
class MaskSet:
    """Masks and boxes of N images, in the pixels that networks see.

    Attributes:
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
        # a mask without a nodule has no box, and says that there is no ellipse either
        return has_mask if source == "true" else has_mask | has_box

    def jittered(self, share: float, images: Sequence[str]) -> MaskSet:
        """The same with boxes drawn inexactly, see `jittered_boxes`; 0 changes nothing."""
        if not share:
            return self
        return replace(self, boxes=jittered_boxes(self.boxes, images, share))

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


def jittered_boxes(boxes: np.ndarray, images: Sequence[str], share: float) -> np.ndarray:
    """Boxes of which each side is moved, uniformly by up to a share of the box's width or height.

    Args:
        boxes: float64 (N, 4), nan where unknown.
        images: Names, which decide the draw: a row keeps its box whatever the others are.
        share: In [0, 1]; sides that would meet stay a pixel's thousandth apart.
    """
    found = np.array(boxes, dtype=np.float64)
    for at, name in enumerate(images):
        if np.isnan(found[at]).any():
            continue
        x0, y0, x1, y1 = boxes[at]
        word = int.from_bytes(hashlib.sha256(str(name).encode()).digest()[:8], "big")
        draw = np.random.default_rng(np.random.SeedSequence([JITTER_DRAW, word]))
        moved = share * draw.uniform(-1, 1, 4) * np.array([x1 - x0, y1 - y0] * 2)
        low, high = boxes[at, :2] + moved[:2], boxes[at, 2:] + moved[2:]
        found[at] = (*np.minimum(low, high), *np.maximum(np.maximum(low, high), low + 1e-3))
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
    true = np.load(folder / TRUE, mmap_mode="r")
    return MaskSet(int(true.shape[-1]), true, np.load(folder / ROWS), *np.load(folder / BOXES))


VERSION = 1


def masks_digest(dataset: Dataset, marks: Sequence[str]) -> str:
    """SHA-256 (hex) of what is known of the nodules' places: masks, boxes.

    Args:
        marks: How masks are read (MaskReadings); what says nothing leaves the digest as it was.
    """
    names = ["image", "mask", "mask_fingerprint", *BOX]
    frame = dataset.frame[[name for name in names if name in dataset.frame]]
    if any(marks):
        frame = frame.assign(mask_reading=list(marks))
    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def masks_key(dataset: Dataset, digest: str, longest_side: int, image: Image) -> str:
    """Name of the folder that `prepare_masks` writes, by the `masks_digest`."""
    pixels = dataset.source.fingerprints()
    place: list[Any] = [longest_side, image.size, identity_of(image.crop)]
    if image.crop.to == "tissue":
        place.append(TISSUE_VERSION)
    return f"masks-{folder_key(VERSION, digest, pixels, place)}"


def has_box(dataset: Dataset) -> np.ndarray:
    """bool (N,): which rows have a box."""
    if not set(BOX) <= set(dataset.frame.columns):
        return np.zeros(len(dataset), bool)
    return dataset.frame[list(BOX)].notna().all(axis=1).to_numpy(bool)


def mask_problems(dataset: Dataset, source: str) -> list[Problem]:
    """A problem for each row without a mask of the source that its arm needs."""
    known = has_mask(dataset) if source == "true" else has_mask(dataset) | has_box(dataset)
    if not known.any():
        columns = "mask" if source == "true" else "mask, and no boxes (box_x0, ...)"
        text = f"{dataset.name} has no column {columns}, which arms with mask: {source} need"
        return [Problem(f"{text}; leave these arms out")]
    what, column = ("mask", "mask") if source == "true" else ("box and no mask", "box")
    text = f"(in {dataset.name}) has no {what}, which arms with mask: {source} need"
    return lacking_problems(dataset.frame.loc[~known, "image"], text, what, column)


def prepare_masks(
    dataset: Dataset,
    readings: MaskReadings,
    key: str,
    *,
    longest_side: int,
    image: Image,
    cache: Path,
) -> Path:
    """Masks and boxes of a data set as networks see them; the folder that `open_masks` reads.

    Boxes are those of the manifest or, where it has none, those around the masks.

    Args:
        readings: Of its masks.

    Raises:
        InputError: Masks that cannot be read, or of another size than their images: each is named.
    """
    if (cache / key).is_dir():
        return cache / key
    images = image_array(dataset, cache, longest_side=longest_side)
    windows = windows_of(images, image.crop)
    rows = np.flatnonzero(has_mask(dataset))
    masks = None
    if len(rows):
        masked = replace(
            dataset,
            frame=dataset.frame.iloc[rows][["image"]].reset_index(drop=True),
            source=mask_source(dataset, rows, readings.marks, readings.grounds),
            second=None,
            boxes_of=None,
        )
        masks = image_array(masked, cache, longest_side=longest_side)
        sides = ["source_height", "source_width"]
        theirs = images.frame[sides].to_numpy()[rows]
        own = masks.frame[sides].to_numpy()
        raise_if_any(
            [
                Problem(
                    f"mask is {own[at, 1]} x {own[at, 0]} pixels, its image "
                    f"{theirs[at, 1]} x {theirs[at, 0]}",
                    file=str(dataset.frame["image"].iloc[rows[at]]),
                )
                for at in np.flatnonzero((own != theirs).any(axis=1))
            ]
        )

    def write(folder: Path) -> None:
        shape = (0, 1, image.size, image.size)
        if masks is None:
            np.save(folder / TRUE, np.empty(shape, np.uint8))
        else:
            write_pixels(
                folder, images=masks.folder, windows=windows[rows], size=image.size, channels=1
            )
        true = np.load(folder / TRUE, mmap_mode="r")
        row_of = np.full(len(dataset), -1, np.int64)
        row_of[rows] = np.arange(len(rows))
        boxes = np.full((len(dataset), 4), np.nan)
        if set(BOX) <= set(images.frame.columns):
            boxes = _in_windows(images.frame[list(BOX)].to_numpy(float), windows, image.size)
        boxless = rows[np.isnan(boxes[rows]).any(axis=1)]
        if len(boxless):
            boxes[boxless] = bounding_boxes(np.asarray(true)[row_of[boxless]])
        np.save(folder / SHOWS, np.array([bool((mask > 127).any()) for mask in true], bool))
        names = dataset.frame["image"].tolist()
        np.save(folder / BOXES, np.stack([boxes, boxes_elsewhere(boxes, names, image.size)]))
        np.save(folder / ROWS, row_of)

    return folder_once(cache, key, write)


def _in_windows(boxes: np.ndarray, windows: np.ndarray, size: int) -> np.ndarray:
    """Boxes (N, 4) of the images in the pixels of their windows, resized to a square."""
    low, extent = windows[:, :2], windows[:, 2:] - windows[:, :2]
    scale = size / extent
    return np.concatenate([(boxes[:, :2] - low) * scale, (boxes[:, 2:] - low) * scale], axis=1)
