"""The metrics of a table. Malignant (1) is the positive class; for K > 2 classes a metric is the
macro mean over the classes, each against the rest, unless it says otherwise. `sen@benign` is one of
them: the metric of that class against the rest, written `sen@benign#0` with the class's position.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from abl.decide import confusion, metric_terms, ranking, reliability
from abl.decide.check import Floats, Ints, largest_class
from abl.decide.confusion import OfConfusion
from abl.decide.metric_registry import MACRO, METRICS, SHARE, Metric, MetricFunction, Terms, metric

__all__ = ["METRICS", "from_confusion", "sensitivity_at_specificity"]


def sensitivity_at_specificity(specificity: float) -> Metric:
    """Largest sensitivity over the cut-offs whose specificity is at least this."""

    def function(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
        return _one_against_rest(
            lambda y, score: ranking.sensitivity_at(y, score, specificity, weights), labels, p
        )

    label = f"SEN at SPE {100 * specificity:g}"
    description = f"Sensitivity at the cut-off with specificity {specificity:g}"
    return Metric(
        f"sen@spe{specificity:g}", label, function, False, True, description,
        by_class=True, several=MACRO, bounds=SHARE,
    )  # fmt: skip


def from_confusion(of: OfConfusion) -> MetricFunction:
    """The metric of a function of confusion matrices (..., K, K)."""

    def function(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
        matrix = confusion.confusion_matrix(labels, largest_class(p), p.shape[1], weights)
        return float(of(matrix))

    return function


def _one_against_rest(of: Callable[[np.ndarray, Floats], float], labels: Ints, p: Floats) -> float:
    if p.shape[1] == 2:
        return of(labels == 1, p[:, 1])
    return float(np.mean([of(labels == column, p[:, column]) for column in range(p.shape[1])]))


def _register(
    name: str,
    label: str,
    of: OfConfusion,
    description: str,
    terms: Terms | None = None,
    *,
    by_class: bool = True,
    several: str = "",
    bounds: tuple[float, float] = SHARE,
) -> None:
    """Registers a metric of the confusion matrix."""
    function = from_confusion(of)
    function.__doc__ = description
    metric(
        name, label=label, of_confusion=of, terms=terms, by_class=by_class, several=several,
        bounds=bounds,
    )(function)  # fmt: skip


_register(
    "acc", "ACC", confusion.accuracy, "Share of images whose final class is the label.",
    metric_terms.acc_terms,
    by_class=False, several="of all images, whatever their class",
)  # fmt: skip
_register(
    "balanced_acc", "BACC", confusion.balanced_accuracy,
    "Mean over classes of the share found.", metric_terms.balanced_terms,
    by_class=False, several="the same, and equal to sen",
)  # fmt: skip
_register(
    "sen", "SEN", confusion.sensitivity,
    "Sensitivity: share of malignant images called malignant.", metric_terms.sen_terms,
)  # fmt: skip
_register(
    "spe", "SPE", confusion.specificity,
    "Specificity: share of benign images called benign.", metric_terms.spe_terms,
)  # fmt: skip
_register(
    "f1", "F1", confusion.f1,
    "2 TP / (2 TP + FP + FN); 0 if no malignant image is found, nan if there is none to find.",
)  # fmt: skip


@metric("auc", label="AUC", by_class=True, bounds=SHARE)
def _auc(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Area under the ROC curve of p_M, ties one half; nan if a class is missing."""
    return _one_against_rest(lambda y, score: ranking.auc(y, score, weights), labels, p)


@metric("ap", label="AP", by_class=True, bounds=SHARE)
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


@metric(
    "brier", label="Brier", higher_is_better=False, terms=metric_terms.brier_terms,
    several="summed over the classes", bounds=(0.0, 2.0), bounds_of_two=SHARE,
)  # fmt: skip
def _brier(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Mean squared error of p_M."""
    if not len(labels) or (weights is not None and not weights.any()):
        return math.nan
    return float(np.average(reliability.squared_errors(labels, p), weights=weights))


@metric("ece", label="ECE", higher_is_better=False, bounds=SHARE, several="of the final class")
def _ece(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Expected calibration error of p_M in ten equal bins."""
    return reliability.expected_calibration_error(labels, p, weights)


@metric("calibration_slope", label="Slope", higher_is_better=None, by_class=True)
def _calibration_slope(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Slope of the label on logit p_M: 1 is calibrated, less is overconfident."""
    return reliability.calibration_slope(labels, p, weights)


@metric(
    "calibration_intercept", label="Intercept", higher_is_better=None,
    several="mean size over the classes, each against the rest",
)  # fmt: skip
def _calibration_intercept(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Intercept of the label with offset logit p_M: 0 is calibrated; for K > 2 its mean size."""
    return reliability.calibration_intercept(labels, p, weights)


@metric("sen_at_spe95", label="SEN at SPE 95", by_class=True, bounds=SHARE)
def _sen_at_spe95(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Largest sensitivity at a specificity of at least 0.95."""
    return sensitivity_at_specificity(0.95).function(labels, p, weights)


_register(
    "g_mean", "G-mean", confusion.geometric_mean,
    "Geometric mean over classes of the share found; for K = 2 the root of SEN x SPE.",
    by_class=False, several="of the shares found of all classes",
)  # fmt: skip
_register(
    "youden", "Youden", confusion.youden, "SEN + SPE - 1.", metric_terms.youden_terms,
    bounds=(-1.0, 1.0),
)  # fmt: skip
