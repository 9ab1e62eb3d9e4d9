"""A metric over the values of an axis, a line or a row of points an arm: for any study."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import (
    best_of,
    goodness,
    is_control,
    spread_about,
    table_value,
)
from abl.report.figures.curves import MOST_BANDS
from abl.report.figures.style import (
    COLOURS,
    MARKERS,
    DrawnFigure,
    grid_of_panels,
    new_figure,
    own_style,
    wrapped,
)
from abl.report.labels import label_in, metric_label
from abl.report.named import words_of
from abl.report.numbers import MINUS

MOST_SERIES = 6
_MOST_TICKS = 16
# tick labels beside each other in one panel
_MOST_LETTERS = 44

LEAST_HEIGHT = 0.15  # of a bar on which its value is written, of a row
ROOM_FOR_VALUE = 0.08  # of the axis

Value = int | str
Ends = tuple[float, float, float]  # mean, low, high
# what else is drawn on a panel: (axes, metric, where each value lies) -> entries of the legend
Beside = Callable[[Axes, str, Mapping[Value, float]], Sequence[Line2D]]


@dataclass(frozen=True, eq=False)
class Series:
    """Arms that differ in one axis alone.

    Attributes:
        label: Their other settings in a few words, "" if there is one series.
        arms: Value of the axis -> arm, in the order in which they are drawn.
        main: Whether the best arm of all series is among them.
    """

    label: str
    arms: Mapping[Value, ArmOutcome]
    main: bool


def series_over(
    outcome: Outcome,
    axes: Sequence[str],
    value: Callable[[ArmOutcome], Value | None],
    order: Callable[[Iterable[Value]], Sequence[Value]],
    *,
    fewest: int = 2,
    most: int = MOST_SERIES,
    word: str = "series",
) -> tuple[list[Series], str]:
    """The best series on the primary metric, and the sentence that says which if some are cut.

    Args:
        axes: Those that `value` reads; the others tell series apart.
        value: Where an arm lies, None if nowhere. Failed arms are left out.
        fewest: Values that a series has at least.
        word: For series, in the sentence.
    """
    others = [axis for axis in outcome.axes if axis not in axes]
    groups: dict[tuple, dict[Value, ArmOutcome]] = {}
    for arm in outcome.arms:
        at = None if arm.failed else value(arm)
        if at is not None:
            groups.setdefault(tuple(arm.params.get(axis, "") for axis in others), {})[at] = arm
    groups = {key: arms for key, arms in groups.items() if len(arms) >= fewest}

    def rank(key: tuple) -> float:
        able = [arm for arm in groups[key].values() if not is_control(outcome, arm)]
        return -max((goodness(outcome, arm) for arm in able), default=-math.inf)

    kept = [key for key in groups if key in sorted(groups, key=rank)[:most]]
    cut = ""
    if len(kept) < len(groups):
        best_on = label_in(outcome, outcome.primary)
        cut = f"those with the best {best_on} on test: {len(kept)} of {len(groups)} {word}"
    shown = [arm for key in kept for arm in groups[key].values()]
    varying = [axis for axis in others if len({arm.params.get(axis, "") for arm in shown}) > 1]
    best = best_of(outcome, shown)
    found = []
    for key in kept:
        arms = {each: groups[key][each] for each in order(groups[key])}
        first = next(iter(arms.values()))
        main = best is not None and any(arm.key == best.key for arm in arms.values())
        found.append(Series(words_of(first, outcome, varying), arms, main))
    return found, cut


def line_figure(
    series: Sequence[Series],
    metrics: Sequence[str],
    values: Sequence[Value],
    axis_label: str,
    beside: Beside,
    *,
    label_of: Callable[[str], str] = metric_label,
) -> tuple[DrawnFigure, str]:
    """A panel a metric and a line a series, with 95 % intervals (or sd) of three series or fewer.

    Of more series that with the best arm has a band. The second value says what bands are, "" if
    there are none.

    Args:
        values: All of the axis in order. Whole numbers lie where they are, words in equal steps.
        axis_label: Below the panels.
        beside: Draws what else belongs to a panel.
        label_of: What a metric is called.
    """
    numeric = all(isinstance(value, int) for value in values)
    places = {value: float(value if numeric else at) for at, value in enumerate(values)}
    handles, bands = [_handle(at, each) for at, each in enumerate(series)], set()
    with own_style():
        figure, grid = grid_of_panels(
            len(metrics), columns=2, width_in=3.3, height_in=2.5, margins_in=(0.6, 1.6), share=False
        )
        for place, metric in zip(grid, metrics, strict=True):
            for at, each in enumerate(series):
                band = len(series) <= MOST_BANDS or each.main
                bands.add(_draw_line(place, each, metric, places, at, band=band))
            handles += beside(place, metric, places)
            if numeric:
                place.set_xticks(list(places.values())[:: math.ceil(len(values) / _MOST_TICKS)])
            else:
                names = [wrapped(str(value), 16, lines=2) for value in values]
                aslant = sum(max(len(name), 2) + 2 for name in names) > _MOST_LETTERS
                turned: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
                place.set_xticks(list(places.values()), names, **(turned if aslant else {}))
            place.tick_params(labelsize=8)
            place.set_xlabel(axis_label, fontsize=9)
            place.set_ylabel(label_of(metric), fontsize=9)
        ncols = min(2, len(handles))
        figure.legend(handles=handles, loc="outside lower center", ncols=ncols, fontsize=8)
    return figure, " or ".join(sorted(bands - {""}))


def row_figure(
    series: Sequence[Series],
    metrics: Sequence[str],
    values: Sequence[Value],
    *,
    names: Callable[[Value], str] = str,
    axis_label: str = "",
    value_of: Callable[[ArmOutcome, str], Ends] = table_value,
    bars: bool = False,
    base: tuple[ArmOutcome, Outcome] | None = None,
    note: str = "",
    label_of: Callable[[str], str] = metric_label,
) -> DrawnFigure:
    """A panel a metric, a row a value of the axis, and in it a mean with 95 % interval a series.

    Args:
        values: All of the axis, from the top.
        bars: From 0 instead of points, of which the best arm's is filled.
        base: An arm whose mean is drawn across all rows.
        note: Stands above the legend.
        label_of: What a metric is called.
    """
    step = 0.76 / len(series)
    with own_style():
        height = 1.5 + (0.17 + 0.12 * len(series)) * len(values)
        figure = new_figure(7.5, height)
        grid = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for place, metric in zip(grid, metrics, strict=True):
            shown: dict[float, Ends] = {}
            for at, each in enumerate(series):
                for value, arm in each.arms.items():
                    y = values.index(value) + step * (at - (len(series) - 1) / 2)
                    mean, low, high = value_of(arm, metric)
                    colour, marker = look_of(at)
                    if bars:
                        shown[y] = mean, low, high
                        place.barh(y, mean, 0.9 * step, color=colour, alpha=0.75, lw=0)
                    place.plot([low, high], [y, y], color="0.15" if bars else colour, lw=1.4)
                    if not bars:
                        face = colour if arm.best else "w"
                        place.plot(mean, y, marker=marker, ms=5, color=colour, mfc=face, zorder=3)
            if base is not None:
                place.axvline(table_value(base[0], metric)[0], color="0.25", lw=1.2, ls="--")
            if 0.9 * step > LEAST_HEIGHT:
                _write_values(place, shown)
            place.set_xlabel(f"{label_of(metric)} (mean, 95 % interval)", fontsize=9)
            place.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
            place.grid(visible=False, axis="y")
            for edge in range(1, len(values)):
                place.axhline(edge - 0.5, color="0.9", lw=0.6, zorder=1)
        grid[0].set_yticks(range(len(values)), [names(value) for value in values])
        grid[0].set_ylim(len(values) - 0.5, -0.5)
        grid[0].set_ylabel(axis_label)
        handles = [_handle(at, each, bar=bars) for at, each in enumerate(series) if each.label]
        if not bars and any(arm.best for each in series for arm in each.arms.values()):
            label = "filled: the best arm"
            handles.append(Line2D([], [], ls="", marker="o", ms=5, color="0.3", label=label))
        if base is not None:
            label = f"base ({words_of(*base)}): {table_value(base[0], metrics[0])[0]:.3f}"
            handles.append(Line2D([], [], color="0.25", lw=1.2, ls="--", label=label))
        if handles or note:
            figure.legend(
                handles=handles, loc="outside lower center", ncols=min(4, max(len(handles), 1)),
                fontsize=8, title=wrapped(note, 100) or None, title_fontsize=7.5,
            )  # fmt: skip
    return figure


def _draw_line(
    place: Axes, series: Series, metric: str, places: Mapping[Value, float], at: int, *, band: bool
) -> str:
    """Draws one line; returns what its band means."""
    colour, marker = look_of(at)
    cells = [(places[value], arm.cells.get(metric)) for value, arm in series.arms.items()]
    known = [(x, cell) for x, cell in cells if cell is not None and not math.isnan(cell.mean)]
    rows = [(x, cell.mean, cell.low, cell.high, cell.sd) for x, cell in known]
    x, y, low, high, sd = np.array(rows, dtype=np.float64).reshape(-1, 5).T
    place.plot(x, y, color=colour, marker=marker, ms=3.5, lw=1.4, zorder=3)
    meaning = "95 % interval over patients"
    if np.isnan(low).all():
        (low, high), meaning = spread_about(y, sd), "± sd"
    if not band or np.isnan(low).all():
        return ""
    place.fill_between(x, low, high, color=colour, alpha=0.15, lw=0, zorder=2)
    return meaning


def _write_values(place: Axes, bars: Mapping[float, Ends]) -> None:
    """The value of each bar: where it begins, white on it, or beyond its interval if it is short.

    For when all is drawn, as it depends on the ends of the axis what is short.

    Args:
        bars: Where each lies -> what it shows.
    """
    left, right = place.get_xlim()
    room = ROOM_FOR_VALUE * (right - left)
    for y, (mean, low, high) in bars.items():
        if math.isnan(mean):
            continue
        nearest = min(abs(end) for end in (mean, low, high) if not math.isnan(end))
        crosses = low < 0 < high
        is_long = nearest > room and not crosses
        away = -1.0 if is_long and mean < 0 else 1.0
        x = 0.0 if is_long else float(np.nanmax([0.0, mean, high]))
        place.annotate(
            f"{mean:.2f}".replace("-", MINUS), (x, y), (3 * away, 0), textcoords="offset points",
            va="center", ha="left" if away > 0 else "right", fontsize=7.5,
            color="w" if is_long else "0.15", zorder=5,
        )  # fmt: skip


def _handle(at: int, series: Series, *, bar: bool = False) -> Line2D:
    colour, marker = look_of(at)
    label = wrapped(series.label, 44) or "mean"
    if bar:
        return Line2D([], [], color=colour, lw=6, alpha=0.75, label=label)
    return Line2D([], [], color=colour, marker=marker, ms=3.5, label=label)


def look_of(at: int) -> tuple[str, str]:
    """Colour and marker of the series at a position."""
    return COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
