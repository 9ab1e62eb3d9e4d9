"""Confusion matrices of many arms: per cent of the true class, one small panel an arm."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from abl.report.figures.arms import Shown
from abl.report.figures.predictions import MOST_CLASSES_WITH_NUMBERS, mean_confusion
from abl.report.figures.style import caption, grid_of_panels, own_style, wrapped

MOST_PANELS = 12
_DARK = 55


def percent_confusion_figure(shown: Shown, classes: tuple[str, ...]) -> Figure | None:
    """One panel an arm; rows are true classes and sum to 100. None without predictions."""
    if not shown.arms:
        return None
    size = shown.arms[0].scores[0].p.shape[1]
    names = list(classes) if len(classes) == size else [str(at) for at in range(size)]
    short = [wrapped(name, 10, lines=2) for name in names]
    with own_style():
        figure, grid = grid_of_panels(
            len(shown.arms), width_in=1.9, height_in=1.95, margins_in=(0.8, 1.0)
        )
        for place, arm in zip(grid, shown.arms, strict=True):
            counts = mean_confusion(arm)
            total = counts.sum(axis=1, keepdims=True)
            share = np.divide(100 * counts, total, out=np.zeros_like(counts), where=total > 0)
            place.imshow(share, cmap="Blues", vmin=0, vmax=100)
            place.grid(visible=False)
            for row, column in np.ndindex(*share.shape):
                if size > MOST_CLASSES_WITH_NUMBERS:
                    break
                place.text(
                    column, row, f"{share[row, column]:.0f} %", ha="center", va="center",
                    color="w" if share[row, column] > _DARK else "k", fontsize=8.5,
                )  # fmt: skip
            role = " (base)" if arm.base else " (best)" if arm.best else ""
            place.set_title(wrapped(arm.label + role, 24), fontsize=8)
            place.set_xticks(range(size), short, fontsize=7.5)
            place.set_yticks(range(size), short, fontsize=7.5, rotation=90, va="center")
            place.tick_params(length=0)
        figure.supxlabel("final class", fontsize=9)
        figure.supylabel("true class", fontsize=9)
        text = (
            "Confusion matrices on the test sets in per cent of each true class, averaged over "
            "replicates."
        )
        caption(figure, "Confusion matrices on the test sets", text, shown.cut)
    return figure
