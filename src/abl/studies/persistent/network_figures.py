"""Figures of the networks of a persistent sweep: against each other, and without flagged images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from abl.decide.consensus import more_than_share
from abl.report.figures.style import (
    BLUE,
    GREY,
    VERMILION,
    caption,
    grid_of_panels,
    label_below,
    new_figure,
    own_style,
    wrapped,
)

MOST_NETWORKS, MOST_POINTS = 8, 400
SEEN, WRONG = "seen_", "wrong_"


def network_pairs_figure(images: pd.DataFrame, theta: float) -> Figure | None:
    """Error rates of networks against each other below the diagonal, how they agree above it.

    Args:
        images: seen_NAME and wrong_NAME of each network. None with fewer than two networks.
    """
    columns = [str(name) for name in images]
    names = [name.removeprefix(SEEN) for name in columns if name.startswith(SEEN)]
    cut = f"the first {MOST_NETWORKS} of {len(names)} networks"
    cut = cut if len(names) > MOST_NETWORKS else ""
    names = names[:MOST_NETWORKS]
    if len(names) < 2:
        return None
    seen = {name: images[f"{SEEN}{name}"].to_numpy(np.int64) for name in names}
    wrong = {name: images[f"{WRONG}{name}"].to_numpy(np.int64) for name in names}
    side = 1.9 if len(names) < 4 else 1.35
    with own_style():
        figure = new_figure(max(0.9 + side * len(names), 5.2), 1.5 + side * len(names))
        grid: Any = figure.subplots(len(names), len(names), squeeze=False)
        for at, name in enumerate(names):
            own = wrong[name].sum() / max(seen[name].sum(), 1)
            said = f"{wrapped(name, 16)}\n\n{100 * own:.0f} % wrong"
            _write_only(grid[at, at], said, bold=True)
        for low, high in combinations(range(len(names)), 2):
            first, second = names[low], names[high]
            both = (seen[first] > 0) & (seen[second] > 0)
            x = wrong[first][both] / np.maximum(seen[first][both], 1)
            y = wrong[second][both] / np.maximum(seen[second][both], 1)
            _scatter_counts(grid[high, low], x, y)
            flags = [
                more_than_share(wrong[name][both], seen[name][both], theta)
                for name in (first, second)
            ]
            _write_only(grid[low, high], _agreement(x, y, *flags))
        for row, column in np.ndindex(*grid.shape):
            if row > column:
                place = grid[row, column]
                place.set(xlim=(-0.06, 1.06), ylim=(-0.06, 1.06), aspect="equal")
                place.set_xticks((0, 0.5, 1), ("0", "", "1") if row == len(names) - 1 else ())
                place.set_yticks((0, 0.5, 1), ("0", "", "1") if column == 0 else ())
        figure.supxlabel("share wrong, network of the column", fontsize=9)
        figure.supylabel("share wrong, network of the row", fontsize=9)
        text = (
            "Below the diagonal: share of an image's test appearances in which each network is "
            "wrong (that of the column to the right, that of the row upwards); the larger a point, "
            "the more images. Above: Spearman's rank correlation, which few appearances of an "
            f"image weaken, and how many images are wrong more often than θ = {theta:g} in both "
            "networks, and in either."
        )
        caption(figure, "Networks against each other", text, cut)
    return figure


def _scatter_counts(place: Axes, x: np.ndarray, y: np.ndarray) -> None:
    place.plot([0, 1], [0, 1], color="0.8", lw=0.8, ls=":")
    if not len(x):
        return
    points, counts = np.unique(np.round(np.column_stack([x, y]), 2), axis=0, return_counts=True)
    size = 5 + 110 * counts / max(counts.max(), 12)
    # an SVG of tens of thousands of points would be megabytes
    many = len(points) > MOST_POINTS
    place.scatter(points[:, 0], points[:, 1], s=size, color=BLUE, alpha=0.45, lw=0, rasterized=many)


def _agreement(x: np.ndarray, y: np.ndarray, first: np.ndarray, second: np.ndarray) -> str:
    varies = len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0
    rank = f"{scipy.stats.spearmanr(x, y).statistic:.2f}" if varies else "undefined"
    both, either = int((first & second).sum()), int((first | second).sum())
    return f"rank corr. {rank}\n\nover θ in both {both}\nin either {either}"


def _write_only(place: Axes, text: str, *, bold: bool = False) -> None:
    place.set_axis_off()
    weight = "bold" if bold else "normal"
    place.text(
        0.5, 0.5, text, ha="center", va="center", fontsize=7.5, weight=weight,
        transform=place.transAxes,
    )  # fmt: skip


def exclusion_figure(
    curve: pd.DataFrame, before: Mapping[str, float], theta: float, *, title: str = ""
) -> Figure | None:
    """AUC against the number of images left out of the test sets, a panel a network, and that with
    as many dropped at random.

    Args:
        curve: Of ExclusionPath.
        before: Network -> AUC with all images.
        theta: Where the loop stopped.
    """
    names = list(dict.fromkeys(curve["network"])) if len(curve) else []
    if not names or curve["excluded"].max() == 0:
        return None
    cut = f"the first {MOST_NETWORKS} of {len(names)} networks"
    cut = cut if len(names) > MOST_NETWORKS else ""
    names = names[:MOST_NETWORKS]
    lines = {name: _from_nothing(curve[curve["network"] == name], before[name]) for name in names}
    with own_style():
        figure, grid = grid_of_panels(len(names), columns=3, width_in=2.6, height_in=2.3)
        for place, name in zip(grid, names, strict=True):
            for other in names:
                if other != name:
                    line = lines[other]
                    place.plot(line["excluded"], line["auc"], color="0.85", lw=0.9, zorder=1)
            own = lines[name]
            place.fill_between(
                own["excluded"], own["random_low"], own["random_high"], color=GREY, alpha=0.3, lw=0
            )
            place.plot(own["excluded"], own["random"], color="0.35", lw=1.1, ls="--")
            place.plot(own["excluded"], own["auc"], color=BLUE, lw=1.6, marker="o", ms=2.5)
            at = own[np.isclose(own["theta"], theta)]
            place.plot(at["excluded"], at["auc"], "o", color=VERMILION, ms=6, mfc="w", mew=1.6)
            place.set_title(wrapped(name, 28), fontsize=8)
            place.set_xlim(left=0)
            place.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        label_below(grid, "images left out", "AUC")
        handles = [
            Line2D([], [], color=BLUE, lw=1.6, label="flagged images left out of the test sets"),
            Line2D([], [], color="0.35", lw=1.1, ls="--", label="as many at random, 95 % band"),
        ]
        if any(np.isclose(line["theta"], theta).any() for line in lines.values()):
            stop = Line2D([], [], ls="", marker="o", mfc="w", mec=VERMILION, mew=1.6)
            stop.set_label(f"θ {theta:g}, where the loop stopped")
            handles.append(stop)
        if len(names) > 1:
            handles.append(Line2D([], [], color="0.85", lw=0.9, label="other networks"))
        figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8)
        text = (
            "Mean AUC over the runs of each network when images that are misclassified more often "
            "than a falling θ leave the test sets; nothing is trained again. It rises by "
            "construction, with no wrong label at all, and says nothing of what correcting would "
            "do. Dashed: as many images dropped at random."
        )
        caption(figure, title or "AUC without flagged images (rises by construction)", text, cut)
    return figure


def _from_nothing(rows: pd.DataFrame, before: float) -> pd.DataFrame:
    """With a first point at which no image is left out; each number of images once."""
    start = {"theta": math.nan, "excluded": 0}
    start |= dict.fromkeys(("auc", "random", "random_low", "random_high"), before)
    parts = [pd.DataFrame([start]), rows[rows["excluded"] > 0]]
    names: Sequence[str] = [*start]
    return pd.concat([part[names] for part in parts]).sort_values("excluded", kind="stable")
