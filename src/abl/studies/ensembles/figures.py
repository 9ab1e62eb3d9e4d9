"""Figures of an ensembles sweep: J of every combination, and gain against number of networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.plan.outcome import Outcome
from abl.report.figures.style import (
    BLACK,
    COLOURS,
    GREY,
    MARKERS,
    caption,
    new_figure,
    own_style,
    wrapped,
)
from abl.report.labels import counted, label_in
from abl.stages.combine import MEAN
from abl.studies.ensembles.sets import sets_of

MOST_ROWS = 70


def heat_map_figure(outcome: Outcome, gains: pd.DataFrame) -> Figure | None:
    """J of the primary metric: a row a combination, a column a classifier, dots for its networks.

    Args:
        gains: See `found.gain_rows`.
    """
    shown = _primary(outcome, gains)
    if len(shown) < 2:
        return None
    rows = list(dict.fromkeys(shown["row"]))[:MOST_ROWS]
    columns = _columns(shown)
    names = _names(outcome, rows)
    values = shown.pivot_table(index="row", columns="column", values="ratio", sort=False)
    values = values.reindex(index=rows, columns=columns)
    surely = shown.assign(sure=(shown["low"] > 0) | (shown["high"] < 0)).pivot_table(
        index="row", columns="column", values="sure", aggfunc="max", sort=False
    )
    surely = surely.reindex(index=rows, columns=columns)
    reach = max(float(np.nanmax(np.abs(values.to_numpy() - 1))), 0.01)
    with own_style():
        width = 1.6 + 0.32 * len(names) + 0.95 * len(columns)
        figure = new_figure(max(width, 4.4), 1.7 + 0.2 * len(rows))
        dots, map_place = figure.subplots(
            1, 2, sharey=True, width_ratios=[0.32 * len(names) + 0.2, 0.95 * len(columns)]
        )
        _draw_members(dots, rows, names)
        image = map_place.imshow(values, cmap="RdBu", vmin=1 - reach, vmax=1 + reach, aspect="auto")
        for (at, column), value in np.ndenumerate(values.to_numpy()):
            if np.isnan(value):
                continue
            star = "*" if value < 1 else ""
            dark = abs(value - 1) > 0.65 * reach
            map_place.text(
                column, at, f"{value:.3f}{star}", ha="center", va="center", fontsize=6.5,
                color="white" if dark else BLACK,
                weight="bold" if bool(surely.iloc[at, column]) else "normal",
            )  # fmt: skip
        map_place.set_xticks(range(len(columns)), [wrapped(c, 14) for c in columns], fontsize=7.5)
        map_place.xaxis.tick_top()
        map_place.tick_params(length=0)
        map_place.grid(visible=False)
        figure.colorbar(image, ax=map_place, shrink=min(1.0, 12 / len(rows)), label="J")
        cut = len(dict.fromkeys(shown["row"])) - len(rows)
        text = (
            f"{label_in(outcome, outcome.primary)} of each combination over that of the best of "
            "its networks alone. Dots: its networks, joined where their features are concatenated. "
            "* below 1, as published. Bold: the 95 % interval of the difference excludes 0."
        )
        if cut > 0:
            text += f" {counted(cut, 'combination')} more: see the table."
        caption(figure, "J of combinations of networks", text)
    return figure


def _draw_members(place: Axes, rows: Sequence[str], names: Sequence[str]) -> None:
    for at, row in enumerate(rows):
        sets = sets_of(row.split(" · ")[0], ())
        members = {name for each in sets for name in each}
        has = [name in members for name in names]
        x = np.arange(len(names))
        place.scatter(x, np.full(len(x), at), s=16, c=[BLACK if each else "0.88" for each in has])
        for number, each in enumerate(sets):  # of sets that overlap each has a line of its own
            taken = [names.index(name) for name in each if name in names]
            y = at + 0.16 * (number - (len(sets) - 1) / 2) if _overlap(sets) else at
            if len(taken) > 1:
                place.plot([min(taken), max(taken)], [y, y], color=BLACK, lw=0.8)
    place.set_xticks(range(len(names)), names, fontsize=8)
    place.xaxis.tick_top()
    place.set_xlim(-0.6, len(names) - 0.4)
    place.set_ylim(len(rows) - 0.5, -0.5)
    place.set_yticks([])
    place.grid(visible=False)
    place.tick_params(length=0)
    for side in ("left", "bottom"):
        place.spines[side].set_visible(False)


def _overlap(sets: Sequence[Sequence[str]]) -> bool:
    return len({name for each in sets for name in each}) < sum(len(each) for each in sets)


def by_size_figure(outcome: Outcome, gains: pd.DataFrame, widths: pd.DataFrame) -> Figure | None:
    """The primary metric of every combination against its number of networks.

    Args:
        gains: See `found.gain_rows`.
        widths: See `found.width_rows`: single networks.
    """
    shown = _primary(outcome, gains)
    if shown.empty or shown["size"].max() < 2:
        return None
    columns = _columns(shown[shown["size"] > 1])
    with own_style():
        figure = new_figure(6.6, 3.9)
        left, right = figure.subplots(1, 2)
        handles = []
        for number, column in enumerate(columns):
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            rows = shown[(shown["column"] == column) & (shown["size"] > 1)]
            shift = (number - (len(columns) - 1) / 2) * min(0.16, 0.4 / len(columns))
            own = widths[widths["classifier"] == column] if len(widths) else widths
            sizes = [*([1] * len(own)), *rows["size"]]
            values = [*(own["value"] if len(own) else []), *rows["value"]]
            _draw_points(left, sizes, values, shift, colour, marker)
            _draw_points(right, list(rows["size"]), list(rows["ratio"]), shift, colour, marker)
            handles.append(Line2D([], [], color=colour, marker=marker, ms=4, lw=1.2, label=column))
        right.axhline(1, color=GREY, lw=0.9, ls=":")
        label = label_in(outcome, outcome.primary)
        left.set(xlabel="networks", ylabel=label)
        right.set(xlabel="networks", ylabel="J: over the best of its networks")
        for place in (left, right):
            place.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=8)
        text = (
            f"{label} (left) and J (right) of every combination by the number of its networks; "
            "lines: their mean. More networks have better best members too, which only J takes "
            "into account."
        )
        caption(figure, "Gain against number of networks", text)
    return figure


def _draw_points(
    place: Axes,
    sizes: Sequence[float],
    values: Sequence[float],
    shift: float,
    colour: str,
    marker: str,
) -> None:
    frame = pd.DataFrame({"size": sizes, "value": values}).dropna()
    place.scatter(
        frame["size"] + shift, frame["value"], s=12, color=colour, marker=marker, alpha=0.45, lw=0
    )
    mean = frame.groupby("size")["value"].mean()
    place.plot(mean.index + shift, mean, color=colour, lw=1.2, marker=marker, ms=4)


def _primary(outcome: Outcome, gains: pd.DataFrame) -> pd.DataFrame:
    """Rows of the primary metric, small sets first, with the words of their row and column."""
    if gains.empty:
        return gains.assign(row=[], column=[])
    shown = gains[(gains["metric"] == outcome.primary) & gains["ratio"].notna()]
    shown = shown.sort_values("size", kind="stable")
    others = shown["others"] if shown["others"].nunique() > 1 else ""
    row = shown["networks"] + ("" if isinstance(others, str) else " · " + others)
    how = np.where(shown["ensemble"] == MEAN, "", " · " + shown["ensemble"])
    return shown.assign(row=row, column=shown["classifier"] + how)


def _columns(shown: pd.DataFrame) -> list[str]:
    """Classifiers, single ones first."""
    return sorted(dict.fromkeys(shown["column"]), key=lambda each: each.count("+"))


def _names(outcome: Outcome, rows: Sequence[str]) -> list[str]:
    """Names of the networks in use, in the panel's order."""
    used = {n for row in rows for each in sets_of(row.split(" · ")[0], ()) for n in each}
    panel = [str(name) for name in outcome.facts.study.get("panel", ())]
    return [name for name in panel if name in used] or sorted(used)
