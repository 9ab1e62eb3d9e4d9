"""Metrics of confusion matrices: functions of (..., K, K) counts, so that thousands at once cost
one array operation. Row: true class, column: final class; entries may be weights.

K = 2: malignant (1) is positive. K > 2: macro mean over the classes, each against the rest.
A value that the counts do not give is nan, of a macro mean wherever one class has none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from abl.decide.check import Floats, Ints

OfConfusion = Callable[[Floats], Floats]


def confusion_matrix(
    labels: Ints, classes: Ints, size: int, weights: Floats | None = None
) -> Floats:
    """(K, K) float64 counts or summed weights."""
    cells = np.bincount(labels * size + classes, weights=weights, minlength=size * size)
    return cells.reshape(size, size).astype(np.float64)


def divided(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, nan where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    out = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)


def accuracy(confusion: Floats) -> Floats:
    return divided(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum(axis=(-2, -1)))


def recalls(confusion: Floats) -> Floats:
    """Share of each class that is found, (..., K)."""
    return divided(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-1))


def balanced_accuracy(confusion: Floats) -> Floats:
    return recalls(confusion).mean(axis=-1)


def geometric_mean(confusion: Floats) -> Floats:
    each = recalls(confusion)
    return np.prod(each, axis=-1) ** (1 / each.shape[-1])


def sensitivity(confusion: Floats) -> Floats:
    tp, _, fn, _ = one_against_rest(confusion)
    return divided(tp, tp + fn).mean(axis=-1)


def specificity(confusion: Floats) -> Floats:
    _, fp, _, tn = one_against_rest(confusion)
    return divided(tn, tn + fp).mean(axis=-1)


def youden(confusion: Floats) -> Floats:
    return sensitivity(confusion) + specificity(confusion) - 1


def f1(confusion: Floats) -> Floats:
    """nan without positives, as sensitivity: a false alarm alone would make it 0."""
    tp, fp, fn, _ = one_against_rest(confusion)
    there = tp + fn != 0
    return divided(2 * tp, np.where(there, 2 * tp + fp + fn, 0.0)).mean(axis=-1)


def positive_predictive_value(confusion: Floats) -> Floats:
    tp, fp, _, _ = one_against_rest(confusion)
    return divided(tp, tp + fp).mean(axis=-1)


def negative_predictive_value(confusion: Floats) -> Floats:
    _, _, fn, tn = one_against_rest(confusion)
    return divided(tn, tn + fn).mean(axis=-1)


def ppv_at(prevalence: float) -> OfConfusion:
    """PPV of the same sensitivity and specificity at another prevalence (Bayes).

    K > 2: of each class, each at this prevalence, then averaged.
    """

    def ppv(confusion: Floats) -> Floats:
        sen, spe = _rates(confusion)
        found, alarm = sen * prevalence, (1 - spe) * (1 - prevalence)
        return divided(found, found + alarm).mean(axis=-1)

    return ppv


def npv_at(prevalence: float) -> OfConfusion:
    """NPV of the same sensitivity and specificity at another prevalence (Bayes); as `ppv_at`."""

    def npv(confusion: Floats) -> Floats:
        sen, spe = _rates(confusion)
        cleared, missed = spe * (1 - prevalence), (1 - sen) * prevalence
        return divided(cleared, cleared + missed).mean(axis=-1)

    return npv


def of_class(of: OfConfusion, column: int) -> OfConfusion:
    """The metric of one class against the rest: of the (..., 2, 2) matrix in which it is 1."""

    def metric(confusion: Floats) -> Floats:
        tp = confusion[..., column, column]
        fn = confusion[..., column, :].sum(axis=-1) - tp
        fp = confusion[..., :, column].sum(axis=-1) - tp
        tn = confusion.sum(axis=(-2, -1)) - tp - fn - fp
        cells = np.stack([tn, fp, fn, tp], axis=-1)
        return of(cells.reshape(*cells.shape[:-1], 2, 2))

    return metric


def _rates(confusion: Floats) -> tuple[Floats, Floats]:
    """Sensitivity and specificity of each class of `one_against_rest`, (..., C)."""
    tp, fp, fn, tn = one_against_rest(confusion)
    return divided(tp, tp + fn), divided(tn, tn + fp)


def one_against_rest(confusion: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """(tp, fp, fn, tn), each (..., C): C = 1, the malignant class, for K = 2; otherwise C = K."""
    diagonal = np.diagonal(confusion, axis1=-2, axis2=-1)
    true = confusion.sum(axis=-1)
    final = confusion.sum(axis=-2)
    total = confusion.sum(axis=(-2, -1))[..., None]
    tp, fp, fn = diagonal, final - diagonal, true - diagonal
    tn = total - tp - fp - fn
    if confusion.shape[-1] == 2:
        return tp[..., 1:], fp[..., 1:], fn[..., 1:], tn[..., 1:]
    return tp, fp, fn, tn
