"""The arms of a frozen-layer sweep as series over n, each with its optimum."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from abl.decide.metrics import METRICS
from abl.decide.optimum import Optimum, optimum_over
from abl.decide.replicates import Scores
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import best_of, frames_by, replicates_in
from abl.report.labels import arm_label, metric_label

AXIS = "frozen"
MOST_SERIES = 6
FEWEST_VALUES = 3

Depth = int | str  # the first n convolutions, or up to a named stage


@dataclass(frozen=True, eq=False)
class Series:
    """Arms that differ in n alone.

    Attributes:
        label: Their other settings in a few words, "" if there is one series.
        network: Whose layers are frozen, "" if not known.
        values, arms: n and its arm, in the order of n.
        best: Position of the observed optimum.
        optimum: With its interval, None where the predictions do not give one.
        main: Whether the best arm of the sweep is among them.
    """

    label: str
    network: str
    values: tuple[Depth, ...]
    arms: tuple[ArmOutcome, ...]
    best: int
    optimum: Optimum | None = None
    main: bool = False


def series_of(outcome: Outcome, predictions: pd.DataFrame) -> tuple[list[Series], str]:
    """At most MOST_SERIES with three values of n or more, and the sentence that says which.

    Empty if there is none.
    """
    if AXIS not in outcome.axes:
        return [], ""
    others = [axis for axis in outcome.axes if axis != AXIS]
    known = [
        arm
        for arm in outcome.arms
        if depth_of(arm) is not None and goodness(arm, outcome) > -math.inf
    ]
    groups: dict[tuple, list[ArmOutcome]] = {}
    for arm in known:
        groups.setdefault(tuple(arm.params.get(axis, "") for axis in others), []).append(arm)
    groups = {key: arms for key, arms in groups.items() if len(arms) >= FEWEST_VALUES}
    ranked = sorted(groups, key=lambda key: -max(goodness(arm, outcome) for arm in groups[key]))
    kept = [key for key in groups if key in ranked[:MOST_SERIES]]
    cut = ""
    if len(kept) < len(groups):
        best = metric_label(outcome.primary)
        cut = f"the best on {best}, {len(kept)} of {len(groups)} series"
    shown = [arm for key in kept for arm in groups[key]]
    varying = [axis for axis in others if len({arm.params.get(axis, "") for arm in shown}) > 1]
    best_arm = best_of(outcome, shown)
    tests = frames_by(predictions, "arm", "test")
    return [
        _series(outcome, groups[key], arm_label(groups[key][0].params, varying), best_arm, tests)
        for key in kept
    ], cut


def depth_of(arm: ArmOutcome) -> Depth | None:
    """An arm's n: an integer, or the name of a stage; None where the axis does not apply."""
    value = arm.params.get(AXIS, "")
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.isdecimal() else text or None
    return int(value) if float(value).is_integer() else None


def ordered_depths(values: Sequence[Depth]) -> list[Depth]:
    """Numbers first and in order; then names, by their number where each has one."""
    numbers = sorted({value for value in values if isinstance(value, int)})
    names = list(dict.fromkeys(value for value in values if isinstance(value, str)))
    if all(re.search(r"\d+", name) for name in names):
        names.sort(key=lambda name: int(re.findall(r"\d+", name)[-1]))
    return [*numbers, *names]


def goodness(arm: ArmOutcome, outcome: Outcome) -> float:
    """The primary metric, turned so that more is better; -inf where it is not defined."""
    cell = arm.cells.get(outcome.primary)
    if arm.failed or cell is None or math.isnan(cell.mean):
        return -math.inf
    metric = METRICS.get(outcome.primary)
    return -cell.mean if metric is not None and metric.higher_is_better is False else cell.mean


def optimum_text(series: Series, *, share: bool = False) -> str:
    """`n = 6, 95 % interval 4 to 9`: the observed optimum of a series."""
    text = _depth_text(series.values[series.best])
    found = series.optimum
    if found is None:
        return f"{text} (interval not computed)"
    low, high = series.values[found.low], series.values[found.high]
    text += f", 95 % interval {low} to {high}"
    if found.low == 0 and found.high == len(series.values) - 1:
        text += ", all of the axis: these patients do not locate it"
    if share:
        text += f" (the best in {100 * found.shares[series.best]:.0f} % of the samples)"
    return text


def _series(
    outcome: Outcome,
    arms: Sequence[ArmOutcome],
    label: str,
    best: ArmOutcome | None,
    tests: Mapping[str, pd.DataFrame],
) -> Series:
    by_depth = {depth: arm for arm in arms if (depth := depth_of(arm)) is not None}
    values = tuple(ordered_depths(list(by_depth)))
    ordered = tuple(by_depth[value] for value in values)
    # max keeps the first of equals, the smallest n
    at = max(range(len(ordered)), key=lambda i: goodness(ordered[i], outcome))
    network = str(ordered[0].params.get("network") or outcome.facts.study.get("network", ""))
    main = best is not None and any(arm.key == best.key for arm in ordered)
    made = Series(label, network, values, ordered, at, main=main)
    if not all(arm.key in tests for arm in ordered):
        return made
    scores: list[list[Scores]] = [replicates_in(tests[arm.key]) for arm in ordered]
    try:
        optimum = optimum_over(scores, outcome.primary)
    except InputError:  # other replicates or images at some n: nothing to resample together
        return made
    return replace(made, best=optimum.best if optimum.best >= 0 else at, optimum=optimum)


def _depth_text(value: Depth) -> str:
    return f"n = {value}" if isinstance(value, int) else str(value)
