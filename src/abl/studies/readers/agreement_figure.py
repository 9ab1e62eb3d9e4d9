"""The figure of how far each two raters agree, as a matrix."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from abl.report.figures.style import caption, grid_of_panels, own_style, wrapped
from abl.studies.readers.agreeing import OF_PAIR
from abl.studies.readers.figures import MOST_RATERS, leave_room, treatments_in_order


def agreement_figure(agreement: pd.DataFrame, first: str | None = None) -> Figure | None:
    """A panel a treatment: Cohen's kappa of each two raters."""
    pairs = agreement[(agreement["what"] == OF_PAIR).to_numpy()] if len(agreement) else agreement
    if pairs.empty:
        return None
    named = pairs["treatment"][(pairs["treatment"] != "").to_numpy()]
    treatments = treatments_in_order(named, first) or [""]
    names = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))[:MOST_RATERS]
    side = max(2.6, 0.42 * len(names) + 0.6)
    with own_style():
        figure, grid = grid_of_panels(
            len(treatments), columns=2, width_in=side + 0.8, height_in=side,
            margins_in=(1.6, 1.6), share=False,
        )  # fmt: skip
        image = None
        for place, treatment in zip(grid, treatments, strict=True):
            of_this = pairs["treatment"].isin([treatment, ""]).to_numpy()
            image = _draw_matrix(place, pairs[of_this], names)
            if treatment:
                place.set_title(treatment, fontsize=9)
        if image is not None:
            bar = figure.colorbar(image, ax=grid, shrink=0.7, aspect=25)
            bar.set_label("Cohen's kappa", fontsize=8)
        text = (
            "Cohen's kappa of each two raters on the images that both answered; readers first, "
            "then arms."
        )
        known = len(dict.fromkeys([*pairs["first"], *pairs["second"]]))
        cut = f"{len(names)} of {known} raters" if known > len(names) else ""
        leave_room(figure)
        caption(figure, "Agreement of readers and arms", text, cut)
    return figure


def _draw_matrix(place: Axes, pairs: pd.DataFrame, names: Sequence[str]) -> mpl.cm.ScalarMappable:
    values = np.full((len(names), len(names)), np.nan)
    for row in pairs.to_dict("records"):
        if row["first"] in names and row["second"] in names:
            one, other = names.index(row["first"]), names.index(row["second"])
            values[one, other] = values[other, one] = row["value"]
    image = place.imshow(values, cmap="Blues", vmin=0, vmax=1)
    size = 7.5 if len(names) <= 10 else 6
    for one, other in np.argwhere(~np.isnan(values)).tolist():
        kappa = values[one, other]
        colour = "white" if kappa > 0.6 else "black"
        text = f"{kappa:.2f}".replace("0.", ".", 1)
        place.text(other, one, text, ha="center", va="center", fontsize=size, color=colour)
    shown = [wrapped(name, 18, lines=2) for name in names]
    place.set_xticks(range(len(names)), shown, rotation=90, fontsize=7.5)
    place.set_yticks(range(len(names)), shown, fontsize=7.5)
    place.grid(visible=False)
    return image
