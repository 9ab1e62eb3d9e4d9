"""A way to decide, scored on the test images of each fold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from abl.data.prediction_pairs import Fold, PairedPredictions
from abl.decide.adaptive import decide, expected_cost
from abl.decide.chooser import Chosen
from abl.decide.intervals import patient_interval
from abl.decide.metrics import metric_named
from abl.decide.replicates import Replicate
from abl.deciding.asked import Asked
from abl.deciding.ways import Way
from abl.report.tables.decision import DecisionRow, mean_and_sd

# above these, resampling takes minutes, and intervals are narrower than a table shows
MOST_PATIENTS = 5_000
MOST_IMAGES = 20_000


class ScoredWay:
    """A way to decide: what it chose in each fold, scored on the test images of each.

    Attributes:
        found: What was chosen, one a fold.
        share: Of the test images, sent on.
        chosen_at, kept: The metric that was chosen by, where it was chosen and on test.
        values: Metric -> value on test.
    """

    def __init__(self, way: Way, folds: Sequence[Fold], asked: Asked):
        self.way = way
        self._in_sample = folds[0].in_sample
        self.found: list[Chosen] = []
        self.share: list[float] = []
        self.chosen_at: list[float] = []
        self.kept: list[float] = []
        self._replicates: list[Replicate] = []
        values: dict[str, list[float]] = {name: [] for name in asked.metrics}
        for at, fold in enumerate(folds):
            found, test = way.choose(way.chooser(fold), fold), fold.test
            p, sent = decide(found.decision, test.predictions)
            self.found.append(found)
            self.share.append(float(sent.mean()))
            if few_enough(folds):
                self._replicates.append(Replicate(0, at, 0, test.labels, test.patients, p))
            for name in [*asked.metrics, *(["cost"] if asked.costs is not None else [])]:
                values.setdefault(name, []).append(_score(name, test.labels, p, asked.costs))
            if way.chosen_by:
                seen = fold.validation
                there = p if fold.in_sample else decide(found.decision, seen.predictions)[0]
                self.chosen_at.append(_score(way.chosen_by, seen.labels, there, asked.costs))
                self.kept.append(_score(way.chosen_by, test.labels, p, asked.costs))
        self.values = {name: tuple(each) for name, each in values.items()}

    @property
    def optimism(self) -> float:
        """Validation minus test of what it was chosen by, turned where lower is better."""
        lost = mean_and_sd(self.chosen_at)[0] - mean_and_sd(self.kept)[0]
        return lost if _higher_is_better(self.way.chosen_by) else -lost

    @property
    def quality(self) -> tuple[float, float]:
        """The larger the better: where it was chosen, then by what it keeps from the second."""
        mean = mean_and_sd(self.chosen_at)[0]
        signed = mean if _higher_is_better(self.way.chosen_by) else -mean
        return (-math.inf if math.isnan(mean) else signed, -mean_and_sd(self.share)[0])

    def row(self) -> DecisionRow:
        """With intervals, unless the images were chosen on or are very many."""
        settings = [each.decision.settings() for each in self.found]
        # a setting that another fold leaves at the rule's own is shown at its neutral value
        neutral = {"cutoff": 0.5, "false_threshold": 0.0}
        shown = {
            name: tuple(each.get(name, neutral.get(name, math.nan)) for each in settings)
            for name in dict.fromkeys(name for each in settings for name in each)
        }
        intervals = {}
        if self._replicates and not (self.way.chosen_by and self._in_sample):
            for name in self.values:
                if name != "cost" and not math.isnan(mean_and_sd(self.values[name])[0]):
                    found = patient_interval(self._replicates, name)
                    intervals[name] = (found.low, found.high)
        by = "" if self._in_sample else self.way.chosen_by
        at = tuple(self.chosen_at) if by else ()
        return DecisionRow(self.way.label, shown, tuple(self.share), by, at, self.values, intervals)

    def final(self, paired: PairedPredictions, folds: Sequence[Fold]) -> pd.DataFrame:
        """The final predictions of every row of the files."""
        p = np.empty_like(paired.predictions["original"])
        sent = np.zeros(len(p), dtype=np.int64)
        for found, fold in zip(self.found, folds, strict=True):
            p[fold.positions], sent[fold.positions] = decide(
                found.decision, fold.everything.predictions
            )
        named = {f"p_{column}": p[:, column] for column in range(p.shape[1])}
        return paired.frame.assign(**named, sent=sent)


def best_way(scored: Sequence[ScoredWay]) -> ScoredWay:
    """The best on validation among those that were chosen there; without any, the last."""
    chosen = [each for each in scored if each.way.chosen_by]
    return max(chosen, key=lambda each: each.quality) if chosen else scored[-1]


def few_enough(folds: Sequence[Fold]) -> bool:
    """Whether patients are resampled for intervals."""
    if sum(len(fold.test) for fold in folds) > MOST_IMAGES:
        return False
    return patients_in(folds) <= MOST_PATIENTS


def patients_in(folds: Sequence[Fold]) -> int:
    """Patients with test images."""
    return len(set().union(*(fold.test.patients.tolist() for fold in folds)))


def _score(
    name: str, labels: np.ndarray, p: np.ndarray, costs: Sequence[Sequence[float]] | None
) -> float:
    if name == "cost" and costs is not None:
        return expected_cost(labels, p, costs)
    if name == "f1" and p.shape[1] == 2 and not labels.any():
        return math.nan  # nothing to find, as with sensitivity; a false alarm alone would make it 0
    return float(metric_named(name)(labels, p))


def _higher_is_better(name: str) -> bool:
    """Of a metric, or of "cost"."""
    return name != "cost" and metric_named(name).higher_is_better is not False
