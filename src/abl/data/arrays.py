"""Decoded images on disk, memory-mapped: one copy a node, whatever the number of processes.

Two steps. `image_array` decodes every image once into one ragged array. `pixel_array` cuts and
resizes that, once for each (crop, size, channels), into the array that networks read. Both are
folders below a cache, named by a digest of what they hold. A folder is written in one pass with
bounded memory, under a lock, beside its final name, and renamed when it is whole: a second caller
waits and opens it, and a killed one leaves nothing that could be taken for a result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.cache_folders import folder_key, folder_once
from abl.data.crops import box_problems, boxes_for, crop_windows, nothing_found, with_sizes
from abl.data.dataset import BOX, PAIR, ROI, Dataset
from abl.data.pixels import (
    FILE,
    SIZES,
    RaggedImages,
    write_images,
    write_pixels,
    write_ragged_pixels,
)
from abl.data.tissue.tissue_regions import REGIONS, TISSUE_VERSION, write_regions
from abl.errors import raise_if_any
from abl.spec.base import identity_of
from abl.spec.data import Crop, Image

SOURCE = [SIZES.index("source_height"), SIZES.index("source_width")]


class ImageArray(RaggedImages):
    """The decoded images of a data set; `image(i)` is a read-only view, uint8 (H, W, C).

    Opened by path alone, in any process, it knows the images and their sizes; `image_array` adds
    what the data set says about them.

    Attributes:
        frame: One row an image: height, width, channels (1 or 3) in this array; source_height,
            source_width before the reduction to the longest side. From `image_array` also the
            data set's columns, boxes in the pixels of this array.
        open_boxed: Opens the images whose pixels boxes are in, should these be others; they are
            decoded only if something asks for them.
    """

    def __init__(
        self,
        folder: Path,
        frame: pd.DataFrame | None = None,
        box_sizes: np.ndarray | None = None,
        open_boxed: Callable[[], ImageArray] | None = None,
    ):
        self.open_boxed = open_boxed
        super().__init__(folder)
        sizes = pd.DataFrame(dict(zip(SIZES, self.sizes.T, strict=True)))
        self.frame = sizes if frame is None else with_sizes(frame, sizes, box_sizes)


def image_array(dataset: Dataset, cache: Path, *, longest_side: int) -> ImageArray:
    """The images of a data set, decoded on the first call and opened on every later one.

    Args:
        dataset: If its boxes are in the pixels of other images, these are decoded as well: their
            sizes are needed.
        cache: A folder of this node, shared by its processes.
        longest_side: Larger images are reduced to it.

    Raises:
        InputError: Images that cannot be decoded, or boxes that leave their image: all of them.
        StageError: A process died.
    """
    write = partial(
        write_images, source=dataset.source, count=len(dataset), longest_side=longest_side
    )
    key = folder_key("images", longest_side, *dataset.source.fingerprints())
    folder, frame = folder_once(cache, f"images-{key}", write), dataset.frame
    own = RaggedImages(folder).sizes
    if dataset.boxes_of is not None:
        boxed = replace(dataset, source=dataset.boxes_of, boxes_of=None)
        first = partial(image_array, boxed, cache, longest_side=longest_side)
        has_boxes = bool({BOX[0], ROI[0]} & set(frame.columns))
        return ImageArray(folder, frame, first().sizes[:, SOURCE] if has_boxes else None, first)
    first_rows = first_of_pairs(frame)
    box_sizes = own[first_rows][:, SOURCE]
    is_first = first_rows == np.arange(len(frame))  # a pair's box is told of once
    firsts = np.flatnonzero(is_first)
    raise_if_any(
        [
            dataset.problem(int(firsts[at]), text, str(frame["image"].iloc[firsts[at]]))
            for at, text in box_problems(frame.iloc[firsts], *box_sizes[firsts].T)
        ]
    )
    return ImageArray(folder, frame, box_sizes)


def first_of_pairs(frame: pd.DataFrame) -> np.ndarray:
    """int64 (N,): row of the first image of each row's pair; of unpaired rows, the row itself."""
    rows = np.arange(len(frame))
    if PAIR not in frame:
        return rows
    first = pd.Index(frame["image"]).get_indexer(frame[PAIR])
    return np.where(first < 0, rows, first)


def pixel_array(
    array: ImageArray, cache: Path, *, size: int, channels: int, crop: Crop
) -> np.memmap:
    """What networks see: each image cut and resized to a square (see `crop_windows`, `fitted`).

    Its `filename` opens the same memory in another process: np.load(filename, mmap_mode="r").

    Args:
        array: From `image_array`; one opened by path has no boxes to cut by.
        size: Side in pixels. An image that has it already, uncut, is copied as it is.
        channels: 3 repeats grey; 1 takes the luma of colour.
        crop: What is cut. `square: false` stretches the window to the square.

    Returns:
        uint8 (N, channels, size, size), read-only.

    Raises:
        InputError: Images without the box or region that the crop needs.
        StageError: A process died.
    """
    windows = windows_of(array, crop)
    write = partial(
        write_pixels, images=array.folder, windows=windows, size=size, channels=channels
    )
    # boxes are part of it: they may change in a manifest whose images do not
    cuts = digest_of_integers(windows)
    key = folder_key("pixels", array.folder.name, size, channels, identity_of(crop), cuts)
    return open_pixels(folder_once(cache, f"pixels-{key}", write))


def windows_of(array: ImageArray, crop: Crop) -> np.ndarray:
    """(N, 4) int64: what is seen of each image, see `crop_windows`.

    Raises:
        InputError: As `boxes_for`; images in which no tissue is found, each named.
    """
    is_local = crop.threshold == "local"
    boxes = (
        tissue_boxes(array, local=is_local) if crop.to == "tissue" else boxes_for(array.frame, crop)
    )
    heights, widths = (array.frame[side].to_numpy() for side in ("height", "width"))
    return crop_windows(boxes, heights, widths, crop)


def tissue_boxes(array: ImageArray, *, local: bool = False) -> np.ndarray:
    """(N, 4) float64: the tissue region of each image, x0, y0, x1, y1; found once a data set.

    Of the second image of a pair it is the first one's, scaled: both are cut alike, as by boxes.

    Raises:
        InputError: Images in which nothing is found, each named.
    """
    boxed = array if array.open_boxed is None else array.open_boxed()
    how = ("local",) if local else ()
    key = folder_key("tissue", TISSUE_VERSION, boxed.folder.name, *how)
    write = partial(write_regions, images=boxed.folder, local=local)
    regions = np.load(folder_once(boxed.folder.parent, f"tissue-{key}", write) / REGIONS)
    rows = first_of_pairs(array.frame)
    is_first = rows == np.arange(len(rows))  # of the others nothing is used
    raise_if_any(nothing_found(array.frame["image"][is_first], regions[is_first]))
    across, down = (
        array.frame[side].to_numpy() / boxed.frame[side].to_numpy()[rows]
        for side in ("width", "height")
    )
    return regions[rows] * np.stack([across, down, across, down], axis=1)


def digest_of_integers(integers: np.ndarray) -> str:
    """SHA-256 (hex) of an array of integers."""
    return hashlib.sha256(integers.astype("<i8").tobytes()).hexdigest()


def open_pixels(folder: Path) -> np.memmap:
    """The array of a folder that `pixel_array` has written: uint8 (N, C, S, S), read-only."""
    return np.lib.format.open_memmap(folder / FILE, mode="r")


def own_shapes(array: ImageArray, image: Image) -> np.ndarray:
    """Shapes of what is seen of each image: reduced to the size, rounded to the multiple.

    Returns:
        int64 (N, 2): height, width, at least one multiple and at most as many as `size` holds.
    """
    x0, y0, x1, y1 = windows_of(array, _unsquared(image.crop)).T
    sides = np.stack([y1 - y0, x1 - x0], axis=1)
    sides = sides * np.minimum(1, image.size / sides.max(axis=1, keepdims=True))
    multiples = np.floor(sides / image.multiple + 0.5).astype(np.int64)
    return multiples.clip(1, image.size // image.multiple) * image.multiple


def own_pixel_folder(array: ImageArray, cache: Path, image: Image, shapes: np.ndarray) -> Path:
    """A folder that RaggedPixels opens: each image cut, never made square, and resized.

    Args:
        shapes: (N, 2) int64 height, width: `own_shapes` of this array, or of the first images of
            its pairs.

    Raises:
        InputError, StageError: As `pixel_array`.
    """
    windows, channels = windows_of(array, _unsquared(image.crop)), image.channels
    write = partial(
        write_ragged_pixels,
        images=array.folder, windows=windows, shapes=shapes, channels=channels,
    )  # fmt: skip
    cuts = digest_of_integers(np.concatenate([windows, shapes], axis=1))
    return folder_once(cache, f"own-{folder_key('own', array.folder.name, channels, cuts)}", write)


def _unsquared(crop: Crop) -> Crop:
    return crop.model_copy(update={"square": False})
