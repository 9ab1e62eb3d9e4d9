"""Figures of the mask_guided study: placements, activation inside the nodule, and maps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from abl.plan.outcome import Outcome
from abl.report.figures.arms import base_of, best_of
from abl.report.figures.bars import MOST_ARMS, rows_of_arms
from abl.report.figures.over_axis import row_figure, series_over
from abl.report.figures.style import caption
from abl.report.labels import label_in
from abl.report.named import headed, words_of

INSIDE, PLACEMENT = "inside", "placement"
MOST_SERIES = 4
_LEVEL = re.compile(r"(-?)(L\d+)")


def inside_figure(outcome: Outcome) -> Figure | None:
    """Share of the activation inside the nodule by arm, with the share that a flat map would have.

    None if no arm has maps.
    """
    arms = [arm for arm in outcome.arms if INSIDE in arm.cells]
    cut = f"the first {MOST_ARMS} of {len(arms)} arms" if len(arms) > MOST_ARMS else ""
    arms = arms[:MOST_ARMS]
    areas: Mapping[str, float] = outcome.facts.activation.get("area", {})
    flat = [areas[arm.key] for arm in arms if arm.key in areas]
    figure, _ = rows_of_arms(
        outcome, arms, INSIDE, "share of the activation inside the nodule", areas,
        f"a flat map: {np.mean(flat):.3f}" if flat else "",
    )  # fmt: skip
    if figure is None:
        return None
    text = (
        "Share of the class activation map (Grad-CAM) that lies inside the nodule, mean over "
        "test images and replicates with its 95 % interval over patients. A flat map has the "
        "nodule's share of the image. Not tested, and nothing is chosen by it."
    )
    caption(figure, "Activation inside the nodule", text, cut)
    return figure


def placement_figure(outcome: Outcome) -> Figure | None:
    """The primary metric by placement, bars side by side for what else tells arms apart.

    None unless some variant has two placements or more.
    """
    series, cut = series_over(
        outcome, [PLACEMENT], lambda arm: str(arm.params.get(PLACEMENT, "")) or None,
        lambda names: sorted(names, key=_order), most=MOST_SERIES, word="variants",
    )  # fmt: skip
    if not series:
        return None
    names = sorted({name for each in series for name in each.arms}, key=_order)
    base, best = base_of(outcome), best_of(outcome, [a for s in series for a in s.arms.values()])
    figure = row_figure(
        series, [outcome.primary], names, axis_label="where the modules stand", bars=True,
        base=None if base is None else (base, outcome), label_of=partial(label_in, outcome),
    )  # fmt: skip
    which = f" Best here: {words_of(best, outcome)}." if best is not None else ""
    text = (
        f"{label_in(outcome, outcome.primary)} on the test sets "
        f"by placement of the attention modules: "
        f"mean over replicates and 95 % interval over patients.{which} -L2 is all points but L2."
    )
    caption(figure, headed(outcome, "placements"), text, cut)
    return figure


def _order(name: int | str) -> tuple[int, Any]:
    """all, -L0 ..., L0 ..., several, blocks."""
    name = str(name)
    if name in ("all", "blocks"):
        return (0 if name == "all" else 4), name
    if one := _LEVEL.fullmatch(name):
        return (1 if one[1] else 2), int(one[2][1:])
    return 3, (name.count("+"), name)
