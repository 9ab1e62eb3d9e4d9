"""Calibration of probabilities, fitted on validation and applied before T*.

Class duplication in training shifts the prior of a network; `prior` takes that back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

from abl.decide.check import Floats, Ints, checked_pair, checked_predictions
from abl.errors import InputError, nearest

CALIBRATIONS = ("none", "temperature", "prior")
SMALLEST_PROBABILITY = 1e-12
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
    """A calibration by maximum likelihood on validation predictions.

    temperature: one number (Guo et al., ICML 2017). prior: one offset a class, so that the mean
    probability of each class becomes its share of the validation images.

    Args:
        kind: none, temperature or prior.
        labels: (N,) of the validation images.
        p: (N, K) of the validation images.

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
        return -float(log_softmax(logs / math.exp(log_temperature), axis=1)[rows, labels].mean())

    end = math.log(LARGEST_TEMPERATURE)
    found = minimize_scalar(loss, bounds=(-end, end), method="bounded", options={"xatol": 1e-8})
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

    found = minimize(
        loss_and_slope, np.zeros(classes - 1), jac=True, method="BFGS", options={"gtol": 1e-9}
    )
    return Calibration(offset=(0.0, *(float(each) for each in found.x)))


def _logs(p: Floats) -> Floats:
    # a softmax that reached 0 has no logarithm
    return np.log(np.clip(p, SMALLEST_PROBABILITY, 1.0))


def _log_calibrated(logs: Floats, temperature: float, offset: tuple[float, ...]) -> Floats:
    scaled = logs / temperature
    return log_softmax(scaled + np.array(offset) if offset else scaled, axis=1)
