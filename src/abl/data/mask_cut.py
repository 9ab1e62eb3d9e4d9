"""Masks on disk, cut and resized as their images are, so that both stay in place."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from abl.data.arrays import image_array, windows_of
from abl.data.cache_folders import folder_key, folder_once
from abl.data.dataset import BOX, Dataset, ImageSource, SomeImages
from abl.data.images import FileSource
from abl.data.mask_sets import BOXES, ROWS, TRUE, bounding_boxes, boxes_elsewhere
from abl.data.pixels import write_pixels
from abl.data.tables import lacking_problems
from abl.data.tissue import TISSUE_VERSION
from abl.errors import InputError, Problem, raise_if_any
from abl.spec.base import identity_of
from abl.spec.data import Image

VERSION = 1


def masks_digest(dataset: Dataset) -> str:
    """SHA-256 (hex) of what is known of the nodules' places: masks, boxes."""
    names = ["image", "mask", "mask_fingerprint", *BOX]
    frame = dataset.frame[[name for name in names if name in dataset.frame]]
    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def masks_key(dataset: Dataset, longest_side: int, image: Image) -> str:
    """Name of the folder that `prepare_masks` writes."""
    pixels = dataset.source.fingerprints()
    place: list[Any] = [longest_side, image.size, identity_of(image.crop)]
    if image.crop.to == "tissue":
        place.append(TISSUE_VERSION)
    return f"masks-{folder_key(VERSION, masks_digest(dataset), pixels, place)}"


def has_mask(dataset: Dataset) -> np.ndarray:
    """bool (N,): which rows name a mask."""
    if "mask" not in dataset.frame:
        return np.zeros(len(dataset), bool)
    given = dataset.frame["mask"]
    return (given.notna() & (given.astype(str) != "")).to_numpy()


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
    dataset: Dataset, key: str, *, longest_side: int, image: Image, cache: Path
) -> Path:
    """Masks and boxes of a data set as networks see them; the folder that `open_masks` reads.

    Boxes are those of the manifest or, where it has none, those around the masks.

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
            source=_mask_source(dataset, rows),
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
                folder, masks.folder, windows[rows], size=image.size, channels=1, workers=1
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
        names = dataset.frame["image"].tolist()
        np.save(folder / BOXES, np.stack([boxes, boxes_elsewhere(boxes, names, image.size)]))
        np.save(folder / ROWS, row_of)

    return folder_once(cache, key, write)


def _in_windows(boxes: np.ndarray, windows: np.ndarray, size: int) -> np.ndarray:
    """Boxes (N, 4) of the images in the pixels of their windows, resized to a square."""
    low, extent = windows[:, :2], windows[:, 2:] - windows[:, :2]
    scale = size / extent
    found = np.concatenate([(boxes[:, :2] - low) * scale, (boxes[:, 2:] - low) * scale], axis=1)
    return np.asarray(found, dtype=np.float64)


def _mask_source(dataset: Dataset, rows: np.ndarray) -> ImageSource:
    """Decodes the masks of these rows."""
    source, positions = dataset.source, rows
    while isinstance(source, SomeImages):
        positions = np.asarray(source.positions)[positions]
        source = source.source
    if isinstance(source, FileSource):
        frame = dataset.frame.iloc[rows]
        return FileSource(source.folder, tuple(frame["mask"]), tuple(frame["mask_fingerprint"]))
    from abl.data.phantom import PhantomSource  # costs what only a phantom is worth

    if isinstance(source, PhantomSource):
        kept = tuple(int(position) for position in positions)
        return SomeImages(replace(source, modality="mask"), kept)
    raise InputError(f"{dataset.name} has no masks that abl can read")
