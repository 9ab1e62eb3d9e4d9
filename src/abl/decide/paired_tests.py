"""Tests of two arms beside the one that decides.

DeLong's test of AUC and McNemar's, for one image a patient; the corrected resampled t-test of
cross-validated means, whose training sets overlap.

Source: DeLong, DeLong, Clarke-Pearson, Biometrics 1988; midranks by one sort (Sun, Xu 2014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from abl.decide.check import Floats, Ints, checked_labels
from abl.decide.distributions import normal_above, t_above, t_quantile
from abl.decide.intervals import LEVEL, split_means
from abl.decide.ranking import twice_below
from abl.errors import InputError


@dataclass(frozen=True)
class TestResult:
    """A paired test of two arms on the same images, within one replicate.

    Attributes:
        difference: First minus second.
        statistic, p: nan where undefined. They take images as independent units.
    """

    __test__ = False  # not a test class to pytest

    difference: float
    statistic: float
    p: float


def delong_test(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> TestResult:
    """Paired test of two AUCs on the same images, (N,) each; z and two-sided P."""
    checked = checked_labels(labels, 2)
    arrays = [np.asarray(each, dtype=np.float64) for each in (first, second)]
    for each in arrays:
        if each.shape != checked.shape or not np.isfinite(each).all():
            raise InputError(f"scores: shape {each.shape} for {len(checked)} labels, all finite")
    aucs, covariance = _aucs_and_covariance(checked, arrays)
    difference = float(aucs[0] - aucs[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if math.isnan(difference) or math.isnan(variance):
        return TestResult(difference, math.nan, math.nan)
    if variance <= 1e-18:
        return TestResult(difference, 0.0, 1.0 if difference == 0 else math.nan)
    z = difference / math.sqrt(variance)
    return TestResult(difference, z, float(2 * normal_above(abs(z))))


def mcnemar_test(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> TestResult:
    """Exact McNemar test of two arms' final classes, (N,) each; difference is that of accuracy."""
    from statsmodels.stats.contingency_tables import mcnemar

    truth, one, other = (np.asarray(each) for each in (labels, first, second))
    if not truth.shape == one.shape == other.shape:
        raise InputError(f"McNemar: shapes {truth.shape}, {one.shape}, {other.shape} differ")
    right, other_right = one == truth, other == truth
    only_first = int(np.sum(right & ~other_right))
    only_second = int(np.sum(~right & other_right))
    table = [[int(np.sum(right & other_right)), only_first], [only_second, 0]]
    result = mcnemar(table, exact=True)
    difference = (only_first - only_second) / len(truth) if len(truth) else math.nan
    return TestResult(difference, float(only_first), min(1.0, float(result.pvalue)))


def _aucs_and_covariance(labels: Ints, scores: list[Floats]) -> tuple[Floats, Floats]:
    """(A,) AUCs and their (A, A) covariance over images; nan without two images of each class."""
    positive = labels == 1
    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        size = len(scores)
        return np.full(size, math.nan), np.full((size, size), math.nan)
    of_positive, of_negative = [], []
    for score in scores:
        below = twice_below(positive, score) / 2
        of_positive.append(below[positive] / n)
        of_negative.append(1 - below[~positive] / m)
    aucs = np.mean(of_positive, axis=1)
    covariance = np.cov(of_positive) / m + np.cov(of_negative) / n
    return aucs, np.atleast_2d(covariance)


@dataclass(frozen=True)
class CorrectedT:
    """Corrected resampled t-test.

    Attributes:
        difference: Mean over the J distinct (repeat, fold), seeds averaged first.
        t, df, p: nan if J < 2.
        low, high: Interval of the difference.
    """

    difference: float
    t: float
    df: int
    p: float
    low: float
    high: float


def corrected_resampled_t(
    differences: pd.DataFrame, *, train_patients: float, test_patients: float
) -> CorrectedT:
    """t-test with the variance factor 1/J + n_test/n_train.

    Source: Nadeau, Bengio, Machine Learning 2003; Bouckaert, Frank 2004. Sizes are in patients.

    Args:
        differences: Columns repeat, fold, seed, value (arm - base); nan values are left out.
        train_patients, test_patients: Mean sizes of the parts of a split.

    Raises:
        InputError: Sizes that are not positive.
    """
    if not (train_patients > 0 and test_patients > 0):
        raise InputError(f"patients: train {train_patients}, test {test_patients}: not positive")
    means = split_means(differences).to_numpy(dtype=np.float64)
    j = len(means)
    mean = float(means.mean()) if j else math.nan
    if j < 2:
        return CorrectedT(mean, math.nan, max(j - 1, 0), math.nan, math.nan, math.nan)
    variance = float(means.var(ddof=1))
    error = math.sqrt((1 / j + test_patients / train_patients) * variance)
    if error == 0:
        p = 1.0 if mean == 0 else 0.0
        t = 0.0 if mean == 0 else math.copysign(math.inf, mean)
        return CorrectedT(mean, t, j - 1, p, mean, mean)
    t = mean / error
    half = float(t_quantile((1 + LEVEL) / 2, j - 1)) * error
    return CorrectedT(mean, t, j - 1, float(2 * t_above(abs(t), j - 1)), mean - half, mean + half)
