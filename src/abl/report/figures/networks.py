"""How sure the single networks are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from abl.decide.check import Floats
from abl.decide.probabilities import largest_class, margin
from abl.plan.outcome import Outcome
from abl.report.figures.arms import best_of, frames_by, unit_word
from abl.report.figures.style import (
    SKY,
    VERMILION,
    caption,
    grid_of_panels,
    label_below,
    own_style,
    unit_square,
    wrapped,
)
from abl.report.prediction_frames import probabilities_of, probability_columns

MOST_NETWORKS = 8
_BINS = np.linspace(0.0, 1.0, 11)


def confidence_figure(outcome: Outcome, networks: pd.DataFrame) -> Figure | None:
    """Histogram and cumulative distribution of |p_B - p_M| of each network, and of all.

    K > 2: margin of the two largest probabilities. On validation; the training images' cumulative
    distribution beside it shows how much surer a network is of what it has seen. None without
    predictions of networks.
    """
    role = next(
        (r for r in ("validation", "test", "train") if frames_by(networks, "network", r)), ""
    )
    if not role:
        return None
    frames = frames_by(networks, "network", role)
    train = frames_by(networks, "network", "train") if role == "validation" else {}
    names = list(frames)[:MOST_NETWORKS]
    panels = [(name, frames[name], train.get(name)) for name in names]
    if len(frames) > 1:
        # of all networks, those without a panel too
        of_train = pd.concat(train.values()) if train else None
        panels.append(("all networks", pd.concat(frames.values()), of_train))
    threshold = _mean_threshold(outcome)
    with own_style():
        figure, grid = grid_of_panels(len(panels), columns=3, width_in=2.6, height_in=2.0)
        for place, (name, frame, of_train) in zip(grid, panels, strict=True):
            _draw_confidence(place, frame, of_train)
            if threshold is not None and name.startswith("original"):
                place.axvline(threshold, color="k", lw=0.9, ls=":")
                place.annotate(
                    f"T* {threshold:.2f}",
                    (threshold, 0.9),
                    xytext=(-3, 0),
                    textcoords="offset points",
                    ha="right",
                    fontsize=7,
                    bbox={"boxstyle": "round,pad=0.1", "fc": "w", "ec": "none", "alpha": 0.8},
                )
            place.set_title(wrapped(name, 34), fontsize=8)
        unit_square(grid, equal=False)
        binary = len(probability_columns(networks)) == 2
        label_below(grid, "confidence $|p_B - p_M|$" if binary else "margin of the top two")
        figure.supylabel(f"share of {unit_word(outcome)}", fontsize=9)
        figure.legend(
            handles=_confidence_handles(role, bool(train)),
            loc="outside lower center",
            ncols=2,
            fontsize=8,
        )
        text = (
            f"How sure the networks are of the {role} {unit_word(outcome)}, replicates together: "
            "histogram, right and wrong answers stacked, and cumulative distribution. The share "
            "below T* is what goes to the second network."
            + (" T*: mean of the best arm that chooses or names one." if threshold else "")
        )
        cut = f"{len(names)} of {len(frames)} networks" if len(frames) > len(names) else ""
        caption(figure, f"Confidence of the networks, {role} sets", text, cut)
    return figure


def _draw_confidence(place: Axes, frame: pd.DataFrame, train: pd.DataFrame | None) -> None:
    p = probabilities_of(frame)
    confidence = margin(p)
    right = largest_class(p) == frame["label"].to_numpy()
    share = np.histogram(confidence, _BINS)[0] / len(p)
    share_right = np.histogram(confidence[right], _BINS)[0] / len(p)
    # one outline for all bins: a bar for each would be most of the figure's size
    place.stairs(share_right, _BINS, fill=True, color=SKY)
    place.stairs(share, _BINS, baseline=share_right, fill=True, color=VERMILION)
    _draw_cumulative(place, confidence, "k", "-")
    if train is not None:
        seen = margin(probabilities_of(train))
        _draw_cumulative(place, seen, "0.45", "--")


def _draw_cumulative(place: Axes, values: Floats, colour: str, line: str) -> None:
    at = np.linspace(0.0, 1.0, 201)
    share = np.searchsorted(np.sort(values), at, side="right") / len(values)
    place.plot(at, share, color=colour, ls=line, lw=1.2)


def _confidence_handles(role: str, train: bool) -> Sequence[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Patch(color=SKY, label=f"{role}: right"),
        Patch(color=VERMILION, label=f"{role}: wrong"),
        Line2D([], [], color="k", lw=1.2, label=f"{role}: cumulative"),
    ]
    if train:
        label = "training: cumulative"
        handles.append(Line2D([], [], color="0.45", ls="--", lw=1.2, label=label))
    return handles


def _mean_threshold(outcome: Outcome) -> float | None:
    """Mean T* over the replicates of the best arm that has one, if all are within [0, 1]."""
    arms = [arm for arm in outcome.arms if "threshold" in arm.replicates and not arm.failed]
    arms = [arm for arm in arms if arm.replicates["threshold"].notna().any()]
    best = best_of(outcome, arms)
    if best is None:
        return None
    mean = float(best.replicates["threshold"].mean())
    return mean if 0 < mean <= 1 else None
