"""The arms side by side on the primary metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.style import BLUE, VERMILION, caption, new_figure, own_style
from abl.report.labels import arm_label, metric_label

MOST_ARMS = 60


def bar_figure(outcome: Outcome) -> Figure | None:
    """Arms on the primary metric: mean, 95 % interval (or sd), and every replicate behind it.

    None if no arm has a value.
    """
    metric = outcome.primary
    arms = [arm for arm in outcome.arms if metric in arm.cells or arm.failed]
    if not any(_mean(arm, metric) is not None for arm in arms):
        return None
    total = len(arms)
    if total > MOST_ARMS:
        ranked = sorted(arms, key=lambda arm: -(_mean(arm, metric) or -math.inf))
        kept = {id(arm) for arm in ranked[:MOST_ARMS]}
        arms = [arm for arm in arms if id(arm) in kept]
    with own_style():
        figure = new_figure(7.5, 1.4 + 0.24 * len(arms))
        place = figure.subplots()
        spread = {_draw_arm(place, row, arm, metric) for row, arm in enumerate(arms)} - {""}
        place.set_yticks(
            range(len(arms)), [arm_label(arm.params, outcome.axes) or arm.key for arm in arms]
        )
        for tick, arm in zip(place.get_yticklabels(), arms, strict=True):
            tick.set_fontweight("bold" if arm.best else "normal")
        place.set_ylim(len(arms) - 0.4, -0.6)
        place.grid(visible=False, axis="y")
        behind = ", ".join(sorted(spread))
        place.set_xlabel(metric_label(metric) + (f" (mean, {behind})" if behind else ""))
        figure.legend(handles=_arm_handles(arms, metric), loc="outside lower center", ncols=4)
        cut = f"{MOST_ARMS} best of {total} arms" if total > len(arms) else ""
        text = (
            f"{metric_label(metric)} of each arm on the test sets: mean over replicates"
            f"{f' with {behind}' if behind else ''}, and every replicate."
        )
        caption(figure, outcome.title or outcome.name, text, cut)
    return figure


def _draw_arm(place: Axes, row: int, arm: ArmOutcome, metric: str) -> str:
    """Draws one row; returns what its bar means."""
    mean = _mean(arm, metric)
    if mean is None:
        text = "failed" if arm.failed else "undefined"
        place.annotate(
            text, (0.01, row), xycoords=("axes fraction", "data"), va="center", color="0.4"
        )
        return ""
    if metric in arm.replicates.columns:
        each = pd.to_numeric(arm.replicates[metric], errors="coerce").dropna()
        place.plot(each, np.full(len(each), row), "o", ms=3, color="0.6", alpha=0.6, zorder=2)
    colour = VERMILION if arm.best else BLUE
    cell = arm.cells[metric]
    place.plot(
        mean, row, "o", ms=6, color=colour, mfc=colour if arm.best or arm.tied else "w", zorder=4
    )
    if not math.isnan(cell.low) and not math.isnan(cell.high):
        place.plot([cell.low, cell.high], [row, row], color=colour, lw=1.6, zorder=3)
        return "95 % interval"
    if not math.isnan(cell.sd):
        place.plot([mean - cell.sd, mean + cell.sd], [row, row], color=colour, lw=1.6, zorder=3)
        return "± sd"
    return ""


def _arm_handles(arms: Sequence[ArmOutcome], metric: str) -> list[Line2D]:
    looks = [("arm", "w", BLUE, 6)]
    if any(arm.best for arm in arms):
        looks.append(("best", VERMILION, VERMILION, 6))
    if any(arm.tied and not arm.best for arm in arms):
        looks.append(("not distinguishable from it", BLUE, BLUE, 6))
    if any(metric in arm.replicates.columns for arm in arms):
        looks.append(("replicate", "0.6", "0.6", 3))
    return [
        Line2D([], [], ls="", marker="o", mfc=face, mec=edge, ms=size, label=label)
        for label, face, edge, size in looks
    ]


def _mean(arm: ArmOutcome, metric: str) -> float | None:
    cell = arm.cells.get(metric)
    return None if arm.failed or cell is None or math.isnan(cell.mean) else cell.mean
