"""Figures of a two-step sweep: the selectors' confidences, and where O and T look."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from abl.plan.outcome import Outcome
from abl.report.figures.networks import confidence_label
from abl.report.figures.style import (
    SKY,
    VERMILION,
    caption,
    grid_of_panels,
    label_below,
    own_style,
    unit_square,
    wrapped,
)
from abl.studies.two_step.selectors import (
    IN_SAMPLE,
    OUT_OF_FOLD,
    WAYS,
    groups_in,
    named_thresholds,
    shares_said,
    ways_in,
)

_BINS = np.linspace(0.0, 1.0, 11)
MOST_PANELS = 12  # five selectors and their total, judged in both ways
ASKED = {
    IN_SAMPLE: "the images that they were trained on",
    OUT_OF_FOLD: "training images that were held out from their networks",
}
BOTH_WAYS = (
    "training images: those that they were trained on (in sample), and those that were held out "
    "from their networks (out of fold)"
)


def selectors_figure(outcome: Outcome, frame: pd.DataFrame) -> Figure | None:
    """Histogram and cumulative share of each selector's confidences, and of all; None without."""
    if frame.empty:
        return None
    groups, cuts, ways = groups_in(frame), named_thresholds(outcome), ways_in(frame)
    shown = groups if len(groups) <= MOST_PANELS else [*groups[: MOST_PANELS - 1], groups[-1]]
    with own_style():
        figure, grid = grid_of_panels(len(shown), columns=3, width_in=2.6, height_in=2.1)
        for place, (name, way, rows) in zip(grid, shown, strict=True):
            title = f"{name}, {WAYS[way]}" if len(ways) > 1 else name
            confidence, right = rows["confidence"].to_numpy(), rows["right"].to_numpy(dtype=bool)
            share_right = np.histogram(confidence[right], _BINS)[0] / len(rows)
            share = np.histogram(confidence, _BINS)[0] / len(rows)
            place.stairs(share_right, _BINS, fill=True, color=SKY)
            place.stairs(share, _BINS, baseline=share_right, fill=True, color=VERMILION)
            at = np.linspace(0.0, 1.0, 201)
            below = np.searchsorted(np.sort(confidence), at, side="left") / len(confidence)
            place.plot(at, below, color="k", lw=1.2)
            for cut in cuts:
                place.axvline(cut, color="k", lw=0.9, ls=":")
            shares = wrapped(shares_said(cuts, confidence), 40)
            place.set_title(f"{wrapped(title, 34)}\n{shares}", fontsize=8)
        unit_square(grid, equal=False)
        label_below(grid, confidence_label(len(outcome.facts.classes)))
        figure.supylabel("share of the training images", fontsize=9)
        handles: list[Line2D | Patch] = [
            Patch(color=SKY, label="right"),
            Patch(color=VERMILION, label="wrong"),
            Line2D([], [], color="k", lw=1.2, label="cumulative"),
            Line2D([], [], color="k", lw=0.9, ls=":", label="T*"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8)
        text = (
            f"How sure the selectors are of {ASKED[ways[0]] if len(ways) == 1 else BOTH_WAYS}, "
            "replicates together: histogram, right and wrong answers stacked, cumulative share, "
            "and the share under each T* that an arm names."
        )
        left = f"{len(shown)} of {len(groups)} panels" if len(shown) < len(groups) else ""
        caption(figure, "Confidence of the selectors, training images", text, left)
    return figure
