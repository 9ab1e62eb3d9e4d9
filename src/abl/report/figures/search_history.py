"""How a search went: its points in the order in which they were asked, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from abl.decide.check import Floats
from abl.plan.outcome import Outcome
from abl.plan.searches import FAILED
from abl.report.figures.search_looks import (
    STATE_LOOKS,
    best_so_far,
    draw_points,
    label_left,
    panel_title,
    point_handles,
    title_of,
)
from abl.report.figures.search_parts import OneSearch, numbers
from abl.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    caption,
    grid_of_panels,
    label_below,
    own_style,
    wrapped,
)

BEST = "best so far"
# name of the fact, its word in the legend, colour, line
LEVELS = (
    ("expected_by_chance", "best expected by chance", BLACK, ":"),
    ("test", "chosen, on test", GREEN, "--"),
)


def history_figure(outcome: Outcome, shown: Sequence[OneSearch], cut: str = "") -> Figure | None:
    """The first objective by number of the point, a panel a search, with the best so far.

    Levels: the best expected by chance, and the tuned arm on test, where they are known.
    """
    if not shown:
        return None
    alone = len(shown) == 1
    objective = shown[0].objectives[0]
    with own_style():
        width, height = (6.2, 3.0) if alone else (3.0, 2.3)
        figure, grid = grid_of_panels(
            len(shown), columns=3, width_in=width, height_in=height, share=False
        )
        for place, one in zip(grid, shown, strict=True):
            _draw_history(place, one)
            place.set_title(wrapped(panel_title(one, len(shown)), 34), fontsize=9)
        label_below(grid, "number of the point")
        label_left(grid, f"{objective.label} on validation")
        best = Line2D([], [], color=BLUE, lw=1.4, label=BEST)
        found = any(not np.isnan(best_so_far(one)).all() for one in shown)
        levels = [
            Line2D([], [], color=colour, ls=line, lw=1.3, label=label)
            for name, label, colour, line in LEVELS
            if any(not math.isnan(one.fact(name)) for one in shown)
        ]
        figure.legend(
            handles=[*point_handles(shown), *([best] if found else []), *levels],
            loc="outside lower center",
            ncols=3,
            fontsize=8,
        )
        several = len(shown[0].objectives) > 1
        which = f" ({objective.label}, the first of several objectives)" if several else ""
        text = (
            f"Every point by its mean over replicates on validation{which}, in the order in which "
            "points were asked; of points given up, the mean of what was scored. Failed ones "
            "without a score lie on the edge. The best so far counts complete points that "
            f"meet the constraints.{shown[0].constraint_note()}"
        )
        if levels:
            text += (
                " A best score near the one expected by chance says that the search found little; "
                "the score on test is the honest one."
            )
        caption(figure, title_of(outcome, "the search, point by point"), text, cut)
    return figure


def _draw_history(place: Axes, one: OneSearch) -> None:
    number, value = numbers(one.points, "number"), one.best_known()
    draw_points(place, one, number, value)
    best = best_so_far(one)
    # one step further, so that the best of the last point is seen
    x, y = np.append(number, number.max() + 0.8), np.append(best, best[-1])
    place.plot(x, y, color=BLUE, lw=1.4, drawstyle="steps-post", label=BEST)
    for name, label, colour, line in LEVELS:
        if not math.isnan(one.fact(name)):
            place.axhline(one.fact(name), color=colour, ls=line, lw=1.3, label=label)
    place.set_xlim(number.min() - 0.8, number.max() + 0.8)
    place.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    if np.isnan(value).all():
        place.set_yticks([])
        place.annotate("no point has a score", (0.5, 0.5), xycoords="axes fraction", ha="center")


def intermediate_figure(outcome: Outcome, one: OneSearch, which: str = "") -> Figure | None:
    """What points were given up by: running means over replicates, and first learning curves.

    None if neither scores nor curves were kept.
    """
    means = running_means(one)
    curves, role = first_curves(one)
    panels = [kind for kind, found in (("means", means), ("curves", curves)) if found]
    if not panels:
        return None
    objective = one.objectives[0]
    with own_style():
        figure, grid = grid_of_panels(
            len(panels), columns=2, width_in=4.2, height_in=2.9, share=False
        )
        for place, kind in zip(grid, panels, strict=True):
            if kind == "means":
                _draw_lines(place, one, means, marker=True)
                place.set(xlabel="replicates scored", ylabel=f"{objective.label}, running mean")
            else:
                _draw_lines(place, one, curves, marker=False)
                place.set(xlabel="epoch", ylabel="validation loss")
                _scale_loss(place, curves)
            place.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        numbers_drawn = {*means, *curves}
        drawn = one.points["number"].isin(list(numbers_drawn))
        handles = [
            Line2D([], [], color=look.colour, lw=1.5, label=look.label)
            for state, look in STATE_LOOKS.items()
            if (one.state(state) & drawn.to_numpy(bool)).any()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8)
        parts = []
        if means:
            parts.append("Mean over the first replicates by how many of them were scored.")
        if curves:
            of = f" ({role})" if role else ""
            parts.append(f"Loss on validation by epoch, first replicate of each point{of}.")
        text = " ".join([*parts, "One line a point; points were given up by these on validation."])
        caption(figure, title_of(outcome, "what points were given up by"), text, which)
    return figure


def running_means(one: OneSearch) -> dict[int, tuple[Floats, Floats]]:
    """Number of a point -> (count of replicates, mean over so many first ones)."""
    found = {}
    if one.scores.empty or "value_0" not in one.scores:
        return {}
    for number, part in one.scores.dropna(subset=["value_0"]).groupby("number"):
        values = part.sort_values("at")["value_0"].to_numpy(np.float64)
        count = np.arange(1.0, len(values) + 1)
        found[_whole(number)] = (count, np.cumsum(values) / count)
    return found


def first_curves(one: OneSearch) -> tuple[dict[int, tuple[Floats, Floats]], str]:
    """Number of a point -> (epoch, validation loss) of its first replicate, and whose they are.

    Of several networks a replicate, the curves of the first role; its name is "" if there is one.
    """
    if one.curves.empty or "validation_loss" not in one.curves:
        return {}, ""
    known = one.curves.dropna(subset=["validation_loss"])
    roles = list(dict.fromkeys(known["role"].astype(str)))
    if not roles:
        return {}, ""
    rows = known[known["role"].astype(str) == roles[0]]
    found = {}
    for number, part in rows.groupby("number"):
        first: pd.DataFrame = part[part["at"] == part["at"].min()].sort_values("epoch")
        found[_whole(number)] = (numbers(first, "epoch"), numbers(first, "validation_loss"))
    return found, roles[0] if len(roles) > 1 else ""


def _draw_lines(
    place: Axes, one: OneSearch, lines: dict[int, tuple[Floats, Floats]], *, marker: bool
) -> None:
    states = dict(zip(one.points["number"], one.points["state"], strict=True))
    # those that were kept stand before those that were given up
    order = {state: at for at, state in enumerate(reversed(STATE_LOOKS))}
    for number in sorted(lines, key=lambda each: order.get(states.get(each, FAILED), 0)):
        look = STATE_LOOKS.get(states.get(number, FAILED), STATE_LOOKS[FAILED])
        x, y = lines[number]
        # a line of one point would not be seen
        shape = look.marker if marker or len(x) == 1 else ""
        place.plot(x, y, color=look.colour, marker=shape, ms=3, lw=1, alpha=0.75)


def _scale_loss(place: Axes, curves: dict[int, tuple[Floats, Floats]]) -> None:
    """A logarithmic axis where a training diverged, as the others would be one flat line."""
    loss = np.concatenate([each[1] for each in curves.values()])
    loss = loss[np.isfinite(loss)]
    if len(loss) and loss.min() > 0 and loss.max() > 10 * np.median(loss):
        place.set_yscale("log")


def _whole(number: object) -> int:
    return int(str(number))
