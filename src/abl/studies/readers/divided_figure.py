"""The figure of images on which all readers say one thing and all arms the other."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from abl.report.figures.style import caption, grid_of_panels, own_style, wrapped
from abl.report.labels import counted
from abl.report.pictures import Picture, Pictures
from abl.studies.readers.divided import READERS_RIGHT


def divided_figure(
    pictures: Pictures | None, divided: pd.DataFrame, classes: Sequence[str]
) -> Figure | None:
    """The pictures, each with its true class and what readers and arms call it."""
    if pictures is None or not pictures.rows or divided.empty:
        return None
    with own_style():
        figure, grid = grid_of_panels(
            len(pictures.rows), width_in=1.9, height_in=2.35, margins_in=(0.3, 1.1), share=False
        )
        for place, row in zip(grid, pictures.rows, strict=True):
            pixels = row.pixels[:3] if len(row.pixels) >= 3 else row.pixels[:1].repeat(3, axis=0)
            place.imshow(pixels.transpose(1, 2, 0))
            place.set_xticks([])
            place.set_yticks([])
            place.grid(visible=False)
            is_own = (divided["image"] == row.name) & (divided["why"] == row.why)
            named = [each for each in dict.fromkeys(divided["treatment"][is_own]) if each]
            name = row.name if len(row.name) <= 24 else f"…{row.name[-23:]}"
            place.set_title(_words(classes, row, named), fontsize=8)
            place.set_xlabel(name, fontsize=6.5)
        counts = divided.drop_duplicates(["image", "why"])["why"].value_counts()
        told = ", ".join(f"{why}: {counted(int(n), 'image')}" for why, n in counts.items())
        shown = len(pictures.rows)
        cut = f"{shown} of {int(counts.sum())} images" if shown < counts.sum() else ""
        text = (
            "Images to which all readers who answered give one class and all arms the other; above "
            "each its true class, what the readers call it (in brackets the treatments in which "
            f"they do) and what the arms call it. {told}. Chosen for being divided, they are no "
            "fair sample."
        )
        caption(figure, wrapped("Readers and arms divided", 60), text, cut)
    return figure


def _words(classes: Sequence[str], row: Picture, treatments: Sequence[str]) -> str:
    true, other = classes[row.label], classes[1 - row.label]
    readers, arms = (true, other) if row.why == READERS_RIGHT else (other, true)
    told = f"readers ({', '.join(treatments)})" if treatments else "readers"
    lines = (f"truth: {true}", f"{told}: {readers}", f"arms: {arms}")
    return "\n".join(wrapped(each, 30) for each in lines)
