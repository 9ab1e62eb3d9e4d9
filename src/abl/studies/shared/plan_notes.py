"""What `abl plan` says before anything is run: which verdicts the replicates allow, and how small a
difference they can show.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from abl.data.splits.groups import kept_together
from abl.decide.metric_names import metric_named
from abl.decide.metric_registry import Metric
from abl.decide.power import detectable_difference
from abl.decide.verdicts import FEWEST_PATIENTS, FEWEST_TRAININGS
from abl.plan.graph import Replicate
from abl.report.labels import counted, metric_label
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData

_MORE_SEEDS = 5


def replicate_notes(sweep: Sweep, opened: OpenData, replicates: Sequence[Replicate]) -> list[str]:
    """Sentences on verdicts and on power, of a plan with these replicates.

    Patients of all splits count, each once; where some are tested more often than others, as in
    random splits, they are worth what as many evenly tested ones are (Kish), as in the intervals.
    """
    frame, word = opened.dataset.frame, opened.dataset.clusters
    names, tests = kept_together(frame), Counter[str]()
    places = {(each.repeat, each.fold) for each in replicates}
    tested = [opened.split(sweep.splits, *place).test for place in sorted(places)]
    for rows in tested:
        tests.update(np.unique(names[rows]).tolist())
    every = np.unique(np.concatenate(tested))
    label = frame["label"].iloc[every].groupby(names[every]).max()
    times = [np.array([tests[n] for n in label.index[(label > 0) == of]]) for of in (False, True)]
    negative, positive = map(len, times)
    splits = len(places)
    seeds = len({each.seed for each in replicates})
    if positive + negative < FEWEST_PATIENTS:
        return [
            f"{counted(positive + negative, f'test {word}')}: no verdict, as fewer than "
            f"{FEWEST_PATIENTS} {word}s cannot reach P < 0.05"
        ]
    notes = [verdict_note(splits, seeds, has_margin=sweep.margin is not None)]
    if len(opened.dataset.classes) == 2:
        primary = metric_named(sweep.primary)
        worth = [float(n.sum() ** 2 / max((n**2).sum(), 1)) for n in times]
        notes += power_notes(
            primary, negative, positive, splits, seeds, word=word, worth=(worth[0], worth[1])
        )
    return notes


def verdict_note(splits: int, seeds: int, *, has_margin: bool) -> str:
    """Which verdicts so many splits and seeds can give, and what more would."""
    trainings = splits * seeds
    said = f"{counted(splits, 'split')} x {counted(seeds, 'seed')}"
    if seeds > 1 and trainings >= FEWEST_TRAININGS:
        words = "better, worse, equivalent" if has_margin else "better, worse"
        more = "" if has_margin else "; a margin: would allow equivalent"
        return f"{said}: verdicts are about recipes: {words} or undecided{more}"
    why = (
        "1 seed tells nothing of the luck of a training"
        if seeds == 1
        else (f"{trainings} trainings of an arm are fewer than {FEWEST_TRAININGS}")
    )
    return (
        f"{said}: {why}, so a verdict is about these networks alone (these networks differ, or "
        "undecided); seeds: [0, 1, 2] allows better, worse and equivalent"
    )


def power_notes(
    metric: Metric,
    benign: int,
    malignant: int,
    splits: int,
    seeds: int,
    *,
    word: str = "patient",
    worth: tuple[float, float] | None = None,
) -> list[str]:
    """The detectable difference of the metric that decides; none where it is not known before.

    Args:
        benign, malignant: How many patients, or what else `word` says is tested and independent.
        worth: What they are worth, where they are tested unevenly.
    """
    known = worth or (benign, malignant)
    least = detectable_difference(metric, *known, splits=splits, seeds=seeds)
    if math.isnan(least):
        return []
    of_recipes = seeds > 1 and splits * seeds >= FEWEST_TRAININGS
    who = "two arms" if of_recipes else "two arms' networks"
    note = (
        f"{benign + malignant} test {word}s ({malignant} positive): a difference in "
        f"{metric_label(metric.name)} of {who} under about {_points(least)} will hardly be seen"
    )
    more = max(_MORE_SEEDS, 2 * seeds)
    if of_recipes:
        then = detectable_difference(metric, *known, splits=splits, seeds=more)
        buys = f"{_points(then)} with {more} seeds"
        note += f"; {buys if _points(then) != _points(least) else 'more seeds buy little'}"
    return [f"{note} (80 % power, both near 0.8, correlation 0.5, trainings as measured)"]


def _points(difference: float) -> str:
    return f"{100 * difference:.1f} points"
