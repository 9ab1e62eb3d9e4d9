"""Forest plot of features: odds of being flagged, and of an error, by value."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.report.figures.style import BLUE, VERMILION, caption, new_figure, own_style, wrapped
from abl.studies.persistent.features import REFERENCE

MOST_ROWS = 60
WIDEST = (1 / 64, 64.0)  # odds ratios beyond it are arrows at the edge
ALPHA = 0.05


def feature_forest_figure(rows: pd.DataFrame, cluster: str = "patient") -> Figure | None:
    """A row a value of a feature: odds ratio of a flag, and of an error, with their intervals.

    Args:
        rows: Of `feature_rows`. None without any odds ratio.
        cluster: What P and intervals take as the unit: patient, group or image.
    """
    if rows.empty or rows[["odds_ratio", "rate_odds_ratio"]].isna().all(axis=None):
        return None
    cut = ""
    if len(rows) > MOST_ROWS:
        # whole features, those first that stand out most
        least = rows.groupby("feature", sort=False)["p"].min().sort_values(kind="stable")
        sizes = rows.groupby("feature", sort=False).size().loc[least.index].cumsum()
        kept = set(sizes.index[sizes <= MOST_ROWS]) or {least.index[0]}
        rows = rows[rows["feature"].isin(kept)]
        cut = f"{len(kept)} of {len(least)} features, those with the smallest P first"
    rows = rows.reset_index(drop=True)
    places, ticks = _places(rows)
    with own_style():
        figure = new_figure(8.6, 2.0 + 0.19 * (places.max() + 1))
        # names of values reach over the axes that they are laid out by
        figure.set_layout_engine("constrained", w_pad=10 / 72)
        found = (rows["p_corrected"] < ALPHA).to_numpy(bool)
        small = rows["p"].isna().to_numpy(bool)
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_ratios(left, rows, places, "", found, small)
        none = np.zeros(len(rows), dtype=bool)
        _draw_ratios(right, rows, places, "rate_", none, none)
        left.set_title("odds ratio of being flagged", fontsize=9)
        right.set_title("odds ratio of an error", fontsize=9)
        left.set_yticks(places, ticks, fontsize=7)
        left.set_ylim(places.max() + 0.7, -0.9)
        for place in (left, right):
            place.tick_params(axis="y", length=0)
        _name_features(left, rows, places)
        looks = [(BLUE, "estimate, 95 % interval")]
        if found.any():
            looks.append((VERMILION, "corrected P < 0.05"))
        if small.any():
            looks.append(("0.65", f"too few {cluster}s for P"))
        handles = [
            Line2D([], [], color=colour, marker="s", ms=4, lw=1.2, label=label)
            for colour, label in looks
        ]
        if (rows[["why", "rate_why"]] == REFERENCE).any(axis=None):
            mark = Line2D([], [], color="0.4", marker="D", mfc="w", ls="", ms=4, label=REFERENCE)
            handles.append(mark)
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8)
        text = (
            f"By value of each feature, with the number of {cluster}s that have it and of those "
            f"that are flagged. Left: odds of being flagged against all other {cluster}s, exact "
            "intervals, "
            "each alone; P exact and corrected over all values. Right: odds of a wrong answer "
            "against the commonest value of the feature, classes being equal. Arrows: beyond the "
            "edge."
        )
        caption(figure, "Features of flagged images", text, cut)
    return figure


def _places(rows: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Heights of the rows, with a line above each feature for its name; and names of values."""
    first = (rows["feature"] != rows["feature"].shift()).to_numpy()
    places = np.arange(len(rows)) + np.cumsum(first)
    names = [
        f"{wrapped(str(row.value), 26, lines=1)}  {row.flagged_patients}/{row.patients}"
        for row in rows.itertuples()
    ]
    return places, names


def _name_features(place: Axes, rows: pd.DataFrame, places: np.ndarray) -> None:
    groups = rows["group"].nunique() > 2  # beside the class
    for at in np.flatnonzero(rows["feature"] != rows["feature"].shift()):
        row = rows.iloc[at]
        group = f" ({row['group']})" if groups and row["group"] != row["feature"] else ""
        place.annotate(
            f"{row['feature']}{group}", (0, places[at] - 1), xycoords=("axes fraction", "data"),
            xytext=(-4, 0), textcoords="offset points", ha="right", va="center", fontsize=7.5,
            weight="bold",
        )  # fmt: skip


def _draw_ratios(
    place: Axes, rows: pd.DataFrame, places: np.ndarray, prefix: str, found: np.ndarray,
    small: np.ndarray,
) -> None:  # fmt: skip
    place.axvline(1, color="0.5", lw=0.8)
    values = rows[[f"{prefix}{name}" for name in ("odds_ratio", "low", "high")]]
    for at, (ratio, low, high) in enumerate(values.to_numpy(np.float64)):
        y = places[at]
        if rows[f"{prefix}why"].iloc[at] == REFERENCE:
            place.plot(1, y, "D", color="0.4", mfc="w", ms=4)
            continue
        colour = VERMILION if found[at] else "0.65" if small[at] else BLUE
        ends = np.clip([low, high], *WIDEST)
        if not math.isnan(low):
            place.plot(ends, [y, y], color=colour, lw=1.2)
            for end, edge, marker in ((low, WIDEST[0], "<"), (high, WIDEST[1], ">")):
                if (end < edge) if marker == "<" else (end > edge):
                    place.plot(edge, y, marker, color=colour, ms=4)
        if not math.isnan(ratio):
            inside = WIDEST[0] <= ratio <= WIDEST[1]
            marker = "s" if inside else "<" if ratio < 1 else ">"
            place.plot(np.clip(ratio, *WIDEST), y, marker, color=colour, ms=4)
    place.set_xscale("log", base=2)
    place.set(xlim=(WIDEST[0] / 1.3, WIDEST[1] * 1.3))
    ticks = (1 / 64, 1 / 16, 1 / 4, 1, 4, 16, 64)
    place.set_xticks(ticks, ["1/64", "1/16", "1/4", "1", "4", "16", "64"])
    place.grid(visible=False, axis="y")
