"""Metrics of confusion matrices: functions of (..., K, K) counts, so that thousands at once cost
one array operation. Row: true class, column: final class; entries may be weights.

K = 2: malignant (1) is positive. K > 2: macro mean over the classes, each against the rest.
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
    tp, fp, fn, _ = one_against_rest(confusion)
    return divided(2 * tp, 2 * tp + fp + fn).mean(axis=-1)


def positive_predictive_value(confusion: Floats) -> Floats:
    tp, fp, _, _ = one_against_rest(confusion)
    return divided(tp, tp + fp).mean(axis=-1)


def negative_predictive_value(confusion: Floats) -> Floats:
    _, _, fn, tn = one_against_rest(confusion)
    return divided(tn, tn + fn).mean(axis=-1)


def ppv_at(prevalence: float) -> OfConfusion:
    """PPV of the same sensitivity and specificity at another prevalence (Bayes)."""

    def ppv(confusion: Floats) -> Floats:
        found = sensitivity(confusion) * prevalence
        alarm = (1 - specificity(confusion)) * (1 - prevalence)
        return divided(found, found + alarm)

    return ppv


def npv_at(prevalence: float) -> OfConfusion:
    """NPV of the same sensitivity and specificity at another prevalence (Bayes)."""

    def npv(confusion: Floats) -> Floats:
        cleared = specificity(confusion) * (1 - prevalence)
        missed = (1 - sensitivity(confusion)) * prevalence
        return divided(cleared, cleared + missed)

    return npv


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
