"""Two numbers of a search against each other: two parameters, or its two objectives."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.interpolate import LinearNDInterpolator

from abl.decide.check import Bools, Floats
from abl.plan.outcome import Outcome
from abl.plan.searches import COMPLETE, PRUNED, STOPPED
from abl.report.figures.search_axes import Parameter
from abl.report.figures.search_looks import (
    colours_of,
    draw_chosen,
    draw_points,
    point_handles,
    scale_x,
    scale_y,
    title_of,
)
from abl.report.figures.search_parts import OneSearch
from abl.report.figures.style import GREY, VERMILION, caption, new_figure, own_style

FEWEST_POINTS = 6
_CELLS = 200
_LEVELS = 9


def contour_figure(outcome: Outcome, one: OneSearch, which: str = "") -> Figure | None:
    """The objective over the two most important numeric parameters, interpolated, with its points.

    None below two numeric parameters or six complete points that have both.
    """
    numeric = [each for each in one.ranked if each.numeric and each.high > each.low]
    if len(numeric) < 2:
        return None
    first, second = numeric[:2]
    objective, value = one.objectives[0], one.best_known()
    x, y = one.of(first), one.of(second)
    both = ~np.isnan(x) & ~np.isnan(y)
    complete = one.state(COMPLETE) & both & ~np.isnan(value)
    if complete.sum() < FEWEST_POINTS:
        return None
    colours, norm = colours_of(value[complete], objective)
    with own_style():
        figure = new_figure(6.0, 4.4)
        place = figure.subplots()
        place.grid(visible=False)
        scale_x(place, first)
        scale_y(place, second)
        at = np.column_stack([x[complete], y[complete]])
        _fill(place, (first, second), at, value[complete], colours, norm)
        rest = both & ~complete
        place.plot(x[rest], y[rest], ls="", marker="x", ms=4, color=GREY, zorder=3)
        place.scatter(
            x[complete], y[complete], c=value[complete], cmap=colours, norm=norm, s=34,
            edgecolors="w", linewidths=0.9, zorder=4,
        )  # fmt: skip
        draw_chosen(place, one, np.where(both, x, np.nan), y)
        label = f"{objective.label} on validation"
        figure.colorbar(ScalarMappable(norm, colours), ax=place, label=label)
        handles = [handle for handle in point_handles([one]) if handle.get_label() == "chosen"]
        dot = Line2D([], [], ls="", marker="o", ms=6, color="0.4", mec="w", label="complete")
        cross = Line2D([], [], ls="", marker="x", ms=4, color=GREY, label="given up or failed")
        handles = [dot, *([cross] if rest.any() else []), *handles]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
        how = "two most important" if one.importance else "first two"
        text = (
            f"The {how} numeric parameters. Colour: mean over replicates on validation, straight "
            "between complete points; the darker, the better. The other parameters differ from "
            "point to point, and each point has its noise: look for regions, not for peaks."
        )
        caption(figure, title_of(outcome, f"{first.label} and {second.label}"), text, which)
    return figure


def search_front_figure(outcome: Outcome, one: OneSearch, which: str = "") -> Figure | None:
    """Every point by its two objectives, with the front. None unless there are two objectives."""
    if len(one.objectives) != 2:
        return None
    first, second = one.objectives
    x, y = one.best_known(1), one.best_known(0)
    if (np.isnan(x) | np.isnan(y)).all():
        return None
    front = one.flag("front") & ~np.isnan(x) & ~np.isnan(y)
    with own_style():
        figure = new_figure(6.0, 4.2)
        place = figure.subplots()
        known = np.where(np.isnan(x) | np.isnan(y), np.nan, x)
        draw_points(place, one, known, y)
        order = _along(x, y, front)
        place.plot(x[order], y[order], color=VERMILION, lw=1.3, zorder=1)
        place.set_xlabel(f"{second.label} on validation ({_better(second.maximize)})")
        place.set_ylabel(f"{first.label} on validation ({_better(first.maximize)})")
        line = Line2D([], [], color=VERMILION, lw=1.3, label="front")
        scored = (COMPLETE, PRUNED, STOPPED)
        handles = [*point_handles([one], states=scored), *([line] if front.any() else [])]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
        text = (
            "Every point by its two objectives, means over replicates on validation; of points "
            "given up, means of what was scored. On the front no other complete point that meets "
            f"the constraints is better in one and as good in the other.{one.constraint_note()}"
        )
        caption(figure, title_of(outcome, "the two objectives of the search"), text, which)
    return figure


def _fill(
    place: Axes,
    parameters: tuple[Parameter, Parameter],
    at: Floats,
    value: Floats,
    colours: Colormap,
    norm: Normalize,
) -> None:
    """Interpolates value (P,) at (P, 2) on the axes as drawn.

    Points on one line, or of one value, bound no surface.
    """
    places = np.column_stack([p.positions(v) for p, v in zip(parameters, at.T, strict=True)])
    # the same point asked twice has one height
    unique, where = np.unique(places.round(6), axis=0, return_inverse=True)
    heights = np.bincount(where.ravel(), weights=value) / np.bincount(where.ravel())
    flat = np.linalg.matrix_rank(unique - unique.mean(axis=0), tol=1e-3) < 2
    if len(unique) < 3 or flat or np.ptp(heights) == 0:
        return
    ticks = np.linspace(0, 1, _CELLS)
    across, up = np.meshgrid(ticks, ticks)
    surface = LinearNDInterpolator(unique, heights)(across, up)
    place.contourf(
        parameters[0].at(across), parameters[1].at(up), np.ma.masked_invalid(surface),
        levels=np.linspace(float(value.min()), float(value.max()), _LEVELS + 1),
        cmap=colours, norm=norm, alpha=0.75, zorder=1,
    )  # fmt: skip


def _along(x: Floats, y: Floats, front: Bools) -> list[int]:
    kept = np.flatnonzero(front)
    return [int(each) for each in kept[np.lexsort((y[kept], x[kept]))]]


def _better(maximize: bool) -> str:
    return "higher is better" if maximize else "lower is better"
