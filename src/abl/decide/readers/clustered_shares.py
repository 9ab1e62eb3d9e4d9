"""Shares of right answers that cluster in patients: one, and the difference of two raters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import ArrayLike

from abl.decide.check import Floats
from abl.decide.intervals import FEW_PATIENTS, LEVEL, Interval, wilson_interval
from abl.decide.readers.answer_tables import patient_names
from abl.decide.readers.contrasts import ReaderContrast, contrast
from abl.errors import InputError


def gee_interval(outcomes: ArrayLike, patients: ArrayLike) -> Interval:
    """Interval of a proportion whose outcomes cluster in patients.

    Intercept-only logistic regression by generalised estimating equations (Liang, Zeger 1986),
    independence working correlation, robust variance, on the logit scale. That variance is too
    small where patients are few: under 50 it is the bias-reduced one (Mancl, DeRouen, Biometrics
    57, 2001, 126-134), with the quantile of t at one degree of freedom less than there are
    patients. Where every
    outcome is the same there is no logit: Wilson, with patients as the units. Of a single patient
    whose outcomes differ nothing is known: no end.

    Args:
        outcomes, patients: (N,) 0 or 1, and names.

    Raises:
        InputError: Different lengths, none at all, other values, or patients without a name.
    """
    import statsmodels.api as sm

    values, names = np.asarray(outcomes, dtype=np.float64), patient_names(patients)
    if values.ndim != 1 or values.shape != names.shape or not len(values):
        raise InputError(f"outcomes of shape {values.shape} for patients of shape {names.shape}")
    if not np.isin(values, (0, 1)).all():
        raise InputError("outcomes: values other than 0 and 1")
    groups, code = np.unique(names, return_inverse=True)
    if values.min() == values.max():
        return wilson_interval(round(values[0] * len(groups)), len(groups))
    if len(groups) == 1:
        return Interval(float(values.mean()), math.nan, math.nan)
    order = np.argsort(code, kind="stable")
    model = sm.GEE(
        values[order], np.ones((len(values), 1)), groups=code[order], family=sm.families.Binomial()
    )
    few = len(groups) < FEW_PATIENTS
    fitted = model.fit(cov_type="bias_reduced" if few else "robust")
    middle, error = float(fitted.params[0]), float(fitted.bse[0])
    tails = scipy.stats.t(len(groups) - 1) if few else scipy.stats.norm()
    half = float(tails.ppf((1 + LEVEL) / 2)) * error
    low, high = (1 / (1 + math.exp(-end)) for end in (middle - half, middle + half))
    return Interval(float(values.mean()), low, high)


def gee_difference(
    name: str,
    first: ArrayLike,
    second: ArrayLike,
    first_patients: Sequence[str] | np.ndarray,
    second_patients: Sequence[str] | np.ndarray,
) -> ReaderContrast:
    """Two raters' shares of right answers, one row per case and rater, clusters = patients.

    The difference of the shares, its interval and P are of one model: a regression of being right
    on the rater with the identity link by generalised estimating equations (Liang, Zeger 1986),
    independence working correlation, robust variance, which for one factor is a closed form; P is
    Wald's. The interval excludes 0 exactly where P is below 0.05. Under 50 patients the variance is
    the bias-reduced one (Mancl, DeRouen, Biometrics 57, 2001), with t at one degree of freedom less
    than there are patients.

    Args:
        first, second: (N,), (M,) 0 or 1: whether each answer is right; missing ones are not there.
        first_patients, second_patients: (N,), (M,) of them.
    """
    one, other = (np.asarray(each, dtype=np.float64) for each in (first, second))
    if not len(one) or not len(other):
        return ReaderContrast(name, math.nan, why="no answers")
    names, code = np.unique(
        np.concatenate([first_patients, second_patients]).astype(str), return_inverse=True
    )
    groups = len(names)
    shares = np.array([one.mean(), other.mean()])
    apart = float(shares[0] - shares[1])
    if groups < 2:
        return ReaderContrast(name, apart, why="one patient")
    few = groups < FEW_PATIENTS
    df = groups - 1 if few else math.inf
    sums = np.array(
        [
            _scores(one - shares[0], code[: len(one)], groups, few=few),
            _scores(other - shares[1], code[len(one) :], groups, few=few),
        ]
    )
    variance = float(((sums[0] - sums[1]) ** 2).sum())
    return contrast(name, apart, variance, df, tested=True)


def _scores(residuals: Floats, code: np.ndarray, groups: int, *, few: bool) -> Floats:
    """(patients,) what each adds to the error of a mean."""
    summed: Floats = np.bincount(code, weights=residuals, minlength=groups).astype(np.float64)
    if few:
        share = np.bincount(code, minlength=groups) / len(residuals)
        if (share >= 1).any():  # all answers are of one patient: nothing is known of others
            return np.zeros(groups)
        summed = summed / (1 - share)
    return summed / len(residuals)
