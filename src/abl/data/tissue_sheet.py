"""A contact sheet of frames with their tissue regions: `abl data tissue --sheet`."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from abl.data.dataset import BOX, Dataset

WIDTH, HEIGHT, CAPTION = 280, 200, 14  # of a cell, in pixels; the caption's line is below it
ACROSS, CELLS = 5, 30
REGION, NODULE, TEXT = (255, 220, 0), (0, 220, 255), (255, 255, 255)


def write_sheet(
    path: Path,
    dataset: Dataset,
    regions: np.ndarray,
    order: np.ndarray,
    kept: np.ndarray,
    *,
    cells: int = CELLS,
) -> int:
    """Draws frames as a PNG: the region yellow, the nodule's box light blue.

    Args:
        path: Is replaced if it is there.
        dataset: Its source decodes.
        regions: int64 (N, 4): x0, y0, x1, y1.
        order: Rows, those to draw first.
        kept: float64 (N,): share of the nodule that is kept, nan where it is not known.
        cells: Frames drawn at most.

    Returns:
        How many were drawn.
    """
    chosen = order[:cells]
    down = -(-len(chosen) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * WIDTH, down * (HEIGHT + CAPTION)))
    has_boxes = set(BOX) <= set(dataset.frame.columns)
    for place, row in enumerate(int(each) for each in chosen):
        box = dataset.frame.loc[row, list(BOX)].to_numpy(dtype=np.float64) if has_boxes else None
        cell = _cell(dataset.source.decode(row), regions[row], box)
        name = str(dataset.frame.loc[row, "image"])
        share = "" if np.isnan(kept[row]) else f"  nodule {np.floor(1000 * kept[row]) / 10:g} %"
        ImageDraw.Draw(cell).text((2, HEIGHT + 1), f"{name[-28:]}{share}", fill=TEXT)
        sheet.paste(cell, (place % ACROSS * WIDTH, place // ACROSS * (HEIGHT + CAPTION)))
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    sheet.save(fresh, format="PNG")
    os.replace(fresh, path)
    return len(chosen)


def _cell(frame: np.ndarray, region: np.ndarray, box: np.ndarray | None) -> Image.Image:
    """A frame reduced to a cell, with what is drawn on it, above an empty caption."""
    picture = Image.fromarray(frame).convert("RGB")
    share = min((WIDTH - 2) / picture.width, (HEIGHT - 2) / picture.height)
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    picture = picture.resize(size, Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    for edges, colour in ((box, NODULE), (region, REGION)):
        if edges is None or np.isnan(edges).any():
            continue
        x0, y0, x1, y1 = np.asarray(edges, dtype=np.float64) * share
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colour)
    cell = Image.new("RGB", (WIDTH, HEIGHT + CAPTION))
    cell.paste(picture, (0, 0))
    return cell
