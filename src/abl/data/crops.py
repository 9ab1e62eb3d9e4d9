"""Boxes and regions of images, and the windows around them that networks see."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abl.data.dataset import BOX, ROI
from abl.errors import InputError, Problem, raise_if_any
from abl.spec.data import Crop

NOTHING_FOUND = (
    "no tissue is found in it; leave its row out, or name the region in columns roi_x0, roi_y0, "
    "roi_x1, roi_y1 and cut with crop: {to: roi}"
)


def crop_windows(
    boxes: np.ndarray, heights: np.ndarray, widths: np.ndarray, crop: Crop
) -> np.ndarray:
    """Windows around boxes, or around whole frames.

    A box is widened to whole pixels, then by the margin on every side, then to a square. A window
    that leaves the image is shifted back inside, so that the network sees tissue at true scale;
    along a side where it is larger than the image it is centred on it, and what lies outside is
    black.

    Args:
        boxes: (N, 4) float64: x0, y0, x1, y1, in pixels of images of these sizes. Not read with
            `to: frame`.
        heights, widths: (N,) of the images.

    Returns:
        (N, 4) int64: x0, y0 (may be negative), x1, y1 (exclusive).
    """
    if crop.to == "frame":
        corner = np.zeros(len(heights), dtype=np.int64)
        low = np.stack([corner, corner], axis=1)
        high = np.stack([widths, heights], axis=1).astype(np.int64)
    else:
        # boxes scaled with a reduced image carry rounding errors
        low = np.floor(boxes[:, :2] + 1e-6).astype(np.int64)
        high = np.ceil(boxes[:, 2:] - 1e-6).astype(np.int64)
    margin = np.rint(crop.margin * (high - low).max(axis=1, keepdims=True)).astype(np.int64)
    low, high = low - margin, high + margin
    if crop.square:
        side = (high - low).max(axis=1, keepdims=True)
        low = low - (side - (high - low)) // 2
        high = low + side
    frame = np.stack([widths, heights], axis=1).astype(np.int64)
    extent = high - low
    inside = np.clip(low, 0, np.maximum(frame - extent, 0))
    low = np.where(extent <= frame, inside, -((extent - frame) // 2))
    return np.concatenate([low, low + extent], axis=1)


def boxes_for(frame: pd.DataFrame, crop: Crop) -> np.ndarray:
    """(N, 4) float64: what the crop is around, x0, y0, x1, y1; (0, 4) for the frame, and for the
    tissue, which is found in the pixels.

    Raises:
        InputError: The columns are missing, or images lack a value: each is named.
    """
    if crop.to in ("frame", "tissue"):
        return np.empty((0, 4))
    names = BOX if crop.to == "box" else ROI
    lacking = [name for name in names if name not in frame]
    if lacking:
        raise InputError(
            f"crop.to: {crop.to} needs the columns {', '.join(names)}; "
            f"the data set has no {', '.join(lacking)}"
        )
    boxes = frame[list(names)].to_numpy(dtype=np.float64)
    missing = np.flatnonzero(np.isnan(boxes).any(axis=1))
    raise_if_any(
        [
            Problem(
                f"has no {crop.to}, which crop.to: {crop.to} needs; "
                f"data: {{drop_missing: [{crop.to}]}} leaves such images out",
                file=str(image),
            )
            for image in frame["image"].iloc[missing]
        ]
    )
    return boxes


def areas_of(regions: np.ndarray) -> np.ndarray:
    """(N,): pixels within rectangles (N, 4)."""
    return (regions[:, 2] - regions[:, 0]) * (regions[:, 3] - regions[:, 1])


def nothing_found(images: pd.Series, regions: np.ndarray) -> list[Problem]:
    """A problem for each image (its name) whose tissue region, a row of (N, 4), is empty."""
    lacking = np.flatnonzero(areas_of(regions) == 0)
    return [Problem(NOTHING_FOUND, file=str(image)) for image in images.iloc[lacking]]


def box_problems(
    frame: pd.DataFrame, heights: np.ndarray, widths: np.ndarray
) -> list[tuple[int, str]]:
    """Position and words for each box or region that leaves its image; sizes are (N,)."""
    problems = []
    for names in (BOX, ROI):
        if not set(names) <= set(frame.columns):
            continue
        x0, y0, x1, y1 = frame[list(names)].to_numpy(dtype=np.float64).T
        outside = (x0 < 0) | (y0 < 0) | (x1 > widths) | (y1 > heights)
        for row in np.flatnonzero(outside):
            box = ", ".join(f"{edge[row]:g}" for edge in (x0, y0, x1, y1))
            size = f"{widths[row]} pixels wide and {heights[row]} high"
            text = f"has {names[0][:3]} ({box}), which leaves the image, {size}"
            problems.append((int(row), text))
    return problems


def with_sizes(
    frame: pd.DataFrame, sizes: pd.DataFrame, box_sizes: np.ndarray | None = None
) -> pd.DataFrame:
    """The frame with the sizes beside it and its boxes in the pixels of the reduced images.

    Args:
        frame: Boxes in pixels of the source images, or of images of `box_sizes`.
        sizes: height, width, source_height, source_width (and more); the same rows.
        box_sizes: (N, 2) height, width of the images whose pixels boxes are in.
    """
    kept = frame.drop(columns=[name for name in sizes if name in frame]).reset_index(drop=True)
    joined = pd.concat([kept, sizes], axis=1)
    if box_sizes is None:
        box_sizes = joined[["source_height", "source_width"]].to_numpy()
    for axis, side, whole in (("x", "width", box_sizes[:, 1]), ("y", "height", box_sizes[:, 0])):
        share = joined[side] / whole
        for name in (*BOX, *ROI):
            if name in joined and name[-2] == axis:
                joined[name] = joined[name] * share
    return joined
