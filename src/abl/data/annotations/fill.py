"""Outlines to pixels: one fill for every format, and run lengths.

The fill is that of COCO (pycocotools, Lin et al., "Microsoft COCO", ECCV 2014): a pixel belongs to
a polygon if its centre, at + 0.5, lies within, by even and odd crossings; parts are united, so that
a polygon within another makes no hole.

pycocotools reads and writes beyond its memory on broken run lengths, and takes memory by the length
of an outline (findings/pycocotools_broken_input.sh): run lengths are decoded here, and outlines
that reach far beyond their image are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from abl.errors import InputError
from abl.spec.limits import MAX_PIXELS

REACH = 10  # longest sides of the image that an outline may lie outside it
ALTERNATING = np.array([False, True])


def filled_polygons(polygons: Iterable[np.ndarray], height: int, width: int) -> np.ndarray:
    """The union of polygons, filled: bool (height, width).

    Args:
        polygons: float64 (P, 2) each: x, y. Those of fewer than three corners fill nothing.

    Raises:
        ValueError: A corner lies more than REACH images outside, in words to put behind a name.
        InputError: pycocotools is not installed.
    """
    mask = _pycocotools()
    runs = []
    limit = REACH * max(height, width)
    for polygon in polygons:
        # written so that nan is refused
        if not (np.all(polygon >= -limit) and np.all(polygon <= limit + limit // REACH)):
            raise ValueError("points lie far outside the image")
        if len(polygon) >= 3:  # two points are taken for a box, and a TypeError
            runs += mask.frPyObjects([polygon.ravel().tolist()], height, width)
    if not runs:
        return np.zeros((height, width), dtype=bool)
    return np.asarray(mask.decode(mask.merge(runs))).astype(bool)


def _pycocotools() -> Any:
    try:
        from pycocotools import mask
    except ImportError:
        raise InputError(
            "outlines are filled by pycocotools, which is not installed: pip install 'abl[medical]'"
        ) from None
    return mask


def ellipse_outline(
    centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0
) -> np.ndarray:
    """Corners of an ellipse, float64 (P, 2), a point a pixel of its outline or more.

    Args:
        angle: Of the first axis to x, in radians, clockwise as y points down.
    """
    count = int(np.clip(math.ceil(2 * math.pi * max(*radii, 1)), 32, 4096))
    turn = np.arange(count) * (2 * math.pi / count)
    x, y = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
    cos, sin = math.cos(angle), math.sin(angle)
    return np.stack([centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos], axis=1)


def turned_corners(box: tuple[float, float, float, float], degrees: float) -> np.ndarray:
    """The corners of a box x0, y0, x1, y1 turned about its middle: float64 (4, 2)."""
    x0, y0, x1, y1 = box
    angle = math.radians(degrees)
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)
    middle = corners.mean(axis=0)
    turn = np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])
    return (corners - middle) @ turn + middle


def run_lengths(
    counts: Sequence[float], height: int, width: int, *, by_rows: bool = False
) -> np.ndarray:
    """Pixels of run lengths, background first: bool (height, width).

    Args:
        counts: How many pixels of background, of the region, of background, ...
        by_rows: Whether pixels are counted along rows (CVAT) or down columns (COCO).

    Raises:
        ValueError: They are not run lengths of that many pixels, in words.
    """
    if height * width > MAX_PIXELS:
        raise ValueError(f"run lengths are of more than {MAX_PIXELS:,} pixels")
    if any(count < 0 or count != int(count) for count in counts):
        raise ValueError("run lengths are not whole numbers of pixels")
    if sum(counts) != height * width:
        raise ValueError(f"run lengths are of {sum(counts):.0f} pixels, not of {width} x {height}")
    values = np.resize(ALTERNATING, len(counts))
    pixels = np.repeat(values, np.array(counts, dtype=np.int64))
    return pixels.reshape((height, width), order="C" if by_rows else "F")


def compressed_counts(text: str) -> list[int]:
    """The run lengths in a compressed text of COCO (`rleToString` of its maskApi.c).

    Five bits a character from the lowest, + 48; bit 6 says that more follow, bit 5 of the last is
    the sign; from the fourth number on each is the difference to the one two before.

    Raises:
        ValueError: It is no such text.
    """
    counts: list[int] = []
    number, bits = 0, 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or bits > 60:
            raise ValueError("compressed run lengths are damaged")
        number |= (code & 31) << bits
        bits += 5
        if not code & 32:
            if code & 16:
                number -= 1 << bits
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number, bits = 0, 0
    if bits:
        raise ValueError("compressed run lengths are cut short")
    return counts
