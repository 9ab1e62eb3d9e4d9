"""What was searched against what it gave: parallel coordinates, slices and importance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.decide.check import Floats
from abl.plan.outcome import Outcome
from abl.plan.searches import COMPLETE
from abl.report.figures.search_axes import Parameter
from abl.report.figures.search_looks import (
    CHOSEN,
    colours_of,
    draw_chosen,
    draw_points,
    jittered,
    label_left,
    panel_title,
    point_handles,
    scale_x,
    title_of,
)
from abl.report.figures.search_parts import OneSearch
from abl.report.figures.style import (
    BLUE,
    GREY,
    caption,
    grid_of_panels,
    new_figure,
    own_style,
    wrapped,
)

MOST_AXES = 8
MOST_SLICES = 12
# where a line lies whose point does not have a parameter
NOT_USED = -0.16


def parallel_figure(outcome: Outcome, one: OneSearch, which: str = "") -> Figure | None:
    """A line a point through its parameters and its objective; better ones are darker.

    Points given up are pale. None if nothing was searched.
    """
    parameters, cut = one.few(MOST_AXES)
    if not parameters:
        return None
    objective, value = one.objectives[0], one.best_known()
    heights, axes = _heights(one, parameters, value)
    complete = one.state(COMPLETE) & ~np.isnan(value)
    colours, norm = colours_of(value[complete], objective)
    at = np.arange(len(axes), dtype=np.float64)
    with own_style():
        figure = new_figure(min(max(1.6 + 1.45 * len(axes), 5.2), 13.0), 4.4)
        place = figure.subplots()
        rest = [np.column_stack([at, row]) for row in heights[~complete]]
        place.add_collection(LineCollection(rest, colors=GREY, lw=0.8, alpha=0.35, zorder=2))
        # the best are drawn last
        order = np.argsort(value[complete] if objective.maximize else -value[complete])
        lines = LineCollection(
            [np.column_stack([at, row]) for row in heights[complete][order]],
            cmap=colours, norm=norm, array=value[complete][order], lw=1.3, alpha=0.9, zorder=3,
        )  # fmt: skip
        place.add_collection(lines)
        draw_chosen(place, one, np.full(len(value), at[-1]), heights[:, -1])
        for x, axis in zip(at, axes, strict=True):
            unused = bool((heights[:, int(x)] < 0).any())
            _draw_axis(place, x, axis, unused=unused, last=axis is axes[-1])
        place.set_xticks(at, [wrapped(axis.label, 16) for axis in axes], fontsize=8.5)
        place.xaxis.tick_top()
        place.tick_params(length=0)
        place.set_yticks([])
        place.grid(visible=False)
        for side in place.spines.values():
            side.set_visible(False)
        place.set_xlim(-0.45, len(axes) - 0.6)
        place.set_ylim((NOT_USED if (heights < 0).any() else 0) - 0.06, 1.06)
        if complete.any():
            bar = ScalarMappable(norm, colours)
            label = f"{objective.label} on validation"
            figure.colorbar(bar, ax=place, label=label, shrink=0.9, pad=0.02)
        handles = point_handles([one])
        kept = [handle for handle in handles if handle.get_label() == CHOSEN]
        if rest:
            kept.append(Line2D([], [], color=GREY, alpha=0.5, label="given up or failed"))
        if kept:
            figure.legend(handles=kept, loc="outside lower center", ncols=2, fontsize=8)
        text = (
            "One line a point, through its values and the mean over replicates on validation; the "
            "darker, the better. Points given up end at the mean of what was scored, failed ones "
            "before it."
        )
        if (heights < 0).any():
            text += " Below an axis lie points that do not have that parameter."
        caption(figure, title_of(outcome, "all values of every point"), text, _both(which, cut))
    return figure


def slices_figure(outcome: Outcome, one: OneSearch, which: str = "") -> Figure | None:
    """A panel a parameter: its value against the objective of every point that has it."""
    parameters, cut = one.few(MOST_SLICES)
    parameters = [each for each in parameters if not np.isnan(one.of(each)).all()]
    if not parameters:
        return None
    objective, value = one.objectives[0], one.best_known()
    with own_style():
        figure, grid = grid_of_panels(
            len(parameters), columns=4, width_in=2.6, height_in=2.5, share=False
        )
        for place in grid[1:]:
            place.sharey(grid[0])
            spec = place.get_subplotspec()
            place.tick_params(labelleft=spec is None or spec.is_first_col())
        for place, parameter in zip(grid, parameters, strict=True):
            x = one.of(parameter)
            x = x if parameter.numeric else jittered(x, one.points)
            draw_points(place, one, x, value)
            scale_x(place, parameter)
        if np.isnan(value).all():
            grid[0].set_yticks([])
        label_left(grid, f"{objective.label} on validation")
        figure.legend(handles=point_handles([one]), loc="outside lower center", ncols=3, fontsize=8)
        text = (
            "Each parameter against the mean over replicates on validation; of points given up, "
            "the mean of what was scored. The other parameters differ from point to point, so a "
            f"trend here need not be this one's doing.{one.constraint_note()}"
        )
        caption(figure, title_of(outcome, "one parameter at a time"), text, _both(which, cut))
    return figure


def importance_figure(outcome: Outcome, shown: Sequence[OneSearch], cut: str = "") -> Figure | None:
    """Bars of each parameter's importance with sd over replicates, a panel a search.

    None if no search has any.
    """
    known = [one for one in shown if one.importance]
    if not known:
        return None
    most = max(len(one.importance) for one in known)
    with own_style():
        figure, grid = grid_of_panels(
            len(known),
            columns=3 if most < 10 else 2,
            width_in=5.2 if len(known) == 1 else 3.2,
            height_in=0.7 + 0.3 * most,
            margins_in=(0.8, 0.8),
            share=False,
        )
        for place, one in zip(grid, known, strict=True):
            _draw_importance(place, one)
            place.set_title(wrapped(panel_title(one, len(shown)), 34), fontsize=9)
        objective = known[0].objectives[0]
        spread = any(not math.isnan(sd) for one in known for _, _, sd in one.importance)
        label = f"importance for {objective.label}" + (" (mean, sd over replicates)" * spread)
        figure.supxlabel(label, fontsize=9)
        text = (
            f"How much of what differs between points in {objective.label} on validation each "
            f"parameter accounts for alone{', mean and sd over replicates' if spread else ''}. Few "
            "points leave it uncertain, and it holds for the searched ranges alone."
        )
        caption(figure, title_of(outcome, "which parameters mattered"), text, cut)
    return figure


def _heights(
    one: OneSearch, parameters: Sequence[Parameter], value: Floats
) -> tuple[Floats, list[Parameter]]:
    """(P, A) where each line crosses each axis, and the axes, the objective last."""
    finite = value[np.isfinite(value)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (math.nan,) * 2
    last = Parameter("", one.objectives[0].label, low, high)
    columns = []
    for parameter in parameters:
        found = parameter.positions(one.of(parameter))
        columns.append(np.where(np.isnan(found), NOT_USED, found))
    return np.column_stack([*columns, last.positions(value)]), [*parameters, last]


def _draw_axis(place: Axes, x: float, axis: Parameter, *, unused: bool, last: bool) -> None:
    """A vertical axis with its ticks, on the left but for the objective's."""
    place.plot([x, x], [0, 1], color="0.3", lw=1.0, zorder=4)
    known = math.isfinite(axis.low)
    ticks = [*(axis.ticks() if known else []), *([(NOT_USED, "not used")] if unused else [])]
    side = 1 if last else -1
    shift = (10 if last else 5) * side
    for height, text in ticks:
        place.plot([x + side * 0.02, x], [height, height], color="0.3", lw=1.0, zorder=4)
        place.annotate(
            wrapped(text, 16, lines=2), (x, height), (shift, 0), textcoords="offset points",
            ha="left" if last else "right", va="center", fontsize=7.5, zorder=5,
            bbox={"fc": "w", "ec": "none", "alpha": 0.75, "pad": 0.8},
        )  # fmt: skip


def _draw_importance(place: Axes, one: OneSearch) -> None:
    rows = one.importance
    at = np.arange(len(rows))
    means = np.array([mean for _, mean, _ in rows])
    spread = np.nan_to_num(np.array([sd for _, _, sd in rows]))
    place.barh(
        at, means, 0.65, color=BLUE, alpha=0.75, xerr=spread if spread.any() else None,
        error_kw={"ecolor": "0.15", "elinewidth": 1.1, "capsize": 2.5},
    )  # fmt: skip
    place.set_yticks(at, [wrapped(parameter.label, 26, lines=2) for parameter, _, _ in rows])
    place.set_ylim(len(rows) - 0.4, -0.6)
    place.set_xlim(left=0)
    place.grid(visible=False, axis="y")


def _both(which: str, cut: str) -> str:
    return "; ".join(part for part in (which, cut) if part)
