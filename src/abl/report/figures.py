"""Figures of an outcome: curves over the tuned axis, and the arms side by side.

Drawn with matplotlib's own defaults, whatever the user's settings are, and without pyplot, so that
the same outcome gives the same bytes in any process.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import arm_label, metric_label, value_label

MOST_PANELS = 24
MOST_ARMS = 60
Floats = npt.NDArray[np.float64]

# Okabe & Ito, Color Universal Design: told apart with any colour vision
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_MARKERS = "osD^vPX*<>"
_STYLE: dict[str, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "svg.fonttype": "path",
    "svg.hashsalt": "abl",
}


def save_figure(figure: Figure, path: Path) -> None:
    """Writes PNG or SVG, by the name's ending, without a date and at once."""
    kind = path.suffix.lstrip(".").lower()
    metadata: dict[str, Any] = {"Software": None} if kind == "png" else {"Date": None}
    buffer = io.BytesIO()
    with _own_style():
        figure.savefig(buffer, format=kind, metadata=metadata)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(buffer.getvalue())
    part.replace(path)


def curve_figure(outcome: Outcome) -> Figure | None:
    """The primary metric over the curve axis on validation: mean, sd band, chosen point.

    One colour for each value of the consensus axis (or of the one with the most values), one panel
    for each combination of the others. The chosen point is the mean over the replicates of the
    value chosen in each. None if no arm has a curve.
    """
    axis, metric = outcome.curve_axis, outcome.primary
    arms = [arm for arm in outcome.arms if _has_curve(arm, axis, metric)]
    if not arms:
        return None
    varying = [name for name in outcome.axes if len({_value(arm, name) for arm in arms}) > 1]
    hue = _hue_axis(varying, arms)
    others = [name for name in varying if name != hue]
    panels: dict[str, list[ArmOutcome]] = {}
    for arm in arms:
        panels.setdefault(arm_label(arm.params, others), []).append(arm)
    shown = list(panels.items())[:MOST_PANELS]
    hues = list(dict.fromkeys(_value(arm, hue) for arm in arms)) if hue else [""]
    looks = {value: _look(index, hues) for index, value in enumerate(hues)}

    columns = 2 if len(shown) == 4 else min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    with _own_style():
        figure = _figure(1.4 + 3.3 * columns, 1.3 + 2.5 * rows)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for place, (label, members) in zip(grid, shown, strict=False):
            for arm in members:
                _draw_curve(place, arm, axis, metric, looks[_value(arm, hue) if hue else ""])
            place.set_title(label, fontsize=9)
        for index, place in enumerate(grid):
            place.set_visible(index < len(shown))
            # with shared axes the panel above an empty place would be left without its ticks
            place.xaxis.set_tick_params(labelbottom=index + columns >= len(shown))
        cut = f" (first {MOST_PANELS} of {len(panels)} panels)" if len(panels) > len(shown) else ""
        figure.suptitle(f"{_title(outcome)}: chosen on validation{cut}", fontsize=10)
        figure.supxlabel("T*" if axis == "threshold" else axis, fontsize=9)
        figure.supylabel(f"{metric_label(metric)} on validation, mean ± sd", fontsize=9)
        handles = [
            Line2D([], [], color=looks[value][0], marker=looks[value][1], label=value_label(value))
            for value in hues
            if hue
        ]
        chosen = Line2D([], [], ls="", marker="o", mfc="w", mec="k", label="chosen (mean)")
        figure.legend(
            handles=[*handles, chosen], title=hue or None, loc="outside right upper", fontsize=8
        )
    return figure


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
    with _own_style():
        figure = _figure(7.5, 1.4 + 0.24 * len(arms))
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
        cut = f" ({MOST_ARMS} best of {total} arms)" if total > len(arms) else ""
        figure.suptitle(_title(outcome) + cut, fontsize=10)
    return figure


def _draw_curve(
    place: Axes, arm: ArmOutcome, axis: str, metric: str, look: tuple[str, str]
) -> None:
    curve = arm.curve
    if curve is None:
        return
    colour, marker = look
    values = _axis_values(curve[axis], axis)
    x, tick = _finite_positions(values)
    y = curve[metric].to_numpy(np.float64)
    place.plot(x, y, color=colour, lw=1.4)
    if f"{metric}_sd" in curve:
        sd = curve[f"{metric}_sd"].to_numpy(np.float64)
        place.fill_between(x, y - sd, y + sd, color=colour, alpha=0.12, lw=0)
    if tick is not None:
        place.axvline(tick, color="0.7", lw=0.6, ls=":")
        place.annotate("always", (tick, 0.02), xycoords=("data", "axes fraction"), fontsize=7)
    chosen = _chosen_point(arm, axis, values, x, y)
    if chosen is not None:
        place.plot(*chosen, marker=marker, ms=7, mfc="w", mec=colour, mew=1.8, ls="", zorder=5)


def _chosen_point(
    arm: ArmOutcome, axis: str, values: Floats, x: Floats, y: Floats
) -> tuple[float, float] | None:
    """Mean of the values chosen in the replicates, on the mean curve."""
    if axis not in arm.replicates.columns:
        return None
    chosen = _axis_values(arm.replicates[axis].dropna(), axis)
    if chosen.size == 0:
        return None
    finite = np.isfinite(values)
    beyond = x[~finite][0] if (~finite).any() else x.max()
    mean = float(np.where(np.isfinite(chosen), chosen, beyond).mean())
    return mean, float(np.interp(mean, x, y))


def _axis_values(values: pd.Series, axis: str) -> Floats:
    """Values of the curve axis; a T* that no confidence reaches is infinite (`always`)."""
    numbers = values.to_numpy(np.float64)
    return np.where(numbers > 1, np.inf, numbers) if axis == "threshold" else numbers


def _finite_positions(values: Floats) -> tuple[Floats, float | None]:
    """The axis as drawn: an infinite value (`always`) lies a little beyond the last finite one."""
    finite = np.isfinite(values)
    if finite.all() or not finite.any():
        return np.where(finite, values, 1.0), None
    span = float(np.ptp(values[finite])) or 1.0
    beyond = float(values[finite].max()) + 0.08 * span
    return np.where(finite, values, beyond), beyond


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
    colour = _COLOURS[1] if arm.best else _COLOURS[0]
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
    looks = [("arm", "w", _COLOURS[0], 6)]
    if any(arm.best for arm in arms):
        looks.append(("best", _COLOURS[1], _COLOURS[1], 6))
    if any(arm.tied and not arm.best for arm in arms):
        looks.append(("not distinguishable from it", _COLOURS[0], _COLOURS[0], 6))
    if any(metric in arm.replicates.columns for arm in arms):
        looks.append(("replicate", "0.6", "0.6", 3))
    return [
        Line2D([], [], ls="", marker="o", mfc=face, mec=edge, ms=size, label=label)
        for label, face, edge, size in looks
    ]


def _mean(arm: ArmOutcome, metric: str) -> float | None:
    cell = arm.cells.get(metric)
    return None if arm.failed or cell is None or math.isnan(cell.mean) else cell.mean


def _has_curve(arm: ArmOutcome, axis: str, metric: str) -> bool:
    return (
        not arm.failed
        and arm.curve is not None
        and not arm.curve.empty
        and {axis, metric} <= set(arm.curve.columns)
    )


def _hue_axis(varying: Sequence[str], arms: Sequence[ArmOutcome]) -> str:
    if "consensus" in varying:
        return "consensus"
    sizes = {name: len({_value(arm, name) for arm in arms}) for name in varying}
    few = [name for name in varying if sizes[name] <= 10]
    return max(few, key=lambda name: sizes[name]) if few else ""


def _value(arm: ArmOutcome, axis: str) -> str | int | float:
    return arm.params.get(axis, "")


def _look(index: int, values: Sequence[object]) -> tuple[str, str]:
    """Colour and marker; numbers run along a sequence of colours, words get unrelated ones."""
    marker = _MARKERS[index % len(_MARKERS)]
    if len(values) > 2 and all(isinstance(value, int | float) for value in values):
        share = 0.9 * index / (len(values) - 1)
        return mpl.colors.to_hex(mpl.colormaps["viridis"](share)), marker
    return _COLOURS[index % len(_COLOURS)], marker


def _title(outcome: Outcome) -> str:
    return outcome.title or outcome.name


def _figure(width_in: float, height_in: float) -> Figure:
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def _own_style() -> Iterator[None]:
    settings: list[str | Path | dict[str, Any]] = ["default", _STYLE]
    with style.context(settings):
        yield
