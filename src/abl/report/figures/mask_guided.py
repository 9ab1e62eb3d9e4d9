"""Figures of the mask_guided study: activation inside the nodule, placements, confusion."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import base_of, best_of
from abl.report.figures.bars import MOST_ARMS
from abl.report.figures.style import BLUE, COLOURS, VERMILION, caption, new_figure, own_style
from abl.report.labels import arm_label, metric_label

INSIDE, PLACEMENT = "inside", "placement"
MOST_SERIES = 4
_MOST_BARS = 48
_LEVEL = re.compile(r"(-?)(L\d+)")


def inside_figure(outcome: Outcome) -> Figure | None:
    """Share of the activation inside the nodule by arm, with the share that a flat map would have.

    None if no arm has maps.
    """
    arms = [arm for arm in outcome.arms if not math.isnan(_cell(arm, INSIDE)[0])]
    if not arms:
        return None
    cut = f"the first {MOST_ARMS} of {len(arms)} arms" if len(arms) > MOST_ARMS else ""
    arms = arms[:MOST_ARMS]
    areas: Mapping[str, float] = outcome.facts.activation.get("area", {})
    flat = [areas[arm.key] for arm in arms if arm.key in areas]
    each = {arm.key: pd.to_numeric(arm.replicates[INSIDE]).dropna() for arm in arms}
    with own_style():
        figure = new_figure(7.5, 1.5 + 0.26 * len(arms))
        place = figure.subplots()
        for row, arm in enumerate(arms):
            mean, low, high = _cell(arm, INSIDE)
            behind = each[arm.key]
            if len(behind) > 1:
                place.plot(behind, np.full(len(behind), row), "o", ms=3, color="0.6", zorder=2)
            if not math.isnan(low):
                place.plot([low, high], [row, row], color=BLUE, lw=1.6, zorder=3)
            place.plot(mean, row, "o", ms=6, color=BLUE, mfc="w", zorder=4)
            if arm.key in areas:
                ends = [row - 0.5, row + 0.5]
                place.plot([areas[arm.key]] * 2, ends, color=VERMILION, lw=1.3, ls="--", zorder=1)
        place.set_yticks(range(len(arms)), [_label(arm, outcome) for arm in arms])
        place.set_ylim(len(arms) - 0.4, -0.6)
        place.set_xlim(left=0)
        place.grid(visible=False, axis="y")
        place.set_xlabel("share of the activation inside the nodule (mean, 95 % interval)")
        looks = [Line2D([], [], marker="o", color=BLUE, mfc="w", label="arm")]
        if any(len(behind) > 1 for behind in each.values()):
            looks.append(Line2D([], [], ls="", marker="o", ms=3, color="0.6", label="replicate"))
        if flat:
            label = f"a flat map: {np.mean(flat):.3f}"
            looks.append(Line2D([], [], color=VERMILION, lw=1.3, ls="--", label=label))
        figure.legend(handles=looks, loc="outside lower center", ncols=3)
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
    series, cut = _series(outcome)
    if not series:
        return None
    metric = outcome.primary
    names = sorted({name for each in series.values() for name in each}, key=_order)
    base, width = base_of(outcome), 0.8 / len(series)
    with own_style():
        figure = new_figure(min(max(4.8, 1.4 + 0.62 * len(names) * (1 + width)), 11), 4.0)
        place = figure.subplots()
        for index, (label, arms) in enumerate(series.items()):
            for at, name in enumerate(names):
                if name in arms:
                    x = at + width * (index - (len(series) - 1) / 2)
                    _draw_bar(place, x, 0.9 * width, _cell(arms[name], metric), index)
            place.plot([], [], color=COLOURS[index], lw=6, alpha=0.75, label=label or "arm")
        level = math.nan if base is None else _cell(base, metric)[0]
        if base is not None and not math.isnan(level):
            label = f"base ({_label(base, outcome)}): {level:.3f}"
            place.axhline(level, color="0.25", lw=1.2, ls="--", zorder=4, label=label)
        place.set_xticks(range(len(names)), names)
        letters_a_place = 10 * figure.get_figwidth() / len(names)
        if max(map(len, names)) > letters_a_place:
            place.set_xticks(
                range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor"
            )
        place.grid(visible=False, axis="x")
        place.set_ylabel(f"{metric_label(metric)} (mean, 95 % interval)")
        place.set_xlabel("where the modules stand")
        figure.legend(loc="outside lower center", ncols=min(4, len(series) + 1), fontsize=8)
        best = best_of(outcome, [arm for each in series.values() for arm in each.values()])
        which = f" Best here: {_label(best, outcome)}." if best is not None else ""
        text = (
            f"{metric_label(metric)} on the test sets by placement of the attention modules: mean "
            f"over replicates and 95 % interval over patients.{which} -L2 is all points but L2."
        )
        caption(figure, f"{outcome.title or outcome.name}: placements", text, cut)
    return figure


def _series(outcome: Outcome) -> tuple[dict[str, dict[str, ArmOutcome]], str]:
    """Placement -> arm of each series with two or more, by what else tells its arms apart."""
    found: dict[str, dict[str, ArmOutcome]] = {}
    others = [axis for axis in outcome.axes if axis != PLACEMENT]
    for arm in outcome.arms:
        name = str(arm.params.get(PLACEMENT, ""))
        if name and not math.isnan(_cell(arm, outcome.primary)[0]):
            found.setdefault(arm_label(arm.params, others), {})[name] = arm
    several = {label: arms for label, arms in found.items() if len(arms) > 1}
    kept, bars = dict[str, dict[str, ArmOutcome]](), 0
    for label, arms in sorted(several.items(), key=lambda item: -len(item[1])):
        if len(kept) == MOST_SERIES or (kept and bars + len(arms) > _MOST_BARS):
            break
        kept[label] = arms
        bars += len(arms)
    cut = f"{len(kept)} of {len(several)} variants" if len(kept) < len(several) else ""
    return kept, cut


def _draw_bar(
    place: Axes, x: float, width: float, value: tuple[float, float, float], index: int
) -> None:
    mean, low, high = value
    place.bar(x, mean, width, color=COLOURS[index], alpha=0.75, lw=0, zorder=2)
    if not math.isnan(low):
        place.plot([x, x], [low, high], color="0.15", lw=1.1, zorder=3)
    if width > 0.3:
        text = f"{mean:.2f}"
        place.annotate(
            text, (x, 0), (0, 3), textcoords="offset points", ha="center", va="bottom",
            fontsize=7.5, color="w", zorder=5,
        )  # fmt: skip


def _order(name: str) -> tuple[int, Any]:
    """all, -L0 ..., L0 ..., several, blocks."""
    if name in ("all", "blocks"):
        return (0 if name == "all" else 4), name
    if one := _LEVEL.fullmatch(name):
        return (1 if one[1] else 2), int(one[2][1:])
    return 3, (name.count("+"), name)


def _cell(arm: ArmOutcome, metric: str) -> tuple[float, float, float]:
    cell = arm.cells.get(metric)
    return (math.nan,) * 3 if cell is None else (cell.mean, cell.low, cell.high)


def _label(arm: ArmOutcome, outcome: Outcome) -> str:
    return arm_label(arm.params, outcome.axes) or arm.key[:8]
