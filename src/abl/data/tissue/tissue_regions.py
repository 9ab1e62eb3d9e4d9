"""Where the tissue is in an ultrasound frame: a rectangle without the scanner's text and panels.

After Liu et al., Front. Med. 2026 (doi 10.3389/fmed.2026.1694174): adaptive threshold,
morphological smoothing, largest contour, convex hull, bounding rectangle. They state no sizes;
those here were chosen on frames of two public sets. Their threshold is local; a global one, the
default, is the deviation with which these sizes were chosen. The bounding rectangle of a component
is that of its convex hull, so no hull is computed.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import scipy
from PIL import Image

from abl.data.pixels import RaggedImages
from abl.data.workers import mapped_over

TISSUE_VERSION = 1  # raise it when a change finds other regions: trainings depend on it

SIDE = 320  # pixels of the longest side that is worked on, at most
BRIGHT, ECHO, FAINTEST = 99.0, 0.04, 2.0  # percentile; an echo is this share of it, or grey level
AROUND, OF_MEAN = 0.15, 0.35  # local: side of the square, and the share of its mean that is echo
# lengths below are shares of the longest side
NEAR, FILLED = 0.02, 0.6  # around a pixel of tissue at least this share is echo; of text, less
THIN, GAP = 0.025, 0.02  # what is thinner is no tissue; what is closer is one piece
WIDER = 0.01  # added on each side: smoothing takes a pixel or two of the border
LEAST = 0.02  # share of the frame that tissue fills

Region = tuple[int, int, int, int]


def tissue_region(image: np.ndarray, *, local: bool = False) -> Region | None:
    """The rectangle around the tissue of one frame.

    A pixel is an echo if it is brighter than a small share of the frame's bright level: gain hardly
    matters. Where most of a pixel's neighbourhood is echo there is tissue: strokes of text
    are thin and stand on black. Opening takes away what is thin, closing joins views that lie
    side by side, and the largest component is the tissue.

    Args:
        image: uint8 (H, W), (H, W, 1) or (H, W, 3). The background must be darker than the tissue.
        local: Whether an echo is what is brighter than a share of the mean around it, so that dim
            parts of an unevenly bright frame are tissue too.

    Returns:
        x0, y0 (inclusive), x1, y1 (exclusive) in pixels of the image; None if there is no tissue:
        the frame is of one grey level, or nothing large enough is brighter than the background.
    """
    grey = _grey(image)
    height, width = grey.shape
    if grey.min() == grey.max():
        return None
    small = _reduced(grey)
    side = max(small.shape)
    echo = _echoes(small, side, local=local)
    window = 2 * round(NEAR * side / 2) + 1
    filled = scipy.ndimage.uniform_filter(echo.astype(np.float32), window, mode="nearest") >= FILLED
    opened = _widened(_narrowed(filled, THIN * side), THIN * side)
    labels, count = scipy.ndimage.label(_narrowed(_widened(opened, GAP * side), GAP * side))
    if not count:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    if sizes.max() < LEAST * labels.size:
        return None
    rows, columns = scipy.ndimage.find_objects(labels)[int(sizes.argmax())]
    down, across = height / small.shape[0], width / small.shape[1]
    wider = WIDER * max(height, width)
    return (
        max(0, int(np.floor(columns.start * across - wider))),
        max(0, int(np.floor(rows.start * down - wider))),
        min(width, int(np.ceil(columns.stop * across + wider))),
        min(height, int(np.ceil(rows.stop * down + wider))),
    )


def _echoes(small: np.ndarray, side: int, *, local: bool) -> np.ndarray:
    if not local:
        return np.asarray(small > max(ECHO * float(np.percentile(small, BRIGHT)), FAINTEST))
    window = 2 * round(AROUND * side / 2) + 1
    mean = scipy.ndimage.uniform_filter(small.astype(np.float32), window, mode="nearest")
    return np.asarray(small > np.maximum(OF_MEAN * mean, FAINTEST))


def _grey(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W): luma (ITU-R 601-2) of colour."""
    if image.ndim == 3 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"))
    return image.reshape(image.shape[:2])


def _reduced(grey: np.ndarray) -> np.ndarray:
    height, width = grey.shape
    share = SIDE / max(height, width)
    if share >= 1:
        return grey
    size = (max(1, round(width * share)), max(1, round(height * share)))
    picture = Image.fromarray(np.ascontiguousarray(grey))
    return np.asarray(picture.resize(size, Image.Resampling.BOX))


def _narrowed(mask: np.ndarray, radius: float) -> np.ndarray:
    return ~_widened(~mask, radius)


def _widened(mask: np.ndarray, radius: float) -> np.ndarray:
    """Widened by a disc; beyond the frame's edge the picture is taken to go on."""
    if not mask.any():  # no distance to nothing
        return mask
    return np.asarray(scipy.ndimage.distance_transform_edt(~mask) <= radius)


REGIONS = "regions.npy"
FOUND = 200  # images worth the start of a process
CHUNK = 32  # images a job


def write_regions(folder: Path, *, images: Path, local: bool = False) -> None:
    """Writes REGIONS, int64 (N, 4): x0, y0, x1, y1; zeros where nothing is found.

    Args:
        images: A folder that RaggedImages opens.
    """
    count, find = len(RaggedImages(images)), partial(_regions_of_chunk, images, local)
    regions = [each for part in mapped_over(count, CHUNK, find, worth=FOUND) for each in part]
    np.save(folder / REGIONS, np.array(regions, dtype=np.int64).reshape(-1, 4))


def _regions_of_chunk(images: Path, local: bool, positions: range) -> list[Region]:
    source = RaggedImages(images)
    found = (tissue_region(source.image(position), local=local) for position in positions)
    return [region or (0, 0, 0, 0) for region in found]
