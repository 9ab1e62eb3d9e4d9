"""What collapsed in an arm whose primary metric rose: accuracy, F1, or a class it hardly calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.check import Floats, largest_class
from abl.decide.metric_names import metric_named
from abl.decide.replicates import Scores, replicate_scores
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import label_in
from abl.report.numbers import scale_of

COLLAPSE = 0.1  # a fall of a share by so much, which chance in a mean over patients seldom makes
WATCHED = ("acc", "f1")
CALLED = "called "  # before the class, in what a row names


def collapsed_arms(
    outcome: Outcome, predictions: pd.DataFrame
) -> dict[str, list[dict[str, float | str]]]:
    """Arm (key) -> rows of what fell by COLLAPSE or more against its base, though the primary
    metric is on its side: `what` (acc, f1, `called CLASS`), `before`, `after` (fractions).

    A class counts whose share of calls is under half of what it is in the base, and under half of
    what the labels hold.
    """
    from abl.report.prediction_frames import arm_tests, scored_replicates

    found: dict[str, list[dict[str, float | str]]] = {}
    by_title = {outcome.title_of(arm): arm for arm in outcome.arms}
    scored: dict[str, list[Scores]] = {}

    def scores_of(arm: ArmOutcome) -> list[Scores]:
        if arm.key not in scored:
            scored[arm.key] = scored_replicates(arm_tests(predictions, arm.key))
        return scored[arm.key]

    if predictions.empty:
        return found
    for arm in outcome.arms:
        base = None if arm.comparison is None else by_title.get(arm.comparison.base)
        if arm.comparison is None or base is None or arm.failed or base.failed:
            continue
        falls = metric_named(outcome.primary).higher_is_better is False
        if not (-1 if falls else 1) * arm.comparison.difference > 0:
            continue
        if outcome.facts.one_class.get(arm.key, 0) == len(arm.replicates):
            continue  # that is said of it in other words
        rows = list(_fallen(outcome, scores_of(arm), scores_of(base)))
        if rows:
            found[arm.key] = rows
    return found


def _fallen(
    outcome: Outcome, arm: list[Scores], base: list[Scores]
) -> Iterator[dict[str, float | str]]:
    watched = [name for name in WATCHED if name != outcome.primary]
    before, after = (replicate_scores(each, watched)[watched].mean() for each in (base, arm))
    for name in watched:
        if before[name] - after[name] >= COLLAPSE:
            yield {"what": name, "before": float(before[name]), "after": float(after[name])}
    called, now = _called(base), _called(arm)
    for at, (was, share, true) in enumerate(zip(called, now, _labelled(arm), strict=True)):
        if was - share >= COLLAPSE and share < was / 2 and share < true / 2:
            names = outcome.facts.classes
            name = names[at] if at < len(names) else f"class {at}"
            yield {"what": f"{CALLED}{name}", "before": float(was), "after": float(share)}


def _called(arm: list[Scores]) -> Floats:
    """(K,) share of units whose final class is each."""
    size = arm[0].p.shape[1]
    every = [np.bincount(largest_class(each.p), minlength=size) / len(each.p) for each in arm]
    return np.asarray(np.mean(every, axis=0))


def _labelled(arm: list[Scores]) -> Floats:
    """(K,) share of units of each class."""
    size = arm[0].p.shape[1]
    every = [np.bincount(each.labels, minlength=size) / len(each.labels) for each in arm]
    return np.asarray(np.mean(every, axis=0))


def collapse_words(outcome: Outcome, arm: ArmOutcome, row: Mapping[str, Any]) -> str:
    """`warning: F1 falls from 79.0 to 58.7 % though AUC is +11.8 points`."""
    what, before, after = str(row["what"]), float(row["before"]), float(row["after"])
    if what.startswith(CALLED):
        what = f"the share of units called {what.removeprefix(CALLED)}"
    else:
        what = label_in(outcome, what)
    text = f"warning: {what} falls from {100 * before:.1f} to {100 * after:.1f} %"
    if arm.comparison is None:
        return text
    means = [
        each.cells[outcome.primary].mean for each in outcome.arms if outcome.primary in each.cells
    ]
    scale = scale_of(outcome.primary, means, per_cent=True)
    points = " points" if scale.unit else ""
    difference = scale.difference(arm.comparison.difference)
    return f"{text} though {label_in(outcome, outcome.primary)} is {difference}{points}"
