"""Metrics along T*, and the T* chosen from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from abl.decide import ranking
from abl.decide.check import Floats, Ints, checked_labels, largest_class
from abl.decide.metric_names import metric_named
from abl.decide.metric_registry import Metric
from abl.decide.metrics import METRICS
from abl.decide.rules import Threshold, rule_named, rule_path, threshold_value
from abl.errors import InputError, nearest

# curves averaged over replicates tie only up to rounding
TIE = 1e-12


@dataclass(frozen=True)
class Choice:
    """A chosen T* (infinity is `always`); the metric there, and the share of images sent on, on
    the images it was chosen on.
    """

    threshold: float
    value: float
    share: float


def threshold_curve(
    labels: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    rule: str,
    thresholds: Sequence[Threshold],
    metrics: Sequence[str],
    *,
    false_threshold: float | None = None,
) -> pd.DataFrame:
    """Exact metrics of a rule at each threshold.

    Along T* each image changes at most once, so that metrics of the confusion matrix and additive
    ones cost O(n + thresholds) and AUC O(n log thresholds) for the whole curve; any other metric
    is computed anew at every threshold.

    Args:
        labels: (N,) int.
        predictions: Network -> (N, K).
        rule: One without a threshold gives a constant curve.
        thresholds: T* in [0, 1] or `always`, in any order.
        false_threshold: As in Decision.

    Returns:
        One row a threshold, in the order given: threshold (float64, infinity for `always`), one
        column a metric, share (of images sent to the second network; 0 without threshold).

    Raises:
        InputError: Unknown names, unfit arrays, thresholds outside [0, 1].
    """
    path = _Path(labels, predictions, rule, false_threshold)
    values = np.array([threshold_value(each) for each in thresholds], dtype=np.float64)
    return path.curve(values, [metric_named(name) for name in metrics])


def choose_threshold(
    curve: pd.DataFrame, by: str, *, higher_is_better: bool | None = None
) -> Choice:
    """The row of a validation curve with the best metric; ties go to the smallest T*.

    A smaller T* sends fewer images to the second network.

    Args:
        curve: From threshold_curve.
        higher_is_better: Taken from the metric if not given.

    Raises:
        InputError: No such column, a metric without a direction, or undefined at every threshold.
    """
    if by not in curve.columns:
        raise InputError(f"no metric '{by}' to choose a threshold by: {nearest(by, curve.columns)}")
    if higher_is_better is None:
        higher_is_better = _direction(metric_named(by))
    ordered = curve.sort_values("threshold", kind="stable")
    value = ordered[by].to_numpy(dtype=np.float64)
    if not np.isfinite(value).any():
        raise InputError(f"'{by}' is undefined at every threshold: nothing to choose by")
    goodness = value if higher_is_better else -value
    best = float(np.nanmax(goodness))
    row = int(np.argmax(goodness >= best - TIE * max(1.0, abs(best))))
    return Choice(
        float(ordered["threshold"].iloc[row]), float(value[row]), float(ordered["share"].iloc[row])
    )


def best_threshold(
    labels: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    rule: str,
    metric: str,
    *,
    false_threshold: float | None = None,
) -> Choice:
    """The T* with the best metric of all, exactly; ties go to the smallest.

    Only the distinct confidences, and one value above the largest (`always`), can differ. Nothing
    is below the smallest confidence, which is therefore given as 0. Raises InputError as
    threshold_curve, and for a rule without a threshold or no image.
    """
    chosen = metric_named(metric)
    if not rule_named(rule).has_threshold:
        raise InputError(f"rule '{rule}' has no threshold to choose")
    higher_is_better = _direction(chosen)
    path = _Path(labels, predictions, rule, false_threshold)
    if not path.images:
        raise InputError("no image to choose a threshold on")
    candidates = np.append(np.unique(path.confidence), math.inf)
    candidates[0] = 0.0
    curve = path.curve(candidates, [chosen])
    return choose_threshold(curve, chosen.name, higher_is_better=higher_is_better)


class _Path:
    """Images of a rule along T*: each has one prediction until its confidence, another above."""

    def __init__(
        self,
        labels: ArrayLike,
        predictions: Mapping[str, ArrayLike],
        rule: str,
        false_threshold: float | None,
    ):
        chosen = rule_named(rule)
        self.moves = chosen.has_threshold
        self.kept, self.sent, self.confidence = rule_path(
            chosen, predictions, false_threshold=false_threshold
        )
        self.images, self.classes = self.kept.shape
        self.labels = checked_labels(labels, self.classes)
        if len(self.labels) != self.images:
            raise InputError(f"predictions: {self.images} rows for {len(self.labels)} labels")

    def curve(self, thresholds: Floats, metrics: Sequence[Metric]) -> pd.DataFrame:
        steps, row = np.unique(thresholds, return_inverse=True)
        # the first threshold above an image's confidence is where it is sent on
        first = (
            np.searchsorted(steps, self.confidence, side="right")
            if self.moves
            else np.full(self.images, len(steps))
        )
        columns = {"threshold": thresholds}
        for each in metrics:
            columns[each.name] = self._along(each, steps, first)[row]
        sent = np.cumsum(np.bincount(first, minlength=len(steps) + 1)[:-1])
        columns["share"] = sent[row] / self.images if self.images else np.full(len(row), math.nan)
        return pd.DataFrame(columns)

    def _along(self, metric: Metric, steps: Floats, first: Ints) -> Floats:
        """(steps,) values of the metric."""
        if not self.moves:
            return np.full(len(steps), metric(self.labels, self.kept))
        if metric.of_confusion is not None:
            return metric.of_confusion(self._confusions(first, len(steps)))
        if metric is METRICS["auc"]:
            return self._aucs(first, len(steps))
        if metric.terms is not None:
            kept = metric.terms(self.labels, self.kept)
            change = metric.terms(self.labels, self.sent) - kept
            gained = np.bincount(first, weights=change, minlength=len(steps) + 1)[:-1]
            return kept.sum() + np.cumsum(gained)
        values = np.empty(len(steps))
        for step in range(len(steps)):
            final = np.where((first <= step)[:, None], self.sent, self.kept)
            values[step] = metric(self.labels, final)
        return values

    def _confusions(self, first: Ints, steps: int) -> Floats:
        """(steps, K, K) confusion matrices."""
        cells = self.classes**2
        kept = self.labels * self.classes + largest_class(self.kept)
        sent = self.labels * self.classes + largest_class(self.sent)
        length = (steps + 1) * cells
        change = np.bincount(first * cells + sent, minlength=length)
        change = change - np.bincount(first * cells + kept, minlength=length)
        moved = np.cumsum(change.reshape(steps + 1, cells)[:-1], axis=0)
        start = np.bincount(kept, minlength=cells)
        return (start + moved).reshape(steps, self.classes, self.classes).astype(np.float64)

    def _aucs(self, first: Ints, steps: int) -> Floats:
        each = [
            ranking.auc_along_path(
                self.labels == column, self.kept[:, column], self.sent[:, column], first, steps
            )
            for column in ([1] if self.classes == 2 else range(self.classes))
        ]
        return np.mean(each, axis=0)


def _direction(metric: Metric) -> bool:
    if metric.higher_is_better is None:
        raise InputError(f"'{metric.name}' is best between its ends: choose by another metric")
    return metric.higher_is_better
