"""Ways to come to a decision from validation images (given, exact, from a grid, searched), and what
they are worth on the test images of each fold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from abl.app.deciding.asked import SEARCHED_THRESHOLDS, WORDS, Asked, grid_of, read_threshold
from abl.data.predictions.prediction_pairs import Fold, PairedPredictions
from abl.decide.chooser import Chooser, Chosen, DecisionOptions
from abl.decide.decision import MIXED, decide, expected_cost
from abl.decide.decision_space import PAPERS_THRESHOLD
from abl.decide.intervals import patient_interval
from abl.decide.metric_names import metric_named
from abl.decide.optimism import Optimism, optimism_of
from abl.decide.promise import Promise, promised_risk
from abl.decide.replicates import Scores
from abl.decide.rules import RULES, rule_named
from abl.errors import InputError
from abl.report.tables.decision import DecisionRow, mean_and_sd

TRIALS = 200
# above these, resampling takes minutes, and intervals are narrower than a table shows
MOST_PATIENTS = 5_000
MOST_IMAGES = 20_000


@dataclass(frozen=True, eq=False)
class Way:
    """How a decision is come to.

    Attributes:
        label: Its name in the table.
        rule, by, false_threshold: Of its Chooser.
        choose: From a fold's chooser, reading labels of its validation images only.
        chosen_by: Metric that was maximised there; "" if none was.
        promise: What T* promises there, if it does.
        unlabelled: What T* is read off without a label: `38%` or `histogram`; otherwise "".
    """

    label: str
    rule: str
    by: str
    false_threshold: float | None
    choose: Callable[[Chooser, Fold], Chosen]
    chosen_by: str = ""
    promise: Promise | None = None
    unlabelled: str = ""

    @property
    def reads_labels(self) -> bool:
        """Whether labels of validation images chose anything."""
        return bool(self.chosen_by) or self.promise is not None

    def chooser(self, fold: Fold) -> Chooser:
        """Of T* on the validation images of a fold."""
        seen = fold.validation
        return Chooser(
            self.rule, self.by, seen.labels, seen.predictions, self.false_threshold,
            seen.patients, self.promise,
        )  # fmt: skip


def ways_of(asked: Asked, classes: int, *, has_training: bool, study: str) -> list[Way]:
    """What is asked for: one rule, every rule at its best T*, or a search after its baselines.

    Args:
        classes: K.
        study: Digest of what is searched.

    Raises:
        InputError: Rules, words or values that do not exist or do not go together.
    """
    if asked.sweep:
        return _sweep_ways(asked)
    if asked.search:
        return _search_ways(asked, classes, has_training, study)
    way = _rule_way(str(asked.rule), asked.threshold, asked.chosen_by, asked.false_cut)
    return [replace(way, promise=asked.promise)]


class ScoredWay:
    """A way to decide: what it chose in each fold, scored on the test images of each.

    Attributes:
        found: What was chosen, one a fold.
        share: Of the test images, sent on.
        chosen_at, kept: The metric that was chosen by, where it was chosen and on test.
        risks: What T* promised to keep small, on the test images of each fold.
        values: Metric -> value on test.
        images, patients: How many are tested.
        in_sample: Whether it is scored on the images it is chosen on.
    """

    def __init__(self, way: Way, folds: Sequence[Fold], asked: Asked):
        self.way, self.folds, self.asked = way, folds, asked
        self.images = sum(len(fold.test) for fold in folds)
        self.patients = len(set().union(*(fold.test.patients.tolist() for fold in folds)))
        self.in_sample = folds[0].in_sample
        self.found: list[Chosen] = []
        self.share: list[float] = []
        self.chosen_at: list[float] = []
        self.kept: list[float] = []
        self.risks: list[float] = []
        self._replicates: list[Scores] = []
        names = [*asked.metrics, *(["cost"] if asked.costs is not None else [])]
        self.values: dict[str, list[float]] = {name: [] for name in names}
        for at, fold in enumerate(folds):
            found, test = way.choose(way.chooser(fold), fold), fold.test
            p, sent = decide(found.decision, test.predictions)
            self.found.append(found)
            self.share.append(float(sent.mean()))
            if way.promise is not None:
                risk = promised_risk(way.promise.risk, test.labels, p, sent, test.patients)
                self.risks.append(risk)
            if few_enough(self.images, self.patients):
                self._replicates.append(Scores(0, at, 0, test.labels, test.patients, p))
            for name in names:
                self.values[name].append(self._score(name, test.labels, p))
            if way.chosen_by:
                seen = fold.validation
                there = p if fold.in_sample else decide(found.decision, seen.predictions)[0]
                self.chosen_at.append(self._score(way.chosen_by, seen.labels, there))
                self.kept.append(self._score(way.chosen_by, test.labels, p))

    def _score(self, name: str, labels: np.ndarray, p: np.ndarray) -> float:
        if name == "cost" and self.asked.costs is not None:
            return expected_cost(labels, p, self.asked.costs)
        return float(metric_named(name)(labels, p))

    @property
    def _sign(self) -> int:
        """-1 where less of what it was chosen by is better."""
        by = self.way.chosen_by
        return -1 if by == "cost" or metric_named(by).higher_is_better is False else 1

    @property
    def optimism(self) -> Optimism:
        """Validation minus test of what it was chosen by, turned where lower is better."""
        folds = pd.DataFrame({"repeat": 0, "fold": range(len(self.kept)), "seed": 0})
        return optimism_of(folds, self.chosen_at, self.kept, sign=self._sign)

    @property
    def quality(self) -> tuple[float, float]:
        """The larger the better: where it was chosen, then by what it keeps from the second."""
        mean = mean_and_sd(self.chosen_at)[0]
        return (-math.inf if math.isnan(mean) else self._sign * mean, -mean_and_sd(self.share)[0])

    def row(self) -> DecisionRow:
        """With intervals, unless the images were chosen on or are very many."""
        settings = [each.decision.settings() for each in self.found]
        # a setting that another fold leaves at the rule's own is shown at its neutral value
        neutral = {"cutoff": 0.5, "false_threshold": 0.0}
        shown = {
            name: tuple(each.get(name, neutral.get(name, math.nan)) for each in settings)
            for name in dict.fromkeys(name for each in settings for name in each)
        }
        by = "" if self.in_sample else self.way.chosen_by
        values, intervals = {name: tuple(each) for name, each in self.values.items()}, {}
        if self._replicates and not (self.in_sample and self.way.reads_labels):
            for name in values:
                if name != "cost" and not math.isnan(mean_and_sd(values[name])[0]):
                    found = patient_interval(self._replicates, name)
                    intervals[name] = (found.low, found.high)
        at = tuple(self.chosen_at) if by else ()
        return DecisionRow(self.way.label, shown, tuple(self.share), by, at, values, intervals)

    def final(self, paired: PairedPredictions) -> pd.DataFrame:
        """The final predictions of every row of the files."""
        p = np.empty_like(paired.predictions["original"])
        sent = np.zeros(len(p), dtype=np.int64)
        for found, fold in zip(self.found, self.folds, strict=True):
            p[fold.positions], sent[fold.positions] = decide(
                found.decision, fold.everything.predictions
            )
        named = {f"p_{column}": p[:, column] for column in range(p.shape[1])}
        return paired.frame.assign(**named, sent=sent)


def few_enough(images: int, patients: int) -> bool:
    """Whether patients are resampled for intervals."""
    return images <= MOST_IMAGES and patients <= MOST_PATIENTS


def _rule_way(
    rule: str, word: str | None, by: str, false_threshold: float | None, ending: str = ""
) -> Way:
    """One rule, with T* given in words (see WORDS) if it has one."""
    has_threshold = rule_named(rule).has_threshold
    if not has_threshold and word is not None:
        raise InputError(f"--threshold: rule '{rule}' has none: leave it out")
    if has_threshold and word is None:
        raise InputError(f"--threshold: rule '{rule}' needs one: {WORDS}")
    value = None if word is None else read_threshold(word.strip())
    label = rule + (" + False" if false_threshold is not None else "") + ending
    chosen_by = by if value == "exact" else ""
    # a share is the only value in words that is kept as one
    is_read = isinstance(value, str) and (value == "histogram" or value.endswith("%"))
    unlabelled = str(value) if is_read else ""
    choose = partial(_at, value)
    return Way(label, rule, by, false_threshold, choose, chosen_by, unlabelled=unlabelled)


def _sweep_ways(asked: Asked) -> list[Way]:
    """Every rule that the networks allow, with the best T* on validation: exact, or of a grid.

    With the False network, rules with a T* come a second time with the extension.
    """
    by, ways = asked.chosen_by, []
    grid = None if asked.thresholds is None else grid_of(asked.thresholds)

    def along(chooser: Chooser, fold: Fold) -> Chosen:
        return chooser.along(grid or (), asked.metrics)

    for rule in RULES.values():
        if not set(rule.uses) <= set(asked.paths):
            continue
        if not rule.has_threshold:
            ways.append(_rule_way(rule.name, None, by, None))
            continue
        for cut in dict.fromkeys([None, asked.false_cut]):
            way = _rule_way(rule.name, "exact", by, cut)
            ways.append(way if grid is None else Way(way.label, rule.name, by, cut, along, by))
    return ways


def _search_ways(asked: Asked, classes: int, has_training: bool, study: str) -> list[Way]:
    """The search, after what it is to be held against: no second network, T* = 0.9, exact T*.

    Without a space it moves all that it can, but for one T* a class.
    """
    name = asked.rule or "model1"
    rule = rule_named(name)
    able = {"threshold": rule.has_threshold, "weight": rule.uses == MIXED, "cutoff": classes == 2,
            "false_threshold": asked.false is not None}  # fmt: skip
    space = tuple(asked.space) or tuple(each for each, is_able in able.items() if is_able)
    objectives = tuple(asked.objectives) or (asked.chosen_by,)
    by = objectives[0]
    if by == "share":
        raise InputError("--objective: name the quality first, share second")
    cut = None if "false_threshold" in space else asked.false_cut
    if rule.has_threshold:
        ways = [
            _rule_way("original", None, by, None),
            _rule_way(name, f"{PAPERS_THRESHOLD}", by, cut, ", T* 0.9"),
        ]
        if has_training:
            ways.append(_rule_way(name, "histogram", by, cut, ", T* by histogram"))
        if by != "cost":
            ways.append(_rule_way(name, "exact", by, cut, ", exact T*"))
    else:
        ways = [_rule_way(name, None, by, cut)]
    value = None if asked.threshold is None else read_threshold(asked.threshold.strip())
    options = DecisionOptions(
        space, objectives, asked.trials or TRIALS, asked.sampler or "tpe", asked.seed or 0,
        asked.costs,
    )  # fmt: skip
    starts = rule.has_threshold and SEARCHED_THRESHOLDS & set(space) and by != "cost"

    def choose(chooser: Chooser, fold: Fold) -> Chosen:
        return chooser.searched(
            options,
            threshold=None if value is None else _at(value, chooser, fold).decision.thresholds[0],
            start=(_at("exact", chooser, fold).decision,) if starts else (),
            storage=asked.study,
            study=f"{study} fold {fold.name}",
        )

    return [*ways, Way("search", name, by, cut, choose, by)]


def _at(value: Any, chooser: Chooser, fold: Fold) -> Chosen:
    """The decision at a T* as read_threshold gives it; None of a rule that has none."""

    def training() -> np.ndarray:
        if len(fold.training):
            return fold.training.predictions["original"]
        raise InputError(
            "--threshold histogram is read off training images: the column split needs 'train' rows"
        )

    return chooser.chosen(value, training)
