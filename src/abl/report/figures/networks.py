"""How sure the single networks are, and what the second one changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from abl.decide.check import Floats, largest_class, margin
from abl.decide.replicates import KEYS
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import best_of, few_of, frames_by, unit_word
from abl.report.figures.style import (
    GREEN,
    GREY,
    ORANGE,
    SKY,
    VERMILION,
    caption,
    grid_of_panels,
    label_below,
    new_figure,
    own_style,
    unit_square,
    wrapped,
)
from abl.report.named import words_of
from abl.report.prediction_frames import probabilities_of, probability_columns

MOST_NETWORKS = 8
_BINS = np.linspace(0.0, 1.0, 11)
# what becomes of a case, in the order of the bar, with its look
_FATES = {
    "kept, right": ("0.85", ""),
    "kept, wrong": (GREY, ""),
    "sent, stayed right": (SKY, ""),
    "sent, became right": (GREEN, "///"),
    "sent, became wrong": (VERMILION, "\\\\\\"),
    "sent, stayed wrong": (ORANGE, ""),
}


def confidence_figure(outcome: Outcome, networks: pd.DataFrame) -> Figure | None:
    """Histogram and cumulative distribution of |p_0 - p_1| of each network, and of all.

    K > 2: margin of the two largest probabilities. On validation, beside it that of the training
    images. None without predictions of networks.
    """
    by_role = {r: frames_by(networks, "network", r) for r in ("validation", "test", "train")}
    role = next((r for r, found in by_role.items() if found), "")
    if not role:
        return None
    frames, train = by_role[role], by_role["train"] if role == "validation" else {}
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
                box = {"boxstyle": "round,pad=0.1", "fc": "w", "ec": "none", "alpha": 0.8}
                place.annotate(
                    f"T* {threshold:.2f}", (threshold, 0.9), xytext=(-3, 0),
                    textcoords="offset points", ha="right", fontsize=7, bbox=box,
                )  # fmt: skip
            place.set_title(wrapped(name, 34), fontsize=8)
        unit_square(grid, equal=False)
        label_below(grid, confidence_label(len(probability_columns(networks))))
        figure.supylabel(f"share of {unit_word(outcome)}", fontsize=9)
        handles: list[Line2D | Patch] = [
            Patch(color=SKY, label=f"{role}: right"),
            Patch(color=VERMILION, label=f"{role}: wrong"),
            Line2D([], [], color="k", lw=1.2, label=f"{role}: cumulative"),
        ]
        if train:
            label = "training: cumulative"
            handles.append(Line2D([], [], color="0.45", ls="--", lw=1.2, label=label))
        figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8)
        text = (
            f"How sure the networks are of the {role} {unit_word(outcome)}, replicates together: "
            "histogram, right and wrong answers stacked, and cumulative distribution."
        )
        if threshold is not None:
            text += (
                " The share below T* is what goes to the second network. T*: mean of the arm with "
                "the best value on test that chooses or names one."
            )
        cut = f"{len(names)} of {len(frames)} networks" if len(frames) > len(names) else ""
        caption(figure, f"Confidence of the networks, {role} sets", text, cut)
    return figure


def confidence_label(classes: int) -> str:
    """What the axis of confidences is called, for so many classes; 0: not known."""
    return "margin of the top two" if classes > 2 else "confidence $|p_0 - p_1|$"


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


def _mean_threshold(outcome: Outcome) -> float | None:
    """Mean T* over the replicates of the best arm that has one, if all are within [0, 1]."""
    arms = [arm for arm in outcome.arms if "threshold" in arm.replicates and not arm.failed]
    arms = [arm for arm in arms if arm.replicates["threshold"].notna().any()]
    best = best_of(outcome, arms)
    mean = 0.0 if best is None else float(best.replicates["threshold"].mean())
    return mean if 0 < mean <= 1 else None


def flow_figure(
    outcome: Outcome, predictions: pd.DataFrame, networks: pd.DataFrame
) -> Figure | None:
    """How many cases each arm sends to the second network, and what becomes of their answers.

    Right and wrong before are those of the original network: of the arm with rule `original`, or of
    the network itself. None where no arm sends any, or these answers are not known.
    """
    frames = frames_by(predictions, "arm", "test")
    known = [arm for arm in outcome.arms if not arm.failed and arm.key in frames]
    sending = [arm for arm in known if frames[arm.key]["sent"].any()]
    # where every case is sent the bar has one part; such arms are shown if there are no others
    some = [arm for arm in sending if not frames[arm.key]["sent"].all()]
    arms, cut = few_of(outcome, some or sending)
    found = {}
    for arm in arms:
        before = _original_of(outcome, arm, frames, networks)
        fates = None if before is None else fates_of(frames[arm.key], before)
        if fates is not None:
            found[arm.key] = fates
    arms = [arm for arm in arms if arm.key in found]
    if not arms:
        return None
    with own_style():
        figure = new_figure(8.0, 1.5 + 0.42 * len(arms))
        place = figure.subplots()
        for row, arm in enumerate(arms):
            _draw_flow(place, row, found[arm.key])
        labels = [wrapped(words_of(arm, outcome), 34, lines=2) for arm in arms]
        place.set_yticks(range(len(arms)), labels)
        for tick, arm in zip(place.get_yticklabels(), arms, strict=True):
            tick.set_fontweight("bold" if arm.best else "normal")
        place.set(xlim=(0, 1), ylim=(len(arms) - 0.5, -0.5))
        place.grid(visible=False, axis="y")
        place.set_xlabel(f"share of the test {unit_word(outcome)} (numbers: mean count)")
        handles = [
            Patch(fc=colour, ec="0.3", lw=0.4, hatch=hatch, label=fate)
            for fate, (colour, hatch) in _FATES.items()
            if any(found[arm.key][fate] for arm in arms)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
        text = (
            f"What becomes of the test {unit_word(outcome)}, mean over replicates: kept by the "
            "original network, or sent to the second one, after which an answer became right, "
            "became wrong or stayed what it was."
        )
        caption(figure, "Flow between the two networks, test sets", text, cut)
    return figure


def fates_of(after: pd.DataFrame, before: pd.DataFrame) -> dict[str, float] | None:
    """Mean number of cases a replicate with each fate of _FATES; None if units differ.

    Args:
        after: An arm's test predictions, with `sent`.
        before: The original network's on the same replicates and units.
    """
    keys = [*KEYS, "unit"]
    classes = before[keys].assign(was=largest_class(probabilities_of(before)))
    final = largest_class(probabilities_of(after))
    rows = after.assign(final=final).merge(classes, on=keys, how="left")
    if rows["was"].isna().any() or len(rows) != len(after):
        return None
    was, right = rows["was"] == rows["label"], rows["final"] == rows["label"]
    sent = rows["sent"].astype(bool)
    masks = {
        "kept, right": ~sent & right,
        "kept, wrong": ~sent & ~right,
        "sent, stayed right": sent & was & right,
        "sent, became right": sent & ~was & right,
        "sent, became wrong": sent & was & ~right,
        "sent, stayed wrong": sent & ~was & ~right,
    }
    replicates = len(rows[KEYS].drop_duplicates())
    return {fate: float(mask.sum()) / replicates for fate, mask in masks.items()}


def _original_of(
    outcome: Outcome, arm: ArmOutcome, frames: dict[str, pd.DataFrame], networks: pd.DataFrame
) -> pd.DataFrame | None:
    """Test predictions of the arm's original network."""
    for other in outcome.arms:
        given = {axis: value for axis, value in other.params.items() if value != ""}
        rule = given.pop("rule", None)
        same = all(arm.params.get(axis) == value for axis, value in given.items())
        if rule == "original" and same and other.key in frames:
            return frames[other.key]
    alone = frames_by(networks, "network", "test")
    named = [name for name in alone if name.startswith("original")]
    if "network" in arm.params:
        named = [name for name in named if name.split(" ")[-1] == str(arm.params["network"])]
    return alone[named[0]] if len(named) == 1 else None


def _draw_flow(place: Axes, row: int, fates: dict[str, float]) -> None:
    total = sum(fates.values())
    left = 0.0
    for fate, (colour, hatch) in _FATES.items():
        width = fates[fate] / total
        place.barh(row, width, left=left, height=0.7, color=colour, ec="0.3", lw=0.4, hatch=hatch)
        if width > 0.035:
            count = f"{fates[fate]:.1f}".removesuffix(".0")
            box = {"boxstyle": "round,pad=0.15", "fc": "w", "ec": "none", "alpha": 0.85}
            place.text(left + width / 2, row, count, ha="center", va="center", fontsize=7, bbox=box)
        left += width
