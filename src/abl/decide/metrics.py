"""The metrics of a table. Malignant (1) is the positive class; for K > 2 classes a metric is the
macro mean over the classes, each against the rest, unless it says otherwise. `sen@benign` is one of
them: the metric of that class against the rest, written `sen@benign#0` with the class's position.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from abl.decide import confusion, metric_terms, ranking, reliability
from abl.decide.check import Floats, Ints, checked_pair, largest_class
from abl.decide.confusion import OfConfusion
from abl.decide.metric_names import short_name
from abl.errors import InputError, nearest
from abl.registry import Registry
from abl.signatures import check_signature

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
        by_class: Whether it is of one class: for K > 2 the macro mean over the classes, each
            against the rest, and NAME@CLASS gives that of one.
        several: What it is for K > 2, a few words; "" if its description says it.
        bounds: The smallest and largest value it can have, where both are known: ends of intervals
            lie between them.
        bounds_of_two: The same for K = 2, where they are others.
    """

    name: str
    label: str
    function: MetricFunction
    additive: bool
    higher_is_better: bool | None
    description: str
    of_confusion: OfConfusion | None = None
    terms: Terms | None = None
    by_class: bool = False
    several: str = ""
    bounds: tuple[float, float] | None = None
    bounds_of_two: tuple[float, float] | None = None

    def bounds_for(self, classes: int) -> tuple[float, float] | None:
        """Its bounds for so many classes."""
        return self.bounds_of_two if classes == 2 and self.bounds_of_two else self.bounds

    def __call__(self, labels: Ints, p: Floats, weights: Floats | None = None) -> float:
        try:
            return self.function(labels, p, weights)
        except InputError:
            raise
        except Exception as error:  # a user's own metric: its sweep goes on without it
            text = f"metric '{self.name}' fails with {type(error).__name__}: {error}"
            raise InputError(text) from error


# what this module does not register itself is read off that one
METRICS: Registry[Metric] = Registry("metric", declared="abl.decide.selective")
MACRO = "macro mean over the classes, each against the rest"


def metric(
    name: str,
    *,
    label: str,
    higher_is_better: bool | None = True,
    of_confusion: OfConfusion | None = None,
    terms: Terms | None = None,
    by_class: bool = False,
    several: str = "",
    bounds: tuple[float, float] | None = None,
    bounds_of_two: tuple[float, float] | None = None,
    version: int = 1,
) -> Callable[[MetricFunction], MetricFunction]:
    """Registers a metric. The first line of its documentation describes it.

    Args:
        by_class: Whether it is of one class, and its function gives for K > 2 the macro mean over
            the classes; tables then say so.
        several: What it is for K > 2, where that is something else.

    Raises:
        InputError: The name is taken.
    """

    def register(function: MetricFunction) -> MetricFunction:
        description = (function.__doc__ or "").strip().split("\n")[0]
        made = Metric(
            name, label, function, terms is not None, higher_is_better, description,
            of_confusion, terms, by_class, several or (MACRO if by_class else ""), bounds,
            bounds_of_two,
        )  # fmt: skip
        METRICS.add(name, made, function, version=version)
        check_signature(f"metric '{name}'", function, ("labels", "p", "weights"))
        return function

    return register


def metric_named(name: str) -> Metric:
    """A registered metric, one at a stated value (`ppv@0.05`, `npv@0.05`, `sen@spe0.9`), or one of
    these of one class: `sen@benign#0`, `ppv@0.05@benign#0`.

    Raises InputError with the nearest name.
    """
    if name in METRICS:
        return METRICS[name]
    if stated := _at_stated_value(name):
        return stated
    base, word, position = split_class(name)
    known = METRICS.get(base) or _at_stated_value(base)
    if word and known is not None and known.by_class and position >= 0:
        return metric_of_class(known, word, position)
    if word and known is not None and not known.by_class:
        raise InputError(f"unknown metric '{name}': {base} is not of one class; leave out @{word}")
    if word and known is not None:
        number = f", or a {'specificity' if base == 'sen' else 'prevalence'} between 0 and 1"
        raise InputError(
            f"unknown metric '{name}': after @ comes one of the classes' names (data.classes)"
            + (number if base in ("sen", "ppv", "npv") else "")
        )
    if name == base and (short := short_name(name)):
        raise InputError(f"unknown metric '{name}': write {short}")
    hint = nearest(name, [*METRICS, "ppv@0.1", "npv@0.1", "sen@spe0.9"])
    raise InputError(f"unknown metric '{name}': {hint}{METRICS.own_words()}")


def split_class(name: str) -> tuple[str, str, int]:
    """`sen@benign#0` as metric, class and its position; "" and -1 where there is none."""
    base, _, word = name.partition("@")
    inner, _, after = word.partition("@")
    if after and _at_stated_value(f"{base}@{inner}"):
        base, word = f"{base}@{inner}", after
    shown, _, position = word.rpartition("#")
    if shown and position.isdigit():
        return base, shown, int(position)
    return base, word, -1


def _at_stated_value(name: str) -> Metric | None:
    """`ppv@0.05`, `npv@0.05` or `sen@spe0.9`; None if the name is none of these."""
    kind, _, value = name.partition("@")
    try:
        stated = float(value.removeprefix("spe")) if kind == "sen" else float(value)
    except ValueError:
        return None
    if not 0 < stated < 1:
        return None
    if kind == "sen":
        return sensitivity_at_specificity(stated)
    if kind not in ("ppv", "npv"):
        return None
    of = confusion.ppv_at(stated) if kind == "ppv" else confusion.npv_at(stated)
    label = f"{kind.upper()} at {100 * stated:g} %"
    return Metric(
        f"{kind}@{stated:g}", label, _from_confusion(of), False, True, label, of,
        by_class=True, several=MACRO, bounds=SHARE,
    )  # fmt: skip


def metric_of_class(whole: Metric, word: str, position: int) -> Metric:
    """A metric of one class against the rest.

    Args:
        whole: One with `by_class`.
        word, position: The class's name, and which probability is its.
    """
    of = whole.of_confusion and confusion.of_class(whole.of_confusion, position)

    def function(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
        if position >= p.shape[1]:
            raise InputError(f"{whole.name}@{word}: no class {position} of {p.shape[1]}")
        if of is not None:
            return _from_confusion(of)(labels, p, weights)
        against_rest = np.column_stack([1 - p[:, position], p[:, position]])
        return whole((labels == position).astype(np.int64), against_rest, weights)

    said = f"{whole.label} of {word} against the rest"
    return Metric(
        f"{whole.name}@{word}#{position}", f"{whole.label} {word}", function, False,
        whole.higher_is_better, said, of, bounds=whole.bounds_for(2),
    )  # fmt: skip


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
        f"sen@spe{specificity:g}", label, function, False, True, description,
        by_class=True, several=MACRO, bounds=SHARE,
    )  # fmt: skip


def _from_confusion(of: OfConfusion) -> MetricFunction:
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
    function = _from_confusion(of)
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
