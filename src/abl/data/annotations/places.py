"""The mask and the box of an image, of all its regions, in the pixels that are read.

Images are turned by their EXIF orientation as they are read. Whether an annotation's coordinates
are those of the stored or of the turned pixels differs by tool (browsers and LabelMe turn, others
do not). The size that the annotation says tells it, where the two differ in size; where it does
not, the person is asked. Masks and boxes are written in turned pixels.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from abl.data.annotations.fill import filled_polygons
from abl.data.annotations.regions import AnnotatedImage, Region
from abl.data.annotations.values import Box
from abl.data.image_decoding import KINDS
from abl.data.images import file_size

ORIENTATION = 0x0112  # EXIF
ON_THEIR_SIDE = (5, 6, 7, 8)
STORED, UPRIGHT = "stored", "upright"
NOTHING_FILLED = "outline fills no pixel"


class OtherSizeError(ValueError):
    """An image that is not the one that was annotated, in words to put behind its name."""


class UnknownFrameError(ValueError):
    """Nothing tells whether coordinates are of stored or of turned pixels, in words."""


@dataclass(frozen=True, eq=False)
class DrawnRegions:
    """Where the regions of an image are.

    Attributes:
        mask: bool (H, W), in turned pixels; None where a region has no outline.
        box: Around all regions, in turned pixels; None if there is none or one is unknown.
        faults: Of each region that could not be drawn: its words, and why.
    """

    mask: np.ndarray | None
    box: Box | None
    faults: tuple[tuple[str, str], ...] = ()


def place_of(
    image: AnnotatedImage, regions: Sequence[Region], folder: Path, frame: str | None
) -> DrawnRegions:
    """The mask and box of these regions of an image.

    A mask is made if every region has an outline, so that no nodule is missing in it; a region
    that fills no pixel counts as none. The box is around the mask, and around boxes where there is
    no outline; it is cut at the edges of the image.

    Args:
        frame: stored, upright, or None: what the size tells.

    Raises:
        InputError: The image cannot be read; its file is named.
        OtherSizeError: The annotation is of an image of another size.
        UnknownFrameError: The image is turned, and nothing tells what coordinates are of.
    """
    upright = file_size(str(folder), image.image)
    orientation = _orientation(folder / image.image)
    stored = upright[::-1] if orientation in ON_THEIR_SIDE else upright
    turned = orientation != 1 and _drawn_in(image, regions, stored, upright, frame) == STORED
    height, width = stored if turned else upright
    if regions and not turned:
        _check_size(image, upright)
    faults: list[tuple[str, str]] = []
    outlined: np.ndarray | None = None
    boxes: list[Box] = []
    whole, known = True, True
    for region in regions:
        fault = region.fault
        if region.has_outline and not fault:
            fault = _fill(region, outlined := _blank(outlined, height, width))
        elif region.box is not None and not fault:
            box = _cut(region.box, region.shares, height, width)
            fault = "box is empty or outside its image" if box is None else ""
            whole = False
            boxes += [] if box is None else [box]
        if fault:
            faults.append((region.at, fault))
            if fault != NOTHING_FILLED:
                whole = known = False
    if outlined is not None and outlined.any():
        rows, columns = (np.flatnonzero(outlined.any(axis=axis)) for axis in (1, 0))
        boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    else:
        outlined = None
    box = _around(boxes) if boxes and known else None
    mask = outlined if whole else None
    if turned:
        mask = None if mask is None else turned_pixels(mask, orientation)
        box = None if box is None else _turned_box(box, orientation, height, width)
    return DrawnRegions(mask, box, tuple(faults))


def _blank(mask: np.ndarray | None, height: int, width: int) -> np.ndarray:
    return np.zeros((height, width), dtype=bool) if mask is None else mask


def _fill(region: Region, mask: np.ndarray) -> str:
    """Unites a region with the mask, in place; why that cannot be, or ""."""
    height, width = mask.shape
    scale = np.array([width, height]) if region.shares else 1.0
    try:
        pixels = filled_polygons([each * scale for each in region.polygons], height, width)
    except ValueError as error:
        return str(error)
    if region.bitmap is not None:
        try:
            pattern = region.bitmap.pixels()
        except ValueError as error:
            return str(error)
        if region.bitmap.whole and pattern.shape != mask.shape:
            theirs, ours = (f"{w} x {h}" for h, w in (pattern.shape, mask.shape))
            return f"pixels are {theirs}, its image is {ours}"
        top, left = max(region.bitmap.top, 0), max(region.bitmap.left, 0)
        cut = pattern[top - region.bitmap.top :, left - region.bitmap.left :]
        cut = cut[: max(height - top, 0), : max(width - left, 0)]
        pixels[top : top + cut.shape[0], left : left + cut.shape[1]] |= cut
    mask |= pixels
    return "" if pixels.any() else NOTHING_FILLED


def _cut(box: Box, shares: bool, height: int, width: int) -> Box | None:
    """The box within the image, None if nothing is left of it."""
    x0, y0, x1, y1 = box
    if shares:
        x0, y0, x1, y1 = x0 * width, y0 * height, x1 * width, y1 * height
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _around(boxes: Sequence[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return float(min(x0)), float(min(y0)), float(max(x1)), float(max(y1))


def _orientation(path: Path) -> int:
    """The EXIF orientation of a file, 1 to 8; 1 where there is none."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, on metadata that are damaged
            if file.read(132)[128:] == b"DICM":  # its preamble may look like a TIFF
                return 1
            with Image.open(file, formats=KINDS) as image:
                value: Any = image.getexif().get(ORIENTATION, 1)
        return int(value) if 1 <= int(value) <= 8 else 1
    except Exception:  # unreadable metadata say nothing about the pixels
        return 1


def _drawn_in(
    image: AnnotatedImage,
    regions: Sequence[Region],
    stored: tuple[int, int],
    upright: tuple[int, int],
    frame: str | None,
) -> str:
    if not regions:
        return UPRIGHT
    size = image.size
    if frame is not None:
        _check_size(image, stored if frame == STORED else upright)
        return frame
    if size is not None and size in (stored, upright) and stored != upright:
        return STORED if size == stored else UPRIGHT
    if size is not None and size not in (stored, upright):
        _check_size(image, upright)
    raise UnknownFrameError(
        "is turned by its EXIF orientation, and nothing tells whether annotations are of its "
        "stored or of its turned pixels; say --exif stored or --exif upright"
    )


def _check_size(image: AnnotatedImage, size: tuple[int, int]) -> None:
    if image.size is not None and image.size != size:
        theirs, ours = (f"{width} x {height}" for height, width in (image.size, size))
        raise OtherSizeError(f"annotated at {theirs}, is {ours}")


def turned_pixels(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (H, W) as they are seen after their EXIF orientation, 2 to 8."""
    if orientation in (5, 7):
        pixels = pixels.T
    quarters = {3: 2, 4: 2, 6: -1, 7: 2, 8: 1}.get(orientation, 0)
    turned = np.rot90(pixels, quarters)
    return np.ascontiguousarray(np.fliplr(turned) if orientation in (2, 4) else turned)


def _turned_box(box: Box, orientation: int, height: int, width: int) -> Box:
    """A box of the stored pixels (height, width) in the turned ones."""
    x0, y0, x1, y1 = box
    if orientation in (2, 3, 7, 8):
        x0, x1 = width - x1, width - x0
    if orientation in (3, 4, 6, 7):
        y0, y1 = height - y1, height - y0
    return (y0, x0, y1, x1) if orientation in ON_THEIR_SIDE else (x0, y0, x1, y1)
