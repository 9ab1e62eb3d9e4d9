"""What the four columns of a box can hold, and how each becomes pixels: x0, y0 (inclusive), x1, y1
(exclusive).

Sources: Pascal VOC devkit (one_based: pixels counted from 1, both ends inside the box), COCO "data
format" (xywh), YOLO's label files (yolo: centre and size as shares of width and height).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NEAR = 0.25  # pixels, at most: an edge that a rounded share misses a whole pixel by


@dataclass(frozen=True)
class BoxFormat:
    """How four numbers say where a box is.

    Attributes:
        holds: In words.
        kind: corners (x0, y0, x1, y1), size (x0, y0, width, height) or centre (x, y, then the
            same).
        is_share: Of the width and height of the image, not pixels.
        first: Number of the first pixel.
        takes_end: Whether x1, y1 are the last pixels inside the box.
    """

    holds: str
    kind: str = "corners"
    is_share: bool = False
    first: int = 0
    takes_end: bool = False


FORMATS = {
    "pixels": BoxFormat("x0, y0, x1, y1 in pixels, x1 and y1 one past the box"),
    "inclusive": BoxFormat("x0, y0, x1, y1, the last pixels inside the box", takes_end=True),
    "one_based": BoxFormat(
        "as in Pascal VOC: pixels counted from 1, the last ones inside the box",
        first=1,
        takes_end=True,
    ),
    "xywh": BoxFormat("x0, y0, width, height in pixels, as in COCO", "size"),
    "cxcywh": BoxFormat("centre x, y, width, height in pixels", "centre"),
    "shares": BoxFormat("x0, y0, x1, y1 as shares of the image", is_share=True),
    "shares_xywh": BoxFormat("x0, y0, width, height as shares of the image", "size", True),
    "yolo": BoxFormat("centre x, y, width, height as shares of the image", "centre", True),
}


def in_pixels(values: np.ndarray, sizes: np.ndarray, name: str, *, decimals: int = 9) -> np.ndarray:
    """Boxes as written, in pixels.

    Shares are rounded where they are written: an edge that lies so near a whole pixel, or so little
    outside the image, is taken to be there.

    Args:
        values: float64 (N, 4), nan where unknown.
        sizes: (N, 2): height, width of the images; read of shares alone.
        name: Of FORMATS.
        decimals: Digits behind the point of the shares.

    Returns:
        float64 (N, 4): x0, y0, x1, y1 (exclusive). Nothing is checked.
    """
    form = FORMATS[name]
    low, high = values[:, :2].copy(), values[:, 2:].copy()
    if form.kind == "centre":
        low -= high / 2
    if form.kind != "corners":
        high += low
    low -= form.first
    high += form.takes_end - form.first
    if not form.is_share:
        return np.concatenate([low, high], axis=1)
    frame = np.asarray(sizes, dtype=np.float64)[:, ::-1]
    edges = np.concatenate([low * frame, high * frame], axis=1)
    # a centre and half a size, each rounded, some to a digit less than others
    off = np.minimum(NEAR, 7.5 * 10.0**-decimals * np.concatenate([frame, frame], axis=1))
    off = np.maximum(off, 1e-6)
    whole = np.rint(edges)
    edges = np.where(np.abs(edges - whole) <= off, whole, edges)
    return edges + 0.0  # no -0


def boxes_inside(
    values: np.ndarray, sizes: np.ndarray, name: str, *, decimals: int = 9
) -> np.ndarray:
    """bool (N,): which rows (float64 (N, 4), none nan) are boxes inside their images, so read."""
    if FORMATS[name].is_share and values.max(initial=0) > 1 + 10.0**-decimals:
        return np.zeros(len(values), bool)
    x0, y0, x1, y1 = in_pixels(values, sizes, name, decimals=decimals).T
    height, width = np.asarray(sizes).T
    inside: np.ndarray = (x0 >= 0) & (y0 >= 0) & ~(x1 > width) & ~(y1 > height)
    return inside & (x0 < x1) & (y0 < y1)


def other_formats(
    values: np.ndarray, sizes: np.ndarray, *, decimals: int, among: Sequence[str] = tuple(FORMATS)
) -> list[str]:
    """The formats in which every row is a box inside its image."""
    return [name for name in among if boxes_inside(values, sizes, name, decimals=decimals).all()]


def format_advice(names: Sequence[str]) -> str:
    """What to type for boxes that may be of these formats."""
    told = [f"data: {{box_format: {name}}} ({FORMATS[name].holds})" for name in names]
    return f"write {' or '.join(told)}"


FEWEST = 10  # boxes from which a pattern in all of them is no accident
TOUCHING = 2


def box_doubts(values: np.ndarray, heights: np.ndarray, widths: np.ndarray) -> list[str]:
    """What boxes read as pixels look like instead, though each lies in its image; words to put
    behind the name of the columns.

    Args:
        values: float64 (N, 4), none nan.
        heights, widths: (N,) of the images.
    """
    if not len(values):
        return []
    found = []
    x0, y0, x1, y1 = values.T
    sizes = np.stack([heights, widths], axis=1)
    whole = bool((values == np.rint(values)).all())
    starts = np.concatenate([x0, y0])
    ends = np.concatenate([widths - x1, heights - y1])
    if len(values) >= FEWEST and boxes_inside(values, sizes, "xywh").all():
        found.append(
            f"x0 + x1 and y0 + y1 never pass the image's end in {len(values)} rows, as if every "
            "box had its centre in the upper left quarter: should they be x, y, width, height, "
            + format_advice(["xywh"])
        )
    elif whole and starts.min() == 1 and (starts == 1).sum() >= TOUCHING and ends.min() == 0:
        # a margin of one pixel would be there at the other end too
        found.append(
            f"none begins at 0, {(starts == 1).sum()} edges begin at 1 and some end at the image's "
            "end: should pixels be counted from 1, " + format_advice(["one_based"])
        )
    elif whole and starts.min() == 0 and ends.min() == 1 and (ends == 1).sum() >= TOUCHING:
        found.append(
            f"none ends at the image's end and {(ends == 1).sum()} edges end one pixel before it: "
            "should x1 and y1 be the last pixels inside the box, " + format_advice(["inclusive"])
        )
    return found
