"""The difference of two raters over samples of cases: of a reader in two treatments, of an
algorithm and a reader, of any two.
"""

from __future__ import annotations

import math

import numpy as np

from abl.decide.check import Bools
from abl.decide.readers.clustered_shares import gee_difference
from abl.decide.readers.contrasts import ReaderContrast, contrast
from abl.decide.readers.rater_estimates import RaterEstimates
from abl.decide.readers.readings import Readings


def rater_difference(
    name: str, readings: Readings, estimates: RaterEstimates, first: int, second: int
) -> ReaderContrast:
    """First minus second, of two raters of the readings; their cases may be the same or not.

    Of shares by gee_difference, which is corrected for few patients, as every other difference of
    two raters' shares is; of AUC by auc_difference.

    Args:
        estimates: Of the readings.
        first, second: Positions of the raters.
    """
    if estimates.statistic == "auc":
        return auc_difference(name, estimates, first, second)
    truth, positive = readings.truth, readings.truth == 1
    sides: dict[str, Bools] = {"sen": positive, "spe": ~positive}
    right, patients = [], []
    for at in (first, second):
        cases = next(cases for raters, cases in readings.blocks if at in raters)
        used = cases[sides.get(estimates.statistic, np.ones_like(positive))[cases]]
        right.append(readings.scores[at, used] == truth[used])
        patients.append(readings.patients[used])
    return gee_difference(name, *right, *patients)


def auc_difference(name: str, estimates: RaterEstimates, first: int, second: int) -> ReaderContrast:
    """First minus second by the covariance of the values, with the normal."""
    c, values = estimates.covariance, estimates.values
    variance = float(c[first, first] + c[second, second] - 2 * c[first, second])
    return contrast(name, float(values[first] - values[second]), variance, math.inf, tested=True)
