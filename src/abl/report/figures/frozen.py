"""The metrics over the number of frozen layers, and where their optimum lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.plan.outcome import Outcome
from abl.report.figures.curves import MOST_BANDS
from abl.report.figures.frozen_series import (
    Depth,
    Series,
    optimum_text,
    ordered_depths,
    series_of,
)
from abl.report.figures.style import COLOURS, MARKERS, caption, grid_of_panels, own_style, wrapped
from abl.report.labels import metric_label
from abl.report.published import QIN_2020

_METRICS = ("acc", "auc", "sen", "spe")
_MOST_PANELS = 4
_MOST_TICKS = 16
# tick labels beside each other in one panel
_MOST_LETTERS = 44
# heights of one optimum's row below the curves, of few and of many, as shares of the panel
_ROWS = (0.055, 0.04)
_PUBLISHED_LINES = ("--", "-.")


def frozen_figure(outcome: Outcome, predictions: pd.DataFrame) -> Figure | None:
    """The primary metric and accuracy, AUC, sensitivity, specificity over n, a line a series.

    A series is what the other axes tell apart; the six best are shown. Under the primary metric
    lies each series' observed optimum with the interval of its n. Behind the accuracy of a VGG16
    lie published values. None unless some series has three values of n.
    """
    series, cut = series_of(outcome, predictions)
    if not series:
        return None
    metrics = _metrics(outcome)
    places = _positions(series)
    banded = series if len(series) <= MOST_BANDS else [each for each in series if each.main]
    with own_style():
        figure, grid = grid_of_panels(
            len(metrics), columns=2, width_in=3.3, height_in=2.5, margins_in=(0.6, 1.6), share=False
        )
        published: list[Line2D] = []
        bands = set()
        for place, metric in zip(grid, metrics, strict=True):
            if metric == "acc":
                published = _draw_published(place, series, places)
            for index, each in enumerate(series):
                bands.add(_draw_series(place, each, metric, places, index, band=each in banded))
            if metric == outcome.primary:
                _draw_optima(place, series, places)
            _ticks(place, places)
            place.set_ylabel(metric_label(metric), fontsize=9)
        handles = [*_handles(series), *published]
        figure.legend(
            handles=handles, loc="outside lower center", ncols=min(2, len(handles)), fontsize=8
        )
        behind = " or ".join(sorted(bands - {""}))
        caption(
            figure,
            f"{outcome.title or outcome.name}: frozen layers",
            _text(outcome, series, metrics, behind, len(banded), bool(published)),
            cut,
        )
    return figure


def _metrics(outcome: Outcome) -> list[str]:
    named = [metric for metric in _METRICS if metric in outcome.metrics]
    return list(dict.fromkeys([outcome.primary, *named]))[:_MOST_PANELS]


def _positions(series: Sequence[Series]) -> dict[Depth, float]:
    """Where each n is drawn: numbers at their value, with names among them in equal steps."""
    values = ordered_depths([value for each in series for value in each.values])
    if all(isinstance(value, int) for value in values):
        return {value: float(value) for value in values}
    return {value: float(at) for at, value in enumerate(values)}


def _draw_series(
    place: Axes,
    series: Series,
    metric: str,
    places: Mapping[Depth, float],
    index: int,
    *,
    band: bool,
) -> str:
    """Draws one line; returns what its band means."""
    colour, marker = _look(index)
    cells = [arm.cells.get(metric) for arm in series.arms]
    known = [
        (places[value], cell)
        for value, cell in zip(series.values, cells, strict=True)
        if cell is not None and not math.isnan(cell.mean)
    ]
    if not known:
        return ""
    x = [at for at, _ in known]
    y = np.array([cell.mean for _, cell in known])
    place.plot(x, y, color=colour, marker=marker, ms=3.5, lw=1.4, zorder=3)
    low = np.array([cell.low for _, cell in known])
    high = np.array([cell.high for _, cell in known])
    meaning = "95 % interval over patients"
    if np.isnan(low).all():
        spread = np.array([cell.sd for _, cell in known])
        low, high, meaning = y - spread, y + spread, "± sd"
    if not band or np.isnan(low).all():
        return ""
    if ((y >= 0) & (y <= 1)).all():  # shares: an interval by resampling may leave their range
        low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    place.fill_between(x, low, high, color=colour, alpha=0.15, lw=0, zorder=2)
    return meaning


def _draw_optima(place: Axes, series: Sequence[Series], places: Mapping[Depth, float]) -> None:
    """A row for each series below the curves: its observed optimum, and the interval of its n."""
    low, high = place.get_ylim()
    row = _ROWS[len(series) > MOST_BANDS]
    share = row * (len(series) + 0.8)
    place.set_ylim(low - (high - low) * share / (1 - share), high)
    across = place.get_xaxis_transform()
    for index, each in enumerate(series):
        colour, marker = _look(index)
        y = row * (len(series) - index)
        if each.optimum is not None:
            ends = [places[each.values[at]] for at in (each.optimum.low, each.optimum.high)]
            place.plot(
                ends, [y, y], color=colour, lw=2.2, marker="|", ms=6, transform=across, zorder=4
            )
        x = places[each.values[each.best]]
        place.plot(
            x, y, marker=marker, ms=6, mfc="w", mec=colour, mew=1.6, ls="", transform=across,
            zorder=5,
        )  # fmt: skip


def _draw_published(
    place: Axes, series: Sequence[Series], places: Mapping[Depth, float]
) -> list[Line2D]:
    """The published accuracy at the numbers of layers that are drawn; its handles."""
    numbers = [value for value in places if isinstance(value, int)]
    whose = any(each.network == QIN_2020.network for each in series)
    if not whose or len(numbers) < len(places):
        return []
    handles = []
    for (modality, accuracy), line in zip(QIN_2020.accuracy.items(), _PUBLISHED_LINES, strict=True):
        at = [n for n in range(len(accuracy)) if min(numbers) <= n <= max(numbers)]
        place.plot(at, [accuracy[n] for n in at], color="0.55", lw=0.9, ls=line, zorder=1)
        label = f"published ({QIN_2020.source}), {modality}"
        handles.append(Line2D([], [], color="0.55", lw=0.9, ls=line, label=label))
    return handles


def _ticks(place: Axes, places: Mapping[Depth, float]) -> None:
    values = list(places)
    if all(isinstance(value, int) for value in values):
        step = math.ceil(len(values) / _MOST_TICKS)
        place.set_xticks([places[value] for value in values[::step]])
        place.set_xlabel("n, frozen convolutions", fontsize=9)
    else:
        names = [wrapped(str(value), 16, lines=2) for value in values]
        place.set_xticks(list(places.values()), names)
        place.set_xlabel("frozen up to", fontsize=9)
        if sum(max(len(name), 2) + 2 for name in names) > _MOST_LETTERS:
            place.set_xticks(
                list(places.values()), names, rotation=40, ha="right", rotation_mode="anchor"
            )
    place.tick_params(labelsize=8)


def _handles(series: Sequence[Series]) -> list[Line2D]:
    handles = []
    for index, each in enumerate(series):
        colour, marker = _look(index)
        label = wrapped(each.label, 44) or "mean"
        handles.append(Line2D([], [], color=colour, marker=marker, ms=3.5, label=label))
    known = any(each.optimum is not None for each in series)
    label = "observed optimum, 95 % interval of n" if known else "observed optimum"
    line = "-" if known else ""
    handles.append(
        Line2D([], [], color="0.3", lw=2.2, ls=line, marker="o", mfc="w", ms=6, label=label)
    )
    return handles


def _text(
    outcome: Outcome,
    series: Sequence[Series],
    metrics: Sequence[str],
    behind: str,
    banded: int,
    published: bool,
) -> str:
    primary = metric_label(outcome.primary)
    which = " of the series with the best arm" if banded < len(series) else ""
    parts = [
        f"{', '.join(metric_label(metric) for metric in metrics)} on the test sets over the "
        f"layers that stay as they were: mean over replicates"
        f"{f', with {behind}{which}' if behind else ''}."
    ]
    first = next((each for each in series if each.main), series[0])
    parts.append(f"{_of(primary, first)}: optimum at {optimum_text(first, share=True)}.")
    parts += [
        f"{_of(primary, each)}: optimum at {optimum_text(each)}."
        for each in series
        if each is not first
    ]
    known = next((each.optimum for each in (first, *series) if each.optimum is not None), None)
    if known is not None:
        few = ", which are few" if known.few else ""
        parts.append(
            f"The interval is that of the best n in {known.resamples} samples of "
            f"{known.patients} patients{few}, the same for every n. The optimum was read on the "
            "test sets: its own value is too good by that choice."
        )
        parts += [f"{known.note}."] if known.note else []
    parts += [QIN_2020.caveat] if published else []
    return " ".join(parts)


def _of(primary: str, series: Series) -> str:
    return f"{primary} ({series.label})" if series.label else primary


def _look(index: int) -> tuple[str, str]:
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
