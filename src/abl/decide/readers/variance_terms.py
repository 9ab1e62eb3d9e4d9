"""Mean squares and error covariances of readers' values, of which the comparison is made."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from abl.decide.check import Floats


@dataclass(frozen=True)
class ErrorTerms:
    """Variance and covariances of readers' values over samples of cases.

    Attributes:
        var: Mean variance.
        cov1: Mean covariance of one reader's values in two treatments.
        cov2: Of two readers in one treatment.
        cov3: Of two readers in two treatments.
    """

    var: float
    cov1: float
    cov2: float
    cov3: float


@dataclass(frozen=True)
class MeanSquares:
    """Of treatments, readers and their interaction; nan where there is one level alone."""

    treatment: float
    reader: float
    treatment_reader: float


def error_terms(covariance: Floats) -> ErrorTerms:
    """The means of a covariance of values, (I, J, I, J); nan of what does not occur."""
    treatments, readers = covariance.shape[:2]
    same_treatment = np.eye(treatments, dtype=bool)[:, None, :, None]
    same_reader = np.eye(readers, dtype=bool)[None, :, None, :]

    def mean(where: np.ndarray) -> float:
        chosen = covariance[np.broadcast_to(where, covariance.shape)]
        return float(chosen.mean()) if chosen.size else math.nan

    return ErrorTerms(
        mean(same_treatment & same_reader),
        mean(~same_treatment & same_reader),
        mean(same_treatment & ~same_reader),
        mean(~same_treatment & ~same_reader),
    )


def mean_squares(values: Floats) -> MeanSquares:
    """Of values (I, J) of treatments and readers."""
    treatments, readers = values.shape
    whole = values.mean()
    of_treatment, of_reader = values.mean(axis=1), values.mean(axis=0)
    rest = values - of_treatment[:, None] - of_reader[None, :] + whole
    apart = (treatments - 1) * (readers - 1)
    return MeanSquares(
        readers * sum_of_squares(of_treatment) / (treatments - 1) if treatments > 1 else math.nan,
        treatments * sum_of_squares(of_reader) / (readers - 1) if readers > 1 else math.nan,
        float((rest**2).sum()) / apart if apart else math.nan,
    )


def sum_of_squares(values: Floats) -> float:
    """Of deviations from their mean."""
    return float(((values - values.mean()) ** 2).sum())
