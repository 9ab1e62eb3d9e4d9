"""Heat maps of the tuned value against another axis, on validation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.curves import (
    PART_NOTES,
    PART_TITLES,
    axis_label,
    axis_value,
    axis_values,
    chosen_mean,
    curve_panels,
    finite_positions,
)
from abl.report.figures.style import (
    caption,
    grid_of_panels,
    own_style,
    wrapped,
)
from abl.report.labels import metric_label, value_label

_TICKS = 6


def heatmap_figure(outcome: Outcome, part: str = "validation") -> Figure | None:
    """The primary metric on validation over the curve axis and another (N x T*), the choice marked.

    `part` as in curve_figure. None unless some panel has two arms with curves over the same values.
    """
    found = curve_panels(outcome)
    if found is None or not found.hue:
        return None
    axis, metric = outcome.curve_axis, outcome.primary
    panels = {label: _alike(arms, axis) for label, arms in found.panels.items()}
    panels = {label: arms for label, arms in panels.items() if len(arms) > 1}
    if not panels:
        return None
    shown = [
        arm.curve[metric].to_numpy(np.float64)
        for arms in panels.values()
        for arm in arms
        if arm.curve is not None
    ]
    finite = [value for values in shown for value in values if math.isfinite(value)]
    if not finite:
        return None
    scale = Normalize(min(finite), max(finite))
    most = max(len(arms) for arms in panels.values())
    with own_style():
        figure, grid = grid_of_panels(
            len(panels),
            columns=3,
            width_in=3.2,
            height_in=0.8 + 0.3 * most,
            margins_in=(1.5, 1.0),
            share=False,
        )
        for place, (label, arms) in zip(grid, panels.items(), strict=True):
            _draw_heat(place, arms, found.hue, axis, metric, scale)
            place.set_title(wrapped(label, 42), fontsize=9)
        figure.colorbar(
            ScalarMappable(scale, "viridis"),
            ax=grid,
            label=f"{metric_label(metric)} on {part}",
            shrink=0.9,
        )
        figure.supxlabel(axis_label(axis), fontsize=9)
        figure.supylabel(found.hue, fontsize=9)
        text = (
            f"Mean {metric_label(metric)} over the replicates' {part} sets. White points: the "
            "chosen value, averaged over replicates; it may lie beside the brightest cell of its "
            f"row, as each replicate chooses by its own validation set. {PART_NOTES[part]}"
        )
        title = f"{outcome.title or outcome.name}: {PART_TITLES[part]}"
        caption(figure, title, text, found.cut)
    return figure


def _alike(arms: Sequence[ArmOutcome], axis: str) -> list[ArmOutcome]:
    """The arms whose curves have the values of the first one's."""
    curves = [(arm, arm.curve[axis].to_numpy(np.float64)) for arm in arms if arm.curve is not None]
    return [arm for arm, values in curves if np.array_equal(values, curves[0][1])]


def _draw_heat(
    place: Axes, arms: Sequence[ArmOutcome], hue: str, axis: str, metric: str, scale: Normalize
) -> None:
    curves = [arm.curve for arm in arms if arm.curve is not None]
    values = axis_values(curves[0][axis], axis)
    x, _ = finite_positions(values)
    heat = np.stack([curve[metric].to_numpy(np.float64) for curve in curves])
    # cells of equal width, as a grid of T* need not be even
    place.imshow(heat, aspect="auto", cmap="viridis", norm=scale, interpolation="nearest")
    place.grid(visible=False)
    for row, arm in enumerate(arms):
        at = chosen_mean(arm, axis, values, x)
        if at is not None:
            column = float(np.interp(at, x, np.arange(len(x))))
            place.plot(column, row, "o", ms=6, mfc="w", mec="k", mew=1.0)
    ticks = np.unique(np.linspace(0, len(x) - 1, min(len(x), _TICKS)).round().astype(int))
    names = [f"{value:g}" if math.isfinite(value) else "always" for value in values[ticks].tolist()]
    place.set_xticks(ticks, names)
    place.set_yticks(range(len(arms)), [value_label(axis_value(arm, hue)) for arm in arms])
    for side in ("left", "bottom"):
        place.spines[side].set_color("none")
    place.tick_params(length=0)
