"""What `abl data tissue --sheet` draws: a contact sheet of frames with their regions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from abl.data.dataset import BOX, Dataset
from abl.outputs import write_drawing

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

WIDTH, HEIGHT = 280, 200  # of a cell without its caption, in pixels
LETTERS, LINE, MARGIN = 13, 17, 4  # of a caption: size of its letters, height of a line
ACROSS, CELLS = 5, 30  # frames in a row, and drawn at most
NAME_LINES = 3  # of a caption; of a longer name the end is shown
REGION, NODULE, TEXT = (255, 220, 0), (0, 220, 255), (255, 255, 255)


def write_sheet(
    path: Path, dataset: Dataset, regions: np.ndarray, order: np.ndarray, said: Sequence[str]
) -> int:
    """Draws frames as a PNG: the region yellow, the nodule's box light blue, words under them.

    Args:
        path: Is replaced if it is there.
        regions: int64 (N, 4): x0, y0, x1, y1.
        order: Rows, those to draw first.
        said: Of each row, a few words for the line under its name.

    Returns:
        How many were drawn.
    """
    chosen = [int(row) for row in order[:CELLS]]
    font = ImageFont.load_default(LETTERS)
    names = dataset.frame["image"].astype(str).tolist()
    captions = [[*_name_lines(names[row], font), *_lines(said[row], font)] for row in chosen]
    height = HEIGHT + LINE * max(map(len, captions), default=0) + MARGIN
    down = -(-len(chosen) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * WIDTH, down * height))
    has_boxes = set(BOX) <= set(dataset.frame.columns)
    for place, row in enumerate(chosen):
        box = dataset.frame.loc[row, list(BOX)].to_numpy(dtype=np.float64) if has_boxes else None
        left, top = place % ACROSS * WIDTH, place // ACROSS * height
        sheet.paste(_drawn(dataset.source.decode(row), regions[row], box), (left, top))
        write = ImageDraw.Draw(sheet)
        for at, line in enumerate(captions[place]):
            write.text((left + MARGIN, top + HEIGHT + at * LINE), line, fill=TEXT, font=font)
    write_drawing(path, sheet)
    return len(chosen)


def _name_lines(name: str, font: Font) -> list[str]:
    """A name on lines as wide as a cell; the end of one that is too long, behind an ellipsis."""
    lines = _lines(name, font)
    start = 0
    while len(lines) > NAME_LINES:
        start += 1
        lines = _lines(f"...{name[start:]}", font)
    return lines


def _lines(text: str, font: Font) -> list[str]:
    """The text on lines as wide as a cell, broken behind any letter: names have no spaces."""
    lines = [""]
    for letter in text:
        if font.getlength(lines[-1] + letter) > WIDTH - 2 * MARGIN:
            lines.append("")
        lines[-1] += letter
    return lines


def _drawn(frame: np.ndarray, region: np.ndarray, box: np.ndarray | None) -> Image.Image:
    """A frame reduced to a cell, with what is drawn on it."""
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
    return picture
