"""DeLong's interval and paired test of AUC, and McNemar's test: one image a patient.

Source: DeLong, DeLong, Clarke-Pearson, Biometrics 1988; midranks after Sun, Xu 2014.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from abl.decide.check import Floats, Ints, checked_labels
from abl.decide.intervals import independence_note
from abl.errors import InputError


@dataclass(frozen=True)
class TestResult:
    """A paired test of two arms on the same images, within one replicate.

    Attributes:
        difference: First minus second.
        statistic, p: nan where undefined.
        note: "ignores clusters" unless each patient has one image.
    """

    __test__ = False  # not a test class to pytest

    difference: float
    statistic: float
    p: float
    note: str = ""


def delong_test(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    patients: ArrayLike | None = None,
) -> TestResult:
    """Paired test of two AUCs on the same images, (N,) each; z and two-sided P."""
    checked, arrays = _checked(labels, first, second)
    aucs, covariance = _aucs_and_covariance(checked, arrays)
    difference = float(aucs[0] - aucs[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    note = independence_note(patients)
    if math.isnan(difference) or math.isnan(variance):
        return TestResult(difference, math.nan, math.nan, note)
    if variance <= 1e-18:
        return TestResult(difference, 0.0, 1.0 if difference == 0 else math.nan, note)
    z = difference / math.sqrt(variance)
    return TestResult(difference, z, float(2 * stats.norm.sf(abs(z))), note)


def mcnemar_test(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    patients: ArrayLike | None = None,
) -> TestResult:
    """Exact McNemar test of two arms' final classes, (N,) each; difference is that of accuracy."""
    truth, one, other = (np.asarray(each) for each in (labels, first, second))
    if not truth.shape == one.shape == other.shape:
        raise InputError(f"McNemar: shapes {truth.shape}, {one.shape}, {other.shape} differ")
    right, other_right = one == truth, other == truth
    only_first = int(np.sum(right & ~other_right))
    only_second = int(np.sum(~right & other_right))
    table = [[int(np.sum(right & other_right)), only_first], [only_second, 0]]
    result = mcnemar(table, exact=True)
    difference = (only_first - only_second) / len(truth) if len(truth) else math.nan
    p = min(1.0, float(result.pvalue))
    return TestResult(difference, float(only_first), p, independence_note(patients))


def _checked(labels: ArrayLike, *scores: ArrayLike) -> tuple[Ints, list[Floats]]:
    checked = checked_labels(labels, 2)
    arrays = [np.asarray(each, dtype=np.float64) for each in scores]
    for each in arrays:
        if each.shape != checked.shape or not np.isfinite(each).all():
            raise InputError(f"scores: shape {each.shape} for {len(checked)} labels, all finite")
    return checked, arrays


def _aucs_and_covariance(labels: Ints, scores: list[Floats]) -> tuple[Floats, Floats]:
    """(A,) AUCs and their (A, A) covariance over images; nan without two images of each class."""
    positive = labels == 1
    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        size = len(scores)
        return np.full(size, math.nan), np.full((size, size), math.nan)
    of_positive, of_negative = [], []
    for score in scores:
        together = stats.rankdata(score)
        won = together[positive] - stats.rankdata(score[positive])
        lost = together[~positive] - stats.rankdata(score[~positive])
        of_positive.append(won / n)
        of_negative.append(1 - lost / m)
    aucs = np.mean(of_positive, axis=1)
    covariance = np.cov(of_positive) / m + np.cov(of_negative) / n
    return aucs, np.atleast_2d(covariance)
