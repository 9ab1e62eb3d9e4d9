"""How points of a search look: marker by state, hollow if not feasible, chosen ones ringed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.lines import Line2D

from abl.decide.check import Bools, Floats
from abl.plan.outcome import Outcome
from abl.plan.searches import COMPLETE, FAILED, PRUNED, STOPPED
from abl.report.figures.search_axes import Parameter
from abl.report.figures.search_parts import Objective, OneSearch
from abl.report.figures.style import BLACK, BLUE, GREY, ORANGE, VERMILION

CHOSEN = "chosen"
HOLLOW = "complete, not feasible"
# of the scale of colours, beyond which yellow is lost on white
_PALEST = 0.92


@dataclass(frozen=True)
class StateLook:
    """How points of one state are drawn."""

    colour: str
    marker: str
    label: str
    size: float = 4.5


STATE_LOOKS = {
    COMPLETE: StateLook(BLUE, "o", "complete"),
    PRUNED: StateLook(ORANGE, "v", "pruned after some replicates"),
    STOPPED: StateLook(GREY, "s", "stopped within a training", 4.0),
    FAILED: StateLook(BLACK, "x", "failed", 5.0),
}


def draw_points(place: Axes, one: OneSearch, x: Floats, y: Floats) -> None:
    """Every point at (x, y) by its state; one without a value lies on the edge of the worse."""
    edge = 0.02 if one.objectives[0].maximize else 0.98
    complete, feasible = one.state(COMPLETE), one.flag("feasible")
    for state, look in reversed(STATE_LOOKS.items()):
        mine = one.state(state) & ~np.isnan(x)
        for hollow in (True, False):
            kept = mine & (complete & ~feasible if hollow else ~(complete & ~feasible))
            if kept.any():
                _draw(place, look, x[kept], y[kept], edge, hollow=hollow)
    draw_chosen(place, one, x, y)


def draw_chosen(place: Axes, one: OneSearch, x: Floats, y: Floats) -> None:
    """A ring about what was chosen."""
    kept = one.flag(CHOSEN) & ~np.isnan(x) & ~np.isnan(y)
    if kept.any():
        place.plot(x[kept], y[kept], **_RING)


def point_handles(searches: Sequence[OneSearch], *, states: Sequence[str] = ()) -> list[Line2D]:
    """Entries of a legend for what the searches have; `states` if not all are drawn."""
    handles = []
    hollow = any((one.state(COMPLETE) & ~one.flag("feasible")).any() for one in searches)
    for state, look in STATE_LOOKS.items():
        if (not states or state in states) and any(one.state(state).any() for one in searches):
            handles.append(_handle(look, look.label))
        if state == COMPLETE and hollow:
            handles.append(_handle(look, HOLLOW, hollow=True))
    if any(one.flag(CHOSEN).any() for one in searches):
        handles.append(Line2D([], [], **_RING, label=CHOSEN))
    return handles


def colours_of(values: Floats, objective: Objective) -> tuple[Colormap, Normalize]:
    """Colours in which the better values are the darker ones."""
    shades = mpl.colormaps["viridis"](np.linspace(0, _PALEST, 256))
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if high <= low:
        margin = 0.01 * max(abs(low), 1.0)
        low, high = low - margin, high + margin
    return ListedColormap(shades[::-1] if objective.maximize else shades), Normalize(low, high)


def best_so_far(one: OneSearch) -> Floats:
    """(P,) best value of the first objective up to each point, of complete feasible ones."""
    value = one.best_known()
    counts = one.state(COMPLETE) & one.flag("feasible") & ~np.isnan(value)
    sign = 1.0 if one.objectives[0].maximize else -1.0
    best = np.maximum.accumulate(np.where(counts, sign * value, -math.inf))
    return np.where(np.isfinite(best), sign * best, math.nan)


def jittered(values: Floats, points: pd.DataFrame) -> Floats:
    """Places among choices, moved apart a little by number so that points do not hide others."""
    golden = (points["number"].to_numpy(np.float64) * 0.61803) % 1
    return values + 0.3 * (golden - 0.5)


def scale_x(place: Axes, parameter: Parameter, *, room: int = 20) -> None:
    """The x axis of a parameter; names of choices stand aslant if longer than `room` together."""
    place.set_xlabel(parameter.label)
    if parameter.numeric:
        _scale(place, parameter, "x")
        return
    names = [text for _, text in parameter.ticks()]
    aslant = sum(map(len, names)) > room
    place.set_xticks(range(len(names)), names)
    if aslant:
        place.tick_params(axis="x", labelrotation=25)
        for label in place.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    place.set_xlim(-0.6, len(names) - 0.4)


def scale_y(place: Axes, parameter: Parameter) -> None:
    """The y axis of a numeric parameter."""
    place.set_ylabel(parameter.label)
    _scale(place, parameter, "y")


def label_left(grid: Sequence[Axes], text: str) -> None:
    """Names the y axis of the panels on the left."""
    spec = grid[0].get_subplotspec()
    columns = spec.get_gridspec().ncols if spec is not None else len(grid)
    for place in grid[::columns]:
        place.set_ylabel(text)


def title_of(outcome: Outcome, what: str) -> str:
    """What stands above a figure of a search."""
    return f"{outcome.title or outcome.name}: {what}"


def panel_title(one: OneSearch, count: int) -> str:
    """Above one of several panels; nothing above the only one."""
    return one.label if count > 1 else ""


def _scale(place: Axes, parameter: Parameter, axis: str) -> None:
    if parameter.log:
        place.set(**{f"{axis}scale": "log"})
    ends = parameter.at(np.array([-0.05, 1.05]))
    if ends[1] > ends[0]:
        place.set(**{f"{axis}lim": (float(ends[0]), float(ends[1]))})


def _draw(place: Axes, look: StateLook, x: Floats, y: Floats, edge: float, *, hollow: bool) -> None:
    known: Bools = ~np.isnan(y)
    style: dict[str, Any] = {"ls": "", "marker": look.marker, "ms": look.size, "alpha": 0.85}
    style |= {"color": look.colour, "mfc": "w" if hollow else look.colour}
    if known.any():
        place.plot(x[known], y[known], **style)
    if not known.all():
        at_edge = np.full(int((~known).sum()), edge)
        place.plot(x[~known], at_edge, **style, transform=place.get_xaxis_transform())


def _handle(look: StateLook, label: str, *, hollow: bool = False) -> Line2D:
    return Line2D(
        [], [], ls="", marker=look.marker, ms=look.size, color=look.colour, label=label,
        mfc="w" if hollow else look.colour,
    )  # fmt: skip


_RING: dict[str, Any] = {
    "ls": "", "marker": "o", "ms": 10.0, "mfc": "none", "mec": VERMILION, "mew": 1.6, "zorder": 6,
}  # fmt: skip
