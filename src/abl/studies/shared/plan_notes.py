"""What `abl plan` says before anything is run: which verdicts the replicates allow, how small a
difference they can show, and which arms cannot be compared.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from abl.data.dataset import unit_names
from abl.data.splits.groups import kept_together
from abl.decide.metric_names import metric_named
from abl.decide.metric_registry import Metric
from abl.decide.power import detectable_difference
from abl.decide.verdicts import FEWEST_PATIENTS, FEWEST_TRAININGS
from abl.plan.graph import Arm, Replicate
from abl.plan.stage import digest_of
from abl.report.labels import counted, metric_label
from abl.report.named import planned_words
from abl.spec.data import Data
from abl.spec.read import SweepFile
from abl.spec.splits import Splits
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData
from abl.studies.contract import StudyAxis
from abl.studies.shared.arms import Relevant, base_position, base_values, named_contrasts
from abl.studies.shared.contrasts import tested_apart

_MORE_SEEDS = 5


@dataclass(frozen=True, eq=False)
class TestSets:
    """What an arm is tested on, in all splits.

    Attributes:
        units: Equal for arms that are scored on the same units.
        times: Of each patient (group) of class 0, and of another: in how many splits it is tested.
        word: What is independent: patient, group or image.
        classes: How many.
    """

    __test__ = False  # of pytest

    units: str
    times: tuple[np.ndarray, np.ndarray]
    word: str
    classes: int

    @property
    def counts(self) -> tuple[int, int]:
        """Patients of class 0, and others."""
        negative, positive = map(len, self.times)
        return negative, positive


def test_sets(
    sweeps: Sequence[Sweep], opened: Callable[[Data], OpenData], replicates: Sequence[Replicate]
) -> list[TestSets]:
    """What each arm is tested on.

    Args:
        sweeps: As each arm sees it, without external centres.
        opened: The data set of a data block.
    """
    places = sorted({(each.repeat, each.fold) for each in replicates})
    made: dict[tuple[str, Splits], TestSets] = {}
    found = []
    for sweep in sweeps:
        key = (sweep.data.model_dump_json(), sweep.splits)
        if key not in made:
            made[key] = _test_sets(sweep, opened(sweep.data), places)
        found.append(made[key])
    return found


def _test_sets(sweep: Sweep, opened: OpenData, places: Sequence[tuple[int, int]]) -> TestSets:
    frame, tests = opened.dataset.frame, Counter[str]()
    names, units = kept_together(frame), unit_names(frame, sweep.data.unit).to_numpy()
    tested = [opened.split(sweep.splits, *place).test for place in places]
    for rows in tested:
        tests.update(np.unique(names[rows]).tolist())
    every = np.unique(np.concatenate(tested))
    label = frame["label"].iloc[every].groupby(names[every]).max()
    negative, positive = (
        np.array([tests[n] for n in label.index[(label > 0) == of]]) for of in (False, True)
    )
    named = digest_of([sorted(set(units[rows].tolist())) for rows in tested])
    dataset = opened.dataset
    return TestSets(named, (negative, positive), dataset.clusters, len(dataset.classes))


def apart_notes(
    file: SweepFile,
    axes: tuple[StudyAxis, ...],
    arms: list[Arm],
    relevant: Relevant,
    tested: Sequence[TestSets],
) -> list[str]:
    """A sentence on arms that are tested on other units than what they would be compared with.

    Args:
        axes, relevant: The study's own axes, and which of them matter to an arm.
        tested: One an arm.
    """
    base = base_values(file, axes)
    pairs = [
        (at, other)
        for at, arm in enumerate(arms)
        if base is not None and (other := base_position(arm, arms, base, relevant)) is not None
    ]
    pairs += named_contrasts(file, axes, arms, relevant)
    words = planned_words(arms, file.sweep.name, file.sweep.labels)
    units = [each.units for each in tested]
    return tested_apart([(words[at], words[to]) for at, to in pairs if units[at] != units[to]])


def replicate_notes(
    sweep: Sweep, tested: Sequence[TestSets], replicates: Sequence[Replicate]
) -> list[str]:
    """Sentences on verdicts and on power, of a plan with these replicates.

    Patients of all splits count, each once; where some are tested more often than others, as in
    random splits, they are worth what as many evenly tested ones are (Kish), as in the intervals.
    Where arms are tested on several sets, power is that of the one of the fewest patients.

    Args:
        tested: One an arm.
    """
    sets = list({each.units: each for each in tested}.values())
    fewest = min(sets, key=lambda each: sum(each.counts))
    which = f", the fewest of {len(sets)} test sets of arms" if len(sets) > 1 else ""
    (negative, positive), word = fewest.counts, fewest.word
    splits = len({(each.repeat, each.fold) for each in replicates})
    seeds = len({each.seed for each in replicates})
    if positive + negative < FEWEST_PATIENTS:
        return [
            f"{counted(positive + negative, f'test {word}')}{which}: no verdict, as fewer than "
            f"{FEWEST_PATIENTS} {word}s cannot reach P < 0.05"
        ]
    notes = [verdict_note(splits, seeds, has_margin=sweep.margin is not None)]
    if fewest.classes == 2:
        primary = metric_named(sweep.primary)
        worth = [float(n.sum() ** 2 / max((n**2).sum(), 1)) for n in fewest.times]
        notes += power_notes(
            primary, negative, positive, splits, seeds,
            word=word, worth=(worth[0], worth[1]), which=which,
        )  # fmt: skip
    return notes


def verdict_note(splits: int, seeds: int, *, has_margin: bool) -> str:
    """Which verdicts so many splits and seeds can give, and what more would."""
    trainings = splits * seeds
    said = f"{counted(splits, 'split')} × {counted(seeds, 'seed')}"
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
    which: str = "",
) -> list[str]:
    """The detectable difference of the metric that decides; none where it is not known before.

    Args:
        benign, malignant: How many patients, or what else `word` says is tested and independent.
        worth: What they are worth, where they are tested unevenly.
        which: Words behind them, where arms have several test sets.
    """
    known = worth or (benign, malignant)
    least = detectable_difference(metric, *known, splits=splits, seeds=seeds)
    if math.isnan(least):
        return []
    of_recipes = seeds > 1 and splits * seeds >= FEWEST_TRAININGS
    who = "two arms" if of_recipes else "two arms' networks"
    note = (
        f"{benign + malignant} test {word}s ({malignant} positive){which}: a difference in "
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
