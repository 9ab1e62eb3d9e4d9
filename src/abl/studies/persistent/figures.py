"""Figures of a persistent sweep: how often images are misclassified."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from abl.report.figures.style import (
    BLUE,
    GREEN,
    VERMILION,
    caption,
    new_figure,
    own_style,
    wrapped,
)
from abl.report.labels import counted

MOST_NAMED, MOST_POINTS = 40, 400


def shares_figure(expected: pd.DataFrame, theta: float) -> Figure | None:
    """How many images have which share wrong, and how many would under both nulls.

    Args:
        expected: One row a bin: low, high (its ends), observed, and equal and fitted with _low and
            _high: number of images expected, and what holds 95 % of the draws.
    """
    if expected.empty:
        return None
    edges = [*expected["low"], expected["high"].iloc[-1]]
    middle = (expected["low"] + expected["high"]) / 2
    nulls = [
        ("equal", GREEN, "--", "expected, all images equally hard"),
        ("fitted", BLUE, "-", "expected, difficulty as fitted, no wrong label"),
    ]
    nulls = [null for null in nulls if null[0] in expected and expected[null[0]].notna().any()]
    with own_style():
        figure = new_figure(6.4, 4.0)
        place = figure.subplots()
        place.stairs(expected["observed"], edges, fill=True, color="0.82", label="observed")
        place.stairs(expected["observed"], edges, color="0.45", lw=0.8)
        for name, colour, line, label in nulls:
            place.plot(middle, expected[name], line, color=colour, lw=1.4, label=label)
            low, high = expected[f"{name}_low"], expected[f"{name}_high"]
            place.fill_between(middle, low, high, color=colour, alpha=0.18, lw=0)
        place.axvline(theta, color=VERMILION, lw=1.1, ls=":")
        place.annotate(
            f"θ {theta:g}", (theta, 0.97), xytext=(-3, 0), ha="right", va="top", fontsize=8,
            color=VERMILION,
            xycoords=("data", "axes fraction"), textcoords="offset points",
        )  # fmt: skip
        # roots: the few images at the right end are what is asked about
        place.set_yscale("function", functions=(np.sqrt, np.square))
        most = float(expected.filter(regex="^(observed|.*_high)$").to_numpy().max())
        place.set_yticks(_round_counts(most))
        place.set(xlim=(edges[0], edges[-1]), ylim=(0, most * 1.15 + 1))
        place.set_xlabel("share of its test appearances in which an image is wrong (F)")
        place.set_ylabel("images (scale of roots)")
        figure.legend(loc="outside lower center", ncols=1, fontsize=8)
        text = (
            "Number of images by the share of their test appearances in which they are "
            "misclassified, and the number expected with no wrong label at all: if all images "
            "were equally hard, and under the fitted spread of difficulty. Bands: 95 % of the "
            "draws. Right of the dotted line: more often than θ."
        )
        caption(figure, "How often images are misclassified", text)
    return figure


def _round_counts(most: float) -> list[int]:
    """Ticks of an axis of roots, none of which lie on each other."""
    ticks = [0]
    for step in sorted({round(base * 10**power) for power in range(7) for base in (1, 2.5, 5)}):
        if step <= most * 1.1 and math.sqrt(step) - math.sqrt(ticks[-1]) > math.sqrt(most) / 14:
            ticks.append(step)
    return ticks


def sorted_rates_figure(images: pd.DataFrame, theta: float) -> Figure | None:
    """Images in the order of their error rate, with intervals; named where they are few.

    Args:
        images: image, share, flagged; error_rate, low, high of the model where it was fitted;
            `flipped` where wrong labels are known.
    """
    known = images[images["share"].notna()]
    if known.empty:
        return None
    has_rates = "error_rate" in known and bool(known["error_rate"].notna().any())
    by = ["error_rate", "share"] if has_rates else ["share"]
    rows = known.sort_values([*by, "image"], ignore_index=True)
    few = len(rows) <= MOST_NAMED
    with own_style():
        figure = new_figure(6.8, 1.6 + 0.17 * len(rows)) if few else new_figure(7.5, 3.8)
        place = figure.subplots()
        handles: list[Line2D | Patch] = [_dot(BLUE, "share wrong (F)")]
        if rows["flagged"].any():
            handles.append(_dot(VERMILION, "flagged"))
        if has_rates:
            handles += (_draw_intervals if few else _draw_band)(place, rows)
        (_draw_named if few else _draw_ordered)(place, rows, theta)
        handles += _draw_flipped(place, rows, few=few)
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
        unseen = len(images) - len(known)
        text = (
            f"Share of test appearances in which each image is misclassified. Dotted: θ {theta:g}."
        )
        if has_rates:
            text += (
                " Behind it the error rate of a mixed model (image, network, patient), which the "
                "images are sorted by, with its 95 % interval: a share of few appearances moves "
                "towards the mean of all."
            )
        if unseen:
            text += f" {counted(unseen, 'image')} in no test set: not drawn."
        caption(figure, f"Error rates of {counted(len(rows), 'image')}", text)
    return figure


def _draw_intervals(place: Axes, rows: pd.DataFrame) -> list[Line2D | Patch]:
    at = np.arange(len(rows))
    place.hlines(at, rows["low"], rows["high"], color="0.55", lw=1.4)
    place.plot(rows["error_rate"], at, "|", color="k", ms=7)
    mark = Line2D([], [], color="k", ls="", marker="|", ms=7, label="error rate (model)")
    return [mark, Line2D([], [], color="0.55", lw=1.4, label="its 95 % interval")]


def _draw_band(place: Axes, rows: pd.DataFrame) -> list[Line2D | Patch]:
    at = np.arange(len(rows))
    place.fill_between(at, rows["low"], rows["high"], color="0.82", lw=0)
    place.plot(at, rows["error_rate"], color="k", lw=1.0)
    line = Line2D([], [], color="k", lw=1, label="error rate (model)")
    return [line, Patch(color="0.82", label="its 95 % interval")]


def _draw_named(place: Axes, rows: pd.DataFrame, theta: float) -> None:
    at = np.arange(len(rows))
    place.scatter(rows["share"], at, s=16, c=_colours(rows), zorder=3, lw=0)
    place.axvline(theta, color=VERMILION, lw=0.9, ls=":")
    place.set_yticks(at, [wrapped(str(name), 34, lines=1) for name in rows["image"]])
    place.tick_params(axis="y", labelsize=6.5)
    place.set(xlim=(-0.03, 1.05), ylim=(-0.7, len(rows) - 0.3), xlabel="error rate")
    place.grid(visible=False, axis="y")


def _draw_ordered(place: Axes, rows: pd.DataFrame, theta: float) -> None:
    at, size = np.arange(len(rows)), max(3.0, 14 - len(rows) / 150)
    place.scatter(
        at, rows["share"], s=size, c=_colours(rows), zorder=3, lw=0, alpha=0.75,
        rasterized=len(rows) > MOST_POINTS,
    )  # fmt: skip
    place.axhline(theta, color=VERMILION, lw=0.9, ls=":")
    place.set(ylim=(-0.03, 1.06), xlim=(-len(rows) * 0.01, len(rows) * 1.01))
    place.set(xlabel="images, the least often misclassified first", ylabel="error rate")


def _colours(rows: pd.DataFrame) -> list[str]:
    return [VERMILION if flagged else BLUE for flagged in rows["flagged"]]


def _dot(colour: str, label: str) -> Line2D:
    return Line2D([], [], ls="", marker="o", ms=4, color=colour, label=label)


def _draw_flipped(place: Axes, rows: pd.DataFrame, *, few: bool) -> list[Line2D]:
    """Marks images whose label is known to be wrong, at the edge."""
    if "flipped" not in rows or not rows["flipped"].any():
        return []
    at = np.flatnonzero(rows["flipped"])
    edge = np.full(len(at), 1.03)
    x, y, marker = (edge, at, "<") if few else (at, edge, "v")
    place.plot(x, y, marker, color="k", ms=3.5, alpha=0.8, clip_on=False)
    label = "label known to be wrong"
    return [Line2D([], [], ls="", marker=marker, ms=4, color="k", label=label)]
