"""The arms of a fusion sweep by mode and by what else tells them apart, with their predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import ShownArm, best_of, frames_by, replicates_in, shown_metric
from abl.report.figures.frozen_series import goodness
from abl.report.figures.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
)
from abl.report.labels import Scale, arm_label, metric_label

MODE, SECOND = "mode", "second"
MIXED = "mixed"
OWN = "own"
MOST_HEADS = 6
MODALITIES = ("bmode", "elasticity")
OTHER_UNITS = (
    "other units: single images of either modality instead of pairs; not paired with the others"
)
# one colour a mode in every figure; the two modalities come first, whatever their names are
_FUSION_COLOURS = {
    MIXED: GREY,
    "early": GREEN,
    "late": VERMILION,
    "late_shared": PINK,
    "gated": SKY,
    "cross_attention": BLACK,
}
_CONTROL_LINES = ("--", ":", "-.")


@dataclass(frozen=True, eq=False)
class ModeArm:
    """An arm of a fusion sweep.

    Attributes:
        outcome: Its row of the table.
        mode: bmode, late, ....
        second: What the second branch sees where that is a control (first, shuffled), else "".
        head: Its other settings in a few words, "" if there are none.
        frame: Its test predictions sorted by replicate and unit; empty if there are none.
        best: Whether it is the best on the primary metric.
        alone: Whether its mode is one of the two modalities.
    """

    outcome: ArmOutcome
    mode: str
    second: str
    head: str
    frame: pd.DataFrame
    best: bool
    alone: bool

    @property
    def row(self) -> str:
        """Its mode as figures name it."""
        name = self.mode.replace("_", " ")
        return f"{name} (second: {self.second})" if self.second else name

    @property
    def fused(self) -> bool:
        """Whether both modalities of a pair go in, which a mixed set of single images does not."""
        return not self.alone and self.mode != MIXED

    def shown(self) -> ShownArm:
        """The arm as figures of predictions take it."""
        return ShownArm(self.outcome, self.row, replicates_in(self.frame), False, self.best)


@dataclass(frozen=True, eq=False)
class Modes:
    """The arms with a mode, in the order of the modes, each mode before its controls.

    Attributes:
        modalities: Names of the two, the first of a pair first.
        arms: With at most MOST_HEADS different other settings.
        cut: Says which are left out, or "".
        by_image: Whether single images are scored; else nodules or patients, which mixed has too.
    """

    modalities: tuple[str, str]
    arms: tuple[ModeArm, ...]
    cut: str = ""
    by_image: bool = True

    @property
    def mixed(self) -> bool:
        """Whether an arm is scored on single images instead of pairs."""
        return self.by_image and any(arm.mode == MIXED for arm in self.arms)

    @property
    def rows(self) -> list[str]:
        """Names of the modes, each followed by its controls."""
        return list(dict.fromkeys(arm.row for arm in self.arms))

    @property
    def heads(self) -> list[str]:
        """The other settings, as the first mode has them in the table."""
        return list(dict.fromkeys(arm.head for arm in self.arms))

    def at(self, row: str, head: str) -> ModeArm | None:
        """The arm of a mode with a head."""
        return next((arm for arm in self.arms if (arm.row, arm.head) == (row, head)), None)

    def modality(self, at: int, head: str) -> ModeArm | None:
        """The arm that sees the first (0) or the second (1) modality alone."""
        alone = [arm for arm in self.arms if arm.mode == self.modalities[at] and not arm.second]
        return next((arm for arm in alone if arm.head == head), None)

    @property
    def broken(self) -> bool:
        """Whether a row is drawn with a broken line: a control, or mixed."""
        return any(self.look(row)[1] != "-" for row in self.rows)

    def look(self, row: str) -> tuple[str, str]:
        """Colour and line of a row: colour by mode, broken lines for controls and mixed."""
        arm = next(each for each in self.arms if each.row == row)
        colours = dict(zip(self.modalities, (BLUE, ORANGE), strict=True)) | _FUSION_COLOURS
        others = [each.mode for each in self.arms if each.mode not in colours]
        colour = colours.get(arm.mode) or COLOURS[others.index(arm.mode) % len(COLOURS)]
        if arm.mode == MIXED and self.by_image:
            return colour, "--"
        if not arm.second:
            return colour, "-"
        controls = list(dict.fromkeys(each.second for each in self.arms if each.second))
        return colour, _CONTROL_LINES[controls.index(arm.second) % len(_CONTROL_LINES)]


def mode_arms(outcome: Outcome, predictions: pd.DataFrame) -> Modes:
    """The arms that name a mode and did not fail, modalities first, each mode before its controls.

    The remaining axes are words of `head`, those that vary alone.
    """
    frames = frames_by(predictions, "arm", "test")
    known = [arm for arm in outcome.arms if arm.params.get(MODE) and not arm.failed]
    others = _varying(outcome, known)
    best = best_of(outcome, known)
    modalities = modalities_of(outcome)
    arms = [
        ModeArm(
            arm,
            str(arm.params[MODE]),
            second_of(arm),
            arm_label(arm.params, others),
            _sorted(frames.get(arm.key)),
            best is not None and arm.key == best.key,
            str(arm.params[MODE]) in modalities,
        )
        for arm in known
    ]
    order = [*modalities, *_FUSION_COLOURS]
    found = list(dict.fromkeys([*order, *(arm.mode for arm in arms)]))
    # sorted is stable: within a mode the order of the table stays, controls go last
    arms.sort(key=lambda arm: (found.index(arm.mode), bool(arm.second)))
    by_image = outcome.facts.unit in ("", "image")
    return _few_heads(outcome, Modes(modalities, tuple(arms), by_image=by_image))


def modalities_of(outcome: Outcome) -> tuple[str, str]:
    """The two modalities, the first of a pair first."""
    given = outcome.facts.study.get("modalities")
    if isinstance(given, Sequence) and len(given) == 2:
        return str(given[0]), str(given[1])
    return MODALITIES


def second_of(arm: ArmOutcome) -> str:
    """What the second branch of a control sees; "" if it is its own modality."""
    second = str(arm.params.get(SECOND, ""))
    return "" if second == OWN else second


def metric_of(arm: ModeArm, metric: str) -> tuple[float, float, float]:
    """Mean and 95 % interval of a metric: the table's, else of the predictions, else nan."""
    cell = arm.outcome.cells.get(metric)
    if cell is not None and (arm.frame.empty or not math.isnan(cell.low)):
        return cell.mean, cell.low, cell.high
    if arm.frame.empty:
        return math.nan, math.nan, math.nan
    return shown_metric(arm.shown(), metric)


def interval_words(mean: float, low: float, high: float) -> str:
    """`0.861 [0.823, 0.897]`."""
    scale = Scale(1.0, 3, "")
    if math.isnan(low) or math.isnan(high):
        return scale.number(mean)
    return f"{scale.number(mean)} {scale.interval(low, high)}"


def _few_heads(outcome: Outcome, modes: Modes) -> Modes:
    """The modes with the MOST_HEADS best of their other settings."""
    if len(modes.heads) <= MOST_HEADS:
        return modes
    best = {
        head: max(goodness(arm.outcome, outcome) for arm in modes.arms if arm.head == head)
        for head in modes.heads
    }
    kept = sorted(best, key=lambda head: -best[head])[:MOST_HEADS]
    arms = tuple(arm for arm in modes.arms if arm.head in kept)
    cut = f"the best on {metric_label(outcome.primary)}, {MOST_HEADS} of {len(best)} settings"
    return replace(modes, arms=arms, cut=cut)


def _varying(outcome: Outcome, arms: Sequence[ArmOutcome]) -> list[str]:
    others = [axis for axis in outcome.axes if axis not in (MODE, SECOND)]
    return [axis for axis in others if len({arm.params.get(axis, "") for arm in arms}) > 1]


def _sorted(frame: pd.DataFrame | None) -> pd.DataFrame:
    if frame is None:
        return pd.DataFrame()
    return frame.sort_values(["repeat", "fold", "seed", "unit"], kind="stable")
