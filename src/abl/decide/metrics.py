"""The metrics of a table. Malignant (1) is the positive class; for K > 2 classes a metric is the
macro mean over the classes, each against the rest, unless it says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from abl.decide import confusion, ranking, reliability
from abl.decide.check import Floats, Ints, checked_pair, largest_class
from abl.decide.confusion import OfConfusion
from abl.errors import InputError, nearest
from abl.registry import Registry

SHARE = (0.0, 1.0)  # bounds of a share

# labels (N,), p (N, K) -> (N,) terms whose sum is the metric
Terms = Callable[[Ints, Floats], Floats]


class MetricFunction(Protocol):
    """labels (N,) int64, p (N, K) float64, optional weights (N,) -> float, nan if undefined."""

    def __call__(self, labels: Ints, p: Floats, weights: Floats | None = None) -> float: ...


@dataclass(frozen=True)
class Metric:
    """One column of a table.

    Attributes:
        name, label: Its name in YAML, and in tables.
        additive: Whether it is a sum over images of terms that depend, given all labels, on that
            image's prediction alone; `terms` gives them.
        higher_is_better: None if the best value lies between (calibration slope: 1).
        of_confusion: The same metric from confusion matrices (..., K, K), where it is one.
        bounds: The smallest and largest value it can have, where both are known: ends of intervals
            lie between them.
    """

    name: str
    label: str
    function: MetricFunction
    additive: bool
    higher_is_better: bool | None
    description: str
    of_confusion: OfConfusion | None = None
    terms: Terms | None = None
    bounds: tuple[float, float] | None = None

    def __call__(self, labels: Ints, p: Floats, weights: Floats | None = None) -> float:
        return self.function(labels, p, weights)


METRICS: Registry[Metric] = Registry("metric")


def metric(
    name: str,
    *,
    label: str,
    higher_is_better: bool | None = True,
    of_confusion: OfConfusion | None = None,
    terms: Terms | None = None,
    bounds: tuple[float, float] | None = None,
    version: int = 1,
) -> Callable[[MetricFunction], MetricFunction]:
    """Registers a metric. The first line of its documentation describes it.

    Raises InputError if the name is taken.
    """

    def register(function: MetricFunction) -> MetricFunction:
        description = (function.__doc__ or "").strip().split("\n")[0]
        made = Metric(
            name, label, function, terms is not None, higher_is_better, description,
            of_confusion, terms, bounds,
        )  # fmt: skip
        METRICS.add(name, made, function, version=version)
        return function

    return register


def metric_named(name: str) -> Metric:
    """A registered metric, or one at a stated value: `ppv@0.05`, `npv@0.05`, `sen@spe0.9`.

    Raises InputError with the nearest name.
    """
    if name in METRICS:
        return METRICS[name]
    kind, _, value = name.partition("@")
    try:
        stated = float(value.removeprefix("spe") if kind == "sen" else value)
    except ValueError:
        stated = math.nan
    if kind == "sen" and 0 < stated < 1:
        return sensitivity_at_specificity(stated)
    if kind in ("ppv", "npv") and 0 < stated < 1:
        of = confusion.ppv_at(stated) if kind == "ppv" else confusion.npv_at(stated)
        label = f"{kind.upper()} at {100 * stated:g} %"
        return Metric(
            f"{kind}@{stated:g}", label, _from_confusion(of), False, True, label, of, bounds=SHARE
        )
    hint = nearest(name, [*METRICS, "ppv@0.1", "npv@0.1", "sen@spe0.9"])
    raise InputError(f"unknown metric '{name}': {hint}")


def scores(names: Sequence[str], labels: ArrayLike, p: ArrayLike) -> dict[str, float]:
    """Metric name -> value. Raises InputError for unknown names or unfit arrays."""
    chosen = [metric_named(name) for name in names]
    true_labels, predictions = checked_pair(labels, p)
    return {each.name: each(true_labels, predictions) for each in chosen}


def sensitivity_at_specificity(specificity: float) -> Metric:
    """Largest sensitivity over the cut-offs whose specificity is at least this."""

    def function(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
        return _one_against_rest(
            lambda y, score: ranking.sensitivity_at(y, score, specificity, weights), labels, p
        )

    label = f"SEN at SPE {100 * specificity:g}"
    description = f"Sensitivity at the cut-off with specificity {specificity:g}"
    return Metric(
        f"sen@spe{specificity:g}", label, function, False, True, description, bounds=SHARE
    )


def _from_confusion(of: OfConfusion) -> MetricFunction:
    def function(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
        matrix = confusion.confusion_matrix(labels, largest_class(p), p.shape[1], weights)
        return float(of(matrix))

    return function


def _one_against_rest(of: Callable[[np.ndarray, Floats], float], labels: Ints, p: Floats) -> float:
    if p.shape[1] == 2:
        return of(labels == 1, p[:, 1])
    return float(np.mean([of(labels == column, p[:, column]) for column in range(p.shape[1])]))


def _recall_terms(labels: Ints, p: Floats) -> Floats:
    """(N, K): [final = label = k] / (images of class k); nan for a class without images."""
    size = p.shape[1]
    terms = np.zeros((len(labels), size))
    images = np.bincount(labels, minlength=size).astype(np.float64)
    correct = largest_class(p) == labels
    terms[np.arange(len(labels)), labels] = correct / images[labels]
    terms[:, images == 0] = np.nan
    return terms


def _acc_terms(labels: Ints, p: Floats) -> Floats:
    return (largest_class(p) == labels) / max(len(labels), 1)


def _balanced_terms(labels: Ints, p: Floats) -> Floats:
    return _recall_terms(labels, p).mean(axis=1)


def _sen_terms(labels: Ints, p: Floats) -> Floats:
    recall = _recall_terms(labels, p)
    return recall[:, 1] if p.shape[1] == 2 else recall.mean(axis=1)


def _spe_terms(labels: Ints, p: Floats) -> Floats:
    size = p.shape[1]
    final = largest_class(p)
    columns = [1] if size == 2 else range(size)
    terms = np.zeros(len(labels))
    for column in columns:
        rest = labels != column
        share = int(rest.sum())
        terms += (rest & (final != column)) / share if share else np.nan
    return terms / len(columns)


def _youden_terms(labels: Ints, p: Floats) -> Floats:
    offset = 1 / max(len(labels), 1)
    return _sen_terms(labels, p) + _spe_terms(labels, p) - offset


def _brier_terms(labels: Ints, p: Floats) -> Floats:
    return reliability.squared_errors(labels, p) / max(len(labels), 1)


def _register(
    name: str, label: str, of: OfConfusion, description: str, terms: Terms | None = None,
    bounds: tuple[float, float] = SHARE,
) -> None:  # fmt: skip
    """Registers a metric of the confusion matrix."""
    function = _from_confusion(of)
    function.__doc__ = description
    metric(name, label=label, of_confusion=of, terms=terms, bounds=bounds)(function)


_register(
    "acc", "ACC", confusion.accuracy, "Share of images whose final class is the label.", _acc_terms
)
_register(
    "balanced_acc", "BACC", confusion.balanced_accuracy,
    "Mean over classes of the share found.", _balanced_terms,
)  # fmt: skip
_register(
    "sen", "SEN", confusion.sensitivity,
    "Sensitivity: share of malignant images called malignant.", _sen_terms,
)  # fmt: skip
_register(
    "spe", "SPE", confusion.specificity,
    "Specificity: share of benign images called benign.", _spe_terms,
)  # fmt: skip
_register(
    "f1", "F1", confusion.f1,
    "2 TP / (2 TP + FP + FN); 0 if no malignant image is found, nan if there is none to find.",
)  # fmt: skip


@metric("auc", label="AUC", bounds=SHARE)
def _auc(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Area under the ROC curve of p_M, ties one half; nan if a class is missing."""
    return _one_against_rest(lambda y, score: ranking.auc(y, score, weights), labels, p)


@metric("ap", label="AP", bounds=SHARE)
def _ap(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Average precision of p_M."""
    return _one_against_rest(
        lambda y, score: ranking.average_precision(y, score, weights), labels, p
    )


_register(
    "ppv", "PPV", confusion.positive_predictive_value,
    "Positive predictive value at the data's prevalence; nan if nothing is called malignant.",
)  # fmt: skip
_register(
    "npv", "NPV", confusion.negative_predictive_value,
    "Negative predictive value at the data's prevalence; nan if nothing is called benign.",
)  # fmt: skip


@metric("brier", label="Brier", higher_is_better=False, terms=_brier_terms, bounds=(0.0, 2.0))
def _brier(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Mean squared error of p_M; for K > 2 summed over classes."""
    if not len(labels) or (weights is not None and not weights.any()):
        return math.nan
    return float(np.average(reliability.squared_errors(labels, p), weights=weights))


@metric("ece", label="ECE", higher_is_better=False, bounds=SHARE)
def _ece(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Expected calibration error of p_M in ten equal bins; for K > 2 of the final class."""
    return reliability.expected_calibration_error(labels, p, weights)


@metric("calibration_slope", label="Slope", higher_is_better=None)
def _calibration_slope(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Slope of the label on logit p_M: 1 is calibrated, less is overconfident."""
    return reliability.calibration_slope(labels, p, weights)


@metric("sen_at_spe95", label="SEN at SPE 95", bounds=SHARE)
def _sen_at_spe95(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Largest sensitivity at a specificity of at least 0.95."""
    return sensitivity_at_specificity(0.95).function(labels, p, weights)


_register(
    "g_mean", "G-mean", confusion.geometric_mean,
    "Geometric mean over classes of the share found; for K = 2 the root of SEN x SPE.",
)  # fmt: skip
_register("youden", "Youden", confusion.youden, "SEN + SPE - 1.", _youden_terms, (-1.0, 1.0))
