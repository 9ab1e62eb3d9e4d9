"""Readers: proportions of clustered answers, and how far readers agree."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import statsmodels.api as sm
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from abl.decide.check import Ints
from abl.decide.intervals import LEVEL, RESAMPLES, Interval, wilson_interval
from abl.decide.replicates import draw_counts
from abl.errors import InputError


def gee_interval(outcomes: ArrayLike, patients: ArrayLike) -> Interval:
    """Interval of a proportion whose outcomes cluster in patients.

    Intercept-only logistic regression by generalised estimating equations (Liang, Zeger 1986),
    independence working correlation, robust variance, on the logit scale. Where every outcome is
    the same there is no logit: Wilson, with patients as the units.

    Args:
        outcomes, patients: (N,) 0 or 1, and names.

    Raises:
        InputError: Different lengths, none at all, or other values.
    """
    values, names = np.asarray(outcomes, dtype=np.float64), np.asarray(patients).astype(str)
    if values.ndim != 1 or values.shape != names.shape or not len(values):
        raise InputError(f"outcomes of shape {values.shape} for patients of shape {names.shape}")
    if not np.isin(values, (0, 1)).all():
        raise InputError("outcomes: values other than 0 and 1")
    groups, code = np.unique(names, return_inverse=True)
    if values.min() == values.max():
        return wilson_interval(round(values[0] * len(groups)), len(groups))
    order = np.argsort(code, kind="stable")
    model = sm.GEE(
        values[order], np.ones((len(values), 1)), groups=code[order], family=sm.families.Binomial()
    )
    fitted = model.fit()
    middle, error = float(fitted.params[0]), float(fitted.bse[0])
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * error
    low, high = (1 / (1 + math.exp(-end)) for end in (middle - half, middle + half))
    return Interval(float(values.mean()), low, high)


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> Interval:
    """Cohen's kappa of two readers, (N,) class of each image, with a bootstrap over patients."""
    ratings = _checked_ratings(np.column_stack([np.asarray(first), np.asarray(second)]))

    def kappa(rows: Ints) -> float:
        chosen = ratings[rows]
        if (chosen == chosen[0, 0]).all():
            return math.nan  # one class alone: agreement by chance is certain
        return float(cohen_kappa_score(chosen[:, 0], chosen[:, 1]))

    return _bootstrapped(kappa, len(ratings), patients, resamples)


def fleiss_kappa_interval(
    ratings: ArrayLike, *, patients: ArrayLike | None = None, resamples: int = RESAMPLES
) -> Interval:
    """Fleiss' kappa of several readers, (N, readers) classes, with a bootstrap over patients."""
    checked = _checked_ratings(np.asarray(ratings))
    table, _ = aggregate_raters(checked)

    def kappa(rows: Ints) -> float:
        chosen = table[rows]
        if np.count_nonzero(chosen.sum(axis=0)) < 2:
            return math.nan
        return float(fleiss_kappa(chosen))

    return _bootstrapped(kappa, len(checked), patients, resamples)


def _checked_ratings(ratings: NDArray) -> NDArray:
    if ratings.ndim != 2 or not len(ratings) or ratings.shape[1] < 2:
        raise InputError(f"ratings: shape {ratings.shape}, not (images, readers >= 2)")
    return ratings


def _bootstrapped(
    statistic: Callable[[Ints], float], images: int, patients: ArrayLike | None, resamples: int
) -> Interval:
    names = np.arange(images) if patients is None else np.asarray(patients).astype(str)
    if len(names) != images:
        raise InputError(f"{len(names)} patients for {images} images")
    groups, code = np.unique(names, return_inverse=True)
    weights = draw_counts(len(groups), resamples, np.random.default_rng([0, len(groups)]))
    every = np.arange(images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample may hold one class
        estimate = statistic(every)
        drawn = np.array([statistic(np.repeat(every, row.astype(int)[code])) for row in weights])
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.full(2, math.nan)
    if drawn.size and not math.isnan(estimate):
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(estimate, float(low), float(high))
