"""Reads the boxes and regions of a manifest into pixels; what does not fit is told, with the format
that would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from abl.data.box_formats import FORMATS, box_doubts, format_advice, in_pixels, other_formats
from abl.data.dataset import BOX, ROI, ROI_OF
from abl.data.images import file_size
from abl.data.tables.rows import Rows
from abl.errors import InputError, Problem

PIXELS = "pixels"
MOST_DECIMALS = 9
MOST_SHARE = 1.5  # a share above it is none; those a little above 1 leave their image
MANY = 2  # inverted boxes that speak of the format, not of their rows
READERS = 16

Sizes = Callable[[np.ndarray], tuple[np.ndarray, list[Problem]]]


def with_box(
    frame: pd.DataFrame,
    rows: Rows,
    names: tuple[str, ...],
    problems: list[Problem],
    folder: str,
    box_format: str = PIXELS,
) -> pd.DataFrame:
    """The frame with the four columns of a box in pixels as float64, nan where it is not known.

    Args:
        rows: The manifest as written, in the same order.
        names: Columns of the box, or of the region.
        problems: Gets what is wrong, each with its row; what is wrong with all rows, once.
        folder: Of the manifest. Sizes of images are read, of their headers, for shares, and where
            boxes do not fit as they are.
        box_format: What the columns hold, of FORMATS.
    """
    there = [name for name in names if name in frame]
    if not there:
        return frame
    if len(there) < len(names):
        lacking = ", ".join(name for name in names if name not in there)
        problems.append(rows.header_problem(f"has {there[0]} but no {lacking}"))
        return frame
    what, form = names[0][:3], FORMATS[box_format]
    values, faults = _numbers(rows, names)
    known = np.flatnonzero(~np.isnan(values).any(axis=1))
    sizes_of = partial(_sizes, rows, folder)
    # a manifest of pixels has no use for the digits of shares
    is_share = form.is_share or bool(values[known].max(initial=2.0) <= 1)
    decimals = _decimals(rows, names) if is_share else 0
    cause = _of_another_format(values[known], known, what, box_format, decimals, sizes_of)
    if cause:
        problems += [Problem(cause, file=rows.file), *faults]
        return frame.assign(**dict.fromkeys(names, math.nan))
    sizes = np.full((len(values), 2), np.nan)
    if form.is_share:
        sizes[known], unread = sizes_of(known)
        faults += unread
    edges = in_pixels(values, sizes, box_format, decimals=decimals)
    faulty = np.zeros(len(edges), bool)
    for row in known[_doubtful(values[known], edges[known], form.is_share)]:
        if text := _fault(values[row], edges[row], what, box_format):
            faults.append(rows.problem(int(row), text))
            faulty[row] = True
    problems += faults
    edges[faulty] = np.nan
    return frame.assign(**dict(zip(names, edges.T, strict=True)))


def _numbers(rows: Rows, names: tuple[str, ...]) -> tuple[np.ndarray, list[Problem]]:
    """Boxes as written (N, 4), nan where there is none; what is no number."""
    values = np.full((len(rows.numbers), len(names)), np.nan)
    problems = []
    for position, texts in enumerate(zip(*(rows.given(name) for name in names), strict=True)):
        if not any(texts):
            continue
        try:
            found = [float(text) for text in texts]
        except ValueError:
            found = [math.nan]
        if not all(map(math.isfinite, found)):
            problems.append(rows.problem(position, f"{names[0][:3]} needs four numbers or none"))
            continue
        values[position] = found
    return values, problems


def _decimals(rows: Rows, names: tuple[str, ...]) -> int:
    """Most digits that are written behind a point."""
    texts = (text for name in names for text in rows.text(name))
    return min(MOST_DECIMALS, max((len(each.partition(".")[2]) for each in texts), default=0))


def _doubtful(values: np.ndarray, edges: np.ndarray, is_share: bool) -> np.ndarray:
    """bool (n,): boxes that `_fault` may have something to say of."""
    x0, y0, x1, y1 = edges.T
    small = (x1 <= 1) & (y1 <= 1)
    found: np.ndarray = (x1 <= x0) | (y1 <= y0) | (x0 < 0) | (y0 < 0) | small
    return found | (values.max(axis=1) > MOST_SHARE) if is_share else found


def _fault(values: np.ndarray, edges: np.ndarray, what: str, box_format: str) -> str:
    """What is wrong with a box by itself, "" if nothing is."""
    x0, y0, x1, y1 = edges
    written = ", ".join(f"{value:g}" for value in values)
    as_read = "" if box_format == PIXELS else f", read as {box_format}"
    if FORMATS[box_format].is_share and values.max() > MOST_SHARE:
        return f"{what} ({written}) is no share of the image: a value is above 1"
    if x1 <= x0 or y1 <= y0:
        if box_format == PIXELS:
            return f"{what} is inverted or empty: x0 {x0:g}, y0 {y0:g}, x1 {x1:g}, y1 {y1:g}"
        return f"{what} ({written}){as_read} is inverted or empty"
    if x0 < 0 or y0 < 0:
        if box_format == PIXELS:
            return f"{what} leaves the image: x0 or y0 below 0"
        return f"{what} ({written}){as_read} leaves the image: it begins at {x0:g}, {y0:g}"
    if box_format == PIXELS and x1 <= 1 and y1 <= 1:
        return (
            f"{what} ({written}) lies within the first pixel: a share of the image? "
            "Write it in pixels, as the others"
        )
    return ""


def _of_another_format(
    values: np.ndarray,
    known: np.ndarray,
    what: str,
    box_format: str,
    decimals: int,
    sizes_of: Sizes,
) -> str:
    """One line for boxes (N, 4) of rows `known` that all speak for another format; "" if they do
    not.
    """
    if not len(values):
        return ""
    form = FORMATS[box_format]
    which = f"boxes ({BOX[0]}, ...)" if what == BOX[0][:3] else f"regions ({ROI[0]}, ...)"
    every = f"all {len(values)} {which}" if len(values) > 1 else f"the only one of the {which}"
    if not form.is_share and values.max() <= 1:
        sizes, _ = sizes_of(known)
        shares = [name for name, each in FORMATS.items() if each.is_share]
        fitting = other_formats(values, sizes, decimals=decimals, among=shares) or shares
        return (
            f"{every} lie within 1 x 1 pixel: shares of the image, where pixels are wanted; "
            f"{format_advice(fitting)}"
        )
    edges = in_pixels(values, np.ones((len(values), 2)), box_format, decimals=decimals)
    if form.is_share:
        if np.median(values.max(axis=1)) <= MOST_SHARE:
            return ""
        return (
            f"{every} have values up to {values.max():g}, and box_format: {box_format} wants "
            f"shares between 0 and 1; {format_advice(['pixels', 'xywh', 'cxcywh'])}"
        )
    inverted = (edges[:, 2:] <= edges[:, :2]).any(axis=1)
    if form.kind != "corners" or inverted.sum() < MANY:
        return ""
    sizes, _ = sizes_of(known)
    fitting = other_formats(values, sizes, decimals=decimals, among=["xywh", "cxcywh"])
    if not fitting:
        return ""
    return (
        f"{what}: in {inverted.sum()} of {len(values)} rows x1 is not above x0, or y1 not above "
        f"y0, and all of them fit their images as x, y, width, height; {format_advice(fitting)}"
    )


def _sizes(rows: Rows, folder: str, positions: np.ndarray) -> tuple[np.ndarray, list[Problem]]:
    """(N, 2) height, width of the images of these rows, by their headers; nan and a problem where
    there is none.
    """
    paths = rows.text("image")

    def size(row: int) -> tuple[float, float] | Problem:
        try:
            return file_size(folder, paths[row])
        except InputError as error:
            return rows.problem(row, f"image '{paths[row]}' {error.problems[0].message}")

    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(size, positions.tolist()))
    sizes = [(math.nan, math.nan) if isinstance(each, Problem) else each for each in found]
    problems = [each for each in found if isinstance(each, Problem)]
    return np.array(sizes, dtype=np.float64).reshape(-1, 2), problems


def doubts_of(frame: pd.DataFrame, heights: np.ndarray, widths: np.ndarray) -> list[str]:
    """What boxes and regions look like instead of pixels from x0, y0 up to x1, y1, a line each.

    Args:
        frame: Of a data set, boxes in pixels.
        heights, widths: (N,) of the images.
    """
    found = []
    for names in (BOX, ROI):
        if not set(names) <= set(frame.columns):
            continue
        values = frame[list(names)].to_numpy(dtype=np.float64)
        known = ~np.isnan(values).any(axis=1)
        if names == ROI and ROI_OF in frame:
            known &= (frame[ROI_OF] == "").to_numpy(bool)  # files say it in their own way
        what = f"{names[0]}, {names[1]}, {names[2]}, {names[3]}"
        said = box_doubts(values[known], heights[known], widths[known])
        found += [f"{what}: {text}" for text in said]
    return found
