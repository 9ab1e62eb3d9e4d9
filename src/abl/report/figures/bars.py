"""The arms one below the other on a metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import (
    goodness,
    is_control,
    row_words,
    spread_about,
    table_value,
)
from abl.report.figures.style import BLUE, VERMILION, DrawnFigure, caption, new_figure, own_style
from abl.report.labels import label_in

MOST_ARMS = 60
REPLICATE: dict[str, Any] = {"ms": 3.8, "mfc": "0.45", "mec": "w", "mew": 0.5}


def bar_figure(outcome: Outcome) -> Figure | None:
    """Arms on the primary metric: mean, 95 % interval (or sd), and every replicate behind it.

    None if no arm has a value.
    """
    metric = outcome.primary
    arms = [arm for arm in outcome.arms if metric in arm.cells or arm.failed]
    total, label = len(arms), label_in(outcome, metric)
    if total > MOST_ARMS:
        ranked = sorted(arms, key=lambda arm: (is_control(outcome, arm), -goodness(outcome, arm)))
        kept = {id(arm) for arm in ranked[:MOST_ARMS]}
        arms = [arm for arm in arms if id(arm) in kept]
    figure, behind = rows_of_arms(outcome, arms, metric, label)
    if figure is None:
        return None
    best = f"those with the best {label} on test"
    cut = f"{best}: {MOST_ARMS} of {total} arms" if total > len(arms) else ""
    text = (
        f"{label} of each arm on the test sets: mean over replicates"
        f"{f' with {behind}' if behind else ''}, and every replicate."
    )
    caption(figure, outcome.title or outcome.name, text, cut)
    return figure


def rows_of_arms(
    outcome: Outcome,
    arms: Sequence[ArmOutcome],
    metric: str,
    label: str,
    marks: Mapping[str, float] | None = None,
    marks_label: str = "",
) -> tuple[DrawnFigure | None, str]:
    """A row an arm: mean, 95 % interval (or sd) and replicates; None without any value.

    The second value says what the lines about the means are, "" if there are none. `marks` maps the
    key of an arm to a value that its own is to be seen beside.
    """
    if not any(_mean(arm, metric) is not None for arm in arms):
        return None, ""
    marks, is_primary = marks or {}, metric == outcome.primary
    with own_style():
        figure = new_figure(7.5, 1.4 + 0.24 * len(arms))
        place = figure.subplots()
        spread = set()
        for row, arm in enumerate(arms):
            spread.add(_draw_arm(place, row, arm, metric, is_primary=is_primary))
            if arm.key in marks:
                ends = [row - 0.5, row + 0.5]
                place.plot([marks[arm.key]] * 2, ends, color=VERMILION, lw=1.3, ls="--", zorder=1)
        place.set_yticks(range(len(arms)), [row_words(arm, outcome) for arm in arms])
        for tick, arm in zip(place.get_yticklabels(), arms, strict=True):
            tick.set_fontweight("bold" if arm.best and is_primary else "normal")
        place.set_ylim(len(arms) - 0.4, -0.6)
        place.grid(visible=False, axis="y")
        behind = ", ".join(sorted(spread - {""}))
        place.set_xlabel(label + (f" (mean, {behind})" if behind else ""))
        handles = _arm_handles(arms, metric, is_primary=is_primary)
        if marks:
            handles.append(Line2D([], [], color=VERMILION, lw=1.3, ls="--", label=marks_label))
            place.set_xlim(left=0)
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure, behind


def _draw_arm(place: Axes, row: int, arm: ArmOutcome, metric: str, *, is_primary: bool) -> str:
    """Draws one row; returns what its bar means."""
    mean = _mean(arm, metric)
    if mean is None:
        text = "failed" if arm.failed else "undefined"
        across = ("axes fraction", "data")
        place.annotate(text, (0.01, row), xycoords=across, va="center", color="0.4")
        return ""
    if len(each := _replicates(arm, metric)) > 1:  # a single one is the mean
        # above the interval, which would hide them
        place.plot(each, np.full(len(each), row), "o", zorder=3.5, **REPLICATE)
    colour = VERMILION if arm.best and is_primary else BLUE
    face = colour if (arm.best or arm.tied) and is_primary else "w"
    cell = arm.cells[metric]
    place.plot(mean, row, "o", ms=6, color=colour, mfc=face, zorder=4)
    ends, meaning = (cell.low, cell.high), "95 % interval"
    if math.isnan(cell.low) or math.isnan(cell.high):
        low, high = spread_about(np.array([mean]), np.array([cell.sd]))
        ends, meaning = (float(low[0]), float(high[0])), "± sd"
    if math.isnan(ends[0]):
        return ""
    place.plot(ends, [row, row], color=colour, lw=1.6, zorder=3)
    return meaning


def _arm_handles(arms: Sequence[ArmOutcome], metric: str, *, is_primary: bool) -> list[Line2D]:
    drawn = [arm for arm in arms if _mean(arm, metric) is not None]
    looks = []
    if any(not (is_primary and (arm.best or arm.tied)) for arm in drawn):
        looks.append(("arm", "w", BLUE))
    if is_primary and any(arm.best for arm in drawn):
        looks.append(("best", VERMILION, VERMILION))
    if is_primary and any(arm.tied and not arm.best for arm in drawn):
        looks.append(("may be the best, too", BLUE, BLUE))
    handles = [
        Line2D([], [], ls="", marker="o", mfc=face, mec=edge, ms=6, label=label)
        for label, face, edge in looks
    ]
    if any(len(_replicates(arm, metric)) > 1 for arm in drawn):
        handles.append(Line2D([], [], ls="", marker="o", label="replicate", **REPLICATE))
    return handles


def _replicates(arm: ArmOutcome, metric: str) -> pd.Series:
    if metric not in arm.replicates.columns:
        return pd.Series(dtype=np.float64)
    return pd.to_numeric(arm.replicates[metric], errors="coerce").dropna()


def _mean(arm: ArmOutcome, metric: str) -> float | None:
    mean, _, _ = table_value(arm, metric)
    return None if arm.failed or math.isnan(mean) else mean
