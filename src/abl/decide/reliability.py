"""How far probabilities are from frequencies: Brier score, calibration error and slope."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit

from abl.decide.check import Bools, Floats, Ints
from abl.decide.probabilities import largest_class

ECE_BINS = 10
# a softmax that reached 0 or 1 has no finite logit
SMALLEST_PROBABILITY = 1e-12


def squared_errors(labels: Ints, p: Floats) -> Floats:
    """(N,) (p_M - y)^2 for K = 2; the sum over classes for K > 2 (as scikit-learn)."""
    if p.shape[1] == 2:
        return (p[:, 1] - labels) ** 2
    truth = np.zeros_like(p)
    truth[np.arange(len(p)), labels] = 1
    return ((p - truth) ** 2).sum(axis=1)


def expected_calibration_error(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Mean distance of predicted and observed in ten equal bins of probability.

    K = 2: of p_M against malignant; K > 2: of the final class's probability against being correct
    (Guo et al., ICML 2017).
    """
    if not len(labels):
        return math.nan
    if p.shape[1] == 2:
        predicted, observed = p[:, 1], labels.astype(np.float64)
    else:
        final = largest_class(p)
        predicted = p[np.arange(len(p)), final]
        observed = (final == labels).astype(np.float64)
    weight = np.ones(len(labels)) if weights is None else weights
    bins = np.minimum((predicted * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gap = np.bincount(bins, weights=weight * (predicted - observed), minlength=ECE_BINS)
    total = float(weight.sum())
    return float(np.abs(gap).sum() / total) if total else math.nan


def calibration_slope(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Slope of the logistic regression of the label on logit(p); 1 is calibrated.

    K = 2: of p_M; K > 2: mean over the classes, each against the rest. nan where no finite slope
    exists: a class is missing, the logits do not vary or separate the classes. Source: Cox 1958;
    Steyerberg, Clinical Prediction Models.
    """
    columns = [1] if p.shape[1] == 2 else range(p.shape[1])
    slopes = [_slope(labels == column, logit(p[:, column]), weights) for column in columns]
    return float(np.mean(slopes))


def logit(p: Floats) -> Floats:
    clipped = np.clip(p, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.log(clipped) - np.log1p(-clipped)


def _slope(positive: Bools, x: Floats, weights: Floats | None) -> float:
    weight = np.ones(len(x)) if weights is None else weights
    used = weight > 0
    positive, x, weight = positive[used], x[used], weight[used]
    if positive.all() or not positive.any():
        return math.nan
    high, low = x[positive], x[~positive]
    if high.min() >= low.max() or low.min() >= high.max():
        return math.nan
    scale = float(x.std())
    if scale == 0:
        return math.nan
    design = np.column_stack([np.ones_like(x), x / scale])

    def likelihood(coefficients: Floats) -> float:
        eta = design @ coefficients
        return float(np.sum(weight * (positive * eta - np.logaddexp(0, eta))))

    coefficients = np.zeros(2)
    for _ in range(100):
        mu = expit(design @ coefficients)
        information = (design * (weight * mu * (1 - mu))[:, None]).T @ design
        try:
            step = np.linalg.solve(information, design.T @ (weight * (positive - mu)))
        except np.linalg.LinAlgError:
            return math.nan
        # a whole Newton step can overshoot where few images lie between the classes
        before = likelihood(coefficients)
        while likelihood(coefficients + step) < before and np.abs(step).max() > 1e-12:
            step = step / 2
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-10:
            break
    return float(coefficients[1] / scale)
