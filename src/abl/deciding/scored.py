"""A way to decide, scored on the test images of each fold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from abl.data.prediction_pairs import PairedPredictions
from abl.decide.adaptive import Decision, DecisionInputs, expected_cost
from abl.decide.intervals import patient_interval
from abl.decide.metrics import metric_named
from abl.decide.replicates import Scores
from abl.deciding.parts import Fold, Images
from abl.deciding.ways import Way
from abl.report.tables.decision import DecisionRow, mean_and_sd

# above these, resampling takes minutes, and intervals are narrower than a table shows
MOST_PATIENTS = 5_000
MOST_IMAGES = 20_000


class ScoredWay:
    """A way to decide: its decision in each fold, scored on the test images of each."""

    def __init__(
        self,
        way: Way,
        folds: Sequence[Fold],
        metrics: Sequence[str],
        costs: Sequence[Sequence[float]] | None,
    ):
        self.way = way
        self._in_sample = folds[0].in_sample
        self._few = few_enough(folds)
        self.decisions: list[Decision] = []
        self.share: list[float] = []
        self.chosen_at: list[float] = []
        self.kept: list[float] = []
        self._replicates: list[Scores] = []
        values: dict[str, list[float]] = {name: [] for name in metrics}
        names = [*metrics, *(["cost"] if costs is not None else [])]
        for at, fold in enumerate(folds):
            decision = way.choose(fold)
            p, sent = _decided(decision, fold.test)
            self.decisions.append(decision)
            self.share.append(float(sent.mean()))
            if self._few:
                found = Scores(0, at, 0, fold.test.labels, fold.test.patients, p)
                self._replicates.append(found)
            for name in names:
                values.setdefault(name, []).append(_score(name, fold.test.labels, p, costs))
            if way.chosen_by:
                there = p if fold.in_sample else _decided(decision, fold.validation)[0]
                self.chosen_at.append(_score(way.chosen_by, fold.validation.labels, there, costs))
                self.kept.append(_score(way.chosen_by, fold.test.labels, p, costs))
        self.values = {name: tuple(each) for name, each in values.items()}

    @property
    def optimism(self) -> float:
        """Validation minus test of what it was chosen by, turned where lower is better."""
        lost = mean_and_sd(self.chosen_at)[0] - mean_and_sd(self.kept)[0]
        return lost if higher_is_better(self.way.chosen_by) else -lost

    def row(self) -> DecisionRow:
        """With intervals, unless the images were chosen on or are very many."""
        settings = [each.settings() for each in self.decisions]
        names = list(dict.fromkeys(name for each in settings for name in each))
        # a setting that another fold leaves at the rule's own is shown at its neutral value
        neutral = {"cutoff": 0.5, "false_threshold": 0.0}
        shown = {
            name: tuple(each.get(name, neutral.get(name, math.nan)) for each in settings)
            for name in names
        }
        intervals = {}
        if self._few and not (self.way.chosen_by and self._in_sample):
            for name in self.values:
                if name != "cost" and not math.isnan(mean_and_sd(self.values[name])[0]):
                    found = patient_interval(self._replicates, name)
                    intervals[name] = (found.low, found.high)
        validated = bool(self.way.chosen_by) and not self._in_sample
        return DecisionRow(
            self.way.label,
            shown,
            tuple(self.share),
            self.way.chosen_by if validated else "",
            tuple(self.chosen_at) if validated else (),
            self.values,
            intervals,
        )

    def final(self, paired: PairedPredictions, folds: Sequence[Fold]) -> pd.DataFrame:
        """The final predictions of every row of the files."""
        p = np.empty_like(paired.predictions["original"])
        sent = np.zeros(len(p), dtype=np.int64)
        for decision, fold in zip(self.decisions, folds, strict=True):
            p[fold.positions], sent[fold.positions] = _decided(decision, fold.everything)
        frame = paired.frame.copy()
        for column in range(p.shape[1]):
            frame[f"p_{column}"] = p[:, column]
        frame["sent"] = sent
        return frame


def _decided(decision: Decision, images: Images) -> tuple[np.ndarray, np.ndarray]:
    with_false = decision.false_threshold is not None
    inputs = DecisionInputs(decision.rule, images.predictions, with_false=with_false)
    return inputs.final(decision)


def _score(
    name: str, labels: np.ndarray, p: np.ndarray, costs: Sequence[Sequence[float]] | None
) -> float:
    if name == "cost" and costs is not None:
        return expected_cost(labels, p, costs)
    if name == "f1" and p.shape[1] == 2 and not labels.any():
        return math.nan  # nothing to find, as with sensitivity; a false alarm alone would make it 0
    return float(metric_named(name)(labels, p))


def higher_is_better(name: str) -> bool:
    """Of a metric, or of "cost"."""
    return name != "cost" and metric_named(name).higher_is_better is not False


def few_enough(folds: Sequence[Fold]) -> bool:
    """Whether patients are resampled for intervals."""
    if sum(len(fold.test) for fold in folds) > MOST_IMAGES:
        return False
    return patients_in(folds) <= MOST_PATIENTS


def patients_in(folds: Sequence[Fold]) -> int:
    """Patients with test images."""
    return len(set().union(*(fold.test.patients.tolist() for fold in folds)))


def best_way(scored: Sequence[ScoredWay]) -> ScoredWay:
    """The best on validation among those that were chosen there; without any, the last."""
    chosen = [each for each in scored if each.way.chosen_by]
    if len(chosen) < 2:
        return scored[-1] if not chosen else chosen[0]
    sign = 1.0 if higher_is_better(chosen[0].way.chosen_by) else -1.0

    def quality(each: ScoredWay) -> tuple[float, float]:
        mean = mean_and_sd(each.chosen_at)[0]
        return (-math.inf if math.isnan(mean) else sign * mean, -mean_and_sd(each.share)[0])

    return max(chosen, key=quality)
