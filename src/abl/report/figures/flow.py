"""What the second network changes: how many cases are sent on, and what becomes of them."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from abl.decide.check import Ints
from abl.decide.probabilities import largest_class
from abl.decide.replicates import KEYS
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import few_of, frames_by, unit_word
from abl.report.figures.style import (
    GREEN,
    GREY,
    ORANGE,
    SKY,
    VERMILION,
    caption,
    new_figure,
    own_style,
    wrapped,
)
from abl.report.labels import arm_label
from abl.report.prediction_frames import probabilities_of

# what becomes of a case, in the order of the bar, with its look
_FATES = {
    "kept, right": ("0.85", ""),
    "kept, wrong": (GREY, ""),
    "sent, stayed right": (SKY, ""),
    "sent, became right": (GREEN, "///"),
    "sent, became wrong": (VERMILION, "\\\\\\"),
    "sent, stayed wrong": (ORANGE, ""),
}


def flow_figure(
    outcome: Outcome, predictions: pd.DataFrame, networks: pd.DataFrame
) -> Figure | None:
    """How many cases each arm sends to the second network, and what becomes of their answers.

    On the test sets, mean over replicates. Right and wrong before are those of the original
    network: of the arm with rule `original`, or of the network itself. None where no arm sends
    any, or the original network's answers are not known.
    """
    frames = frames_by(predictions, "arm", "test")
    sending = [
        arm
        for arm in outcome.arms
        if not arm.failed and arm.key in frames and frames[arm.key]["sent"].any()
    ]
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
        labels = [wrapped(arm_label(arm.params, outcome.axes), 34, lines=2) for arm in arms]
        place.set_yticks(range(len(arms)), labels)
        for tick, arm in zip(place.get_yticklabels(), arms, strict=True):
            tick.set_fontweight("bold" if arm.best else "normal")
        place.set(xlim=(0, 1), ylim=(len(arms) - 0.5, -0.5))
        place.grid(visible=False, axis="y")
        place.set_xlabel(f"share of the test {unit_word(outcome)} (numbers: mean count)")
        handles = [
            Patch(fc=colour, ec="0.3", lw=0.4, hatch=hatch, label=fate)
            for fate, (colour, hatch) in _FATES.items()
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
    classes = pd.DataFrame(before[keys]).assign(was=_final(before))
    rows = after.assign(final=_final(after)).merge(classes, on=keys, how="left")
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


def _final(frame: pd.DataFrame) -> Ints:
    return largest_class(probabilities_of(frame))


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
