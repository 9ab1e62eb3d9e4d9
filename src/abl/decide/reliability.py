"""How far probabilities are from frequencies: Brier score, calibration error, slope and intercept;
and their calibration, fitted on validation and applied before T*.

Class duplication in training shifts the prior of a network; `prior` takes that back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from abl.decide.check import Bools, Floats, Ints, checked_pair, checked_predictions, largest_class
from abl.errors import InputError, nearest

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


def calibration_intercept(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Intercept of the logistic regression of the label with offset logit(p); 0 is calibrated.

    Calibration in the large: above 0 the class is more frequent than predicted, below 0 less.
    K = 2: of p_M; K > 2: mean size over the classes, each against the rest, as signs would cancel
    out. nan where a class is missing. Source: Cox 1958; Van Calster et al., BMC Med 2019; 17:230.
    """
    if p.shape[1] == 2:
        return _intercept(labels == 1, logit(p[:, 1]), weights)
    found = [_intercept(labels == at, logit(p[:, at]), weights) for at in range(p.shape[1])]
    return float(np.mean(np.abs(found)))


def _weighing(positive: Bools, x: Floats, weights: Floats | None) -> tuple[Bools, Floats, Floats]:
    """Those with a weight, and their weights."""
    weight = np.ones(len(x)) if weights is None else weights
    used = weight > 0
    return positive[used], x[used], weight[used]


def _intercept(positive: Bools, x: Floats, weights: Floats | None) -> float:
    positive, x, weight = _weighing(positive, x, weights)
    if positive.all() or not positive.any():
        return math.nan
    share = float(np.average(positive, weights=weight))
    # at these ends every probability is below the share, or every one above it
    middle = math.log(share) - math.log1p(-share)
    low, high = middle - float(x.max()), middle - float(x.min())
    if low == high:
        return low

    def gap(intercept: float) -> float:
        return float(np.average(scipy.special.expit(x + intercept), weights=weight)) - share

    if gap(low) >= 0 or gap(high) <= 0:  # the ends differ by rounding alone
        return (low + high) / 2
    return float(scipy.optimize.brentq(gap, low, high, xtol=1e-12))


def logit(p: Floats) -> Floats:
    clipped = np.clip(p, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.log(clipped) - np.log1p(-clipped)


def _slope(positive: Bools, x: Floats, weights: Floats | None) -> float:
    positive, x, weight = _weighing(positive, x, weights)
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
        mu = scipy.special.expit(design @ coefficients)
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


CALIBRATIONS = ("none", "temperature", "prior")
LARGEST_TEMPERATURE = 100.0


@dataclass(frozen=True)
class Calibration:
    """p -> softmax(log(p) / temperature + offset).

    Attributes:
        temperature: 1 leaves p as it is; more makes it less certain.
        offset: One a class, the first 0; () leaves p as it is.
    """

    temperature: float = 1.0
    offset: tuple[float, ...] = ()

    def apply(self, p: ArrayLike) -> Floats:
        """(N, K) calibrated probabilities."""
        array = checked_predictions(p)
        if self.temperature == 1 and not self.offset:
            return array
        return np.exp(_log_calibrated(_logs(array), self.temperature, self.offset))


def fit_calibration(kind: str, labels: ArrayLike, p: ArrayLike) -> Calibration:
    """A calibration by maximum likelihood on validation images: labels (N,), p (N, K).

    temperature: one number (Guo et al., ICML 2017). prior: one offset a class, so that the mean
    probability of each class becomes its share of the validation images.

    Raises:
        InputError: An unknown kind, no image, or for `prior` a class without images.
    """
    if kind not in CALIBRATIONS:
        raise InputError(f"unknown calibration '{kind}': {nearest(kind, CALIBRATIONS)}")
    if kind == "none":
        return Calibration()
    true_labels, predictions = checked_pair(labels, p)
    if not len(true_labels):
        raise InputError(f"calibrate: {kind} needs validation images")
    logs = _logs(predictions)
    return _temperature(true_labels, logs) if kind == "temperature" else _prior(true_labels, logs)


def _temperature(labels: Ints, logs: Floats) -> Calibration:
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -float(
            scipy.special.log_softmax(logs / math.exp(log_temperature), axis=1)[rows, labels].mean()
        )

    end = math.log(LARGEST_TEMPERATURE)
    found = scipy.optimize.minimize_scalar(
        loss, bounds=(-end, end), method="bounded", options={"xatol": 1e-8}
    )
    return Calibration(temperature=math.exp(float(found.x)))


def _prior(labels: Ints, logs: Floats) -> Calibration:
    images, classes = logs.shape
    share = np.bincount(labels, minlength=classes) / images
    if (share == 0).any():
        missing = int(np.argmin(share))
        raise InputError(f"calibrate: prior: no validation image of class {missing}")
    rows = np.arange(images)

    def loss_and_slope(free: Floats) -> tuple[float, Floats]:
        log_p = _log_calibrated(logs, 1.0, (0.0, *free))
        return -float(log_p[rows, labels].mean()), (np.exp(log_p).mean(axis=0) - share)[1:]

    found = scipy.optimize.minimize(
        loss_and_slope, np.zeros(classes - 1), jac=True, method="BFGS", options={"gtol": 1e-9}
    )
    return Calibration(offset=(0.0, *(float(each) for each in found.x)))


def _logs(p: Floats) -> Floats:
    # a softmax that reached 0 has no logarithm
    return np.log(np.clip(p, SMALLEST_PROBABILITY, 1.0))


def _log_calibrated(logs: Floats, temperature: float, offset: tuple[float, ...]) -> Floats:
    scaled = logs / temperature
    return scipy.special.log_softmax(scaled + np.array(offset) if offset else scaled, axis=1)
