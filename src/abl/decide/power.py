"""What difference a sweep can show, before it is run.

By the same model as its intervals (`spread`): patients of each class, one image each, and trainings
that differ as networks of one recipe did in a measured sweep.
"""

from __future__ import annotations

import math

import numpy as np

from abl.decide.contributions import gradient
from abl.decide.distributions import t_quantile_of_one
from abl.decide.metric_registry import Metric
from abl.decide.score_intervals import LEVEL

# about which two arms are taken to lie, and the chance of telling them apart
VALUE, POWER = 0.8, 0.8
CORRELATION = 0.5  # of two arms over samples of patients; networks trained alike have more
# standard deviation between networks of one recipe, beyond what their patients explain: of the
# two-step sweep of docs/results/two_step.md
TRAINING_SD = {"sen": 0.05, "spe": 0.05, "f1": 0.023, "auc": 0.004}
OTHER_SD = 0.023  # of a metric that was not measured


def detectable_difference(
    metric: Metric, benign: float, malignant: float, *, splits: int = 1, seeds: int = 1
) -> float:
    """Smallest difference of two arms that is found with a power of 80 %, both arms near 0.8.

    With one seed, or less than three trainings of an arm, of the trained networks; otherwise of
    recipes, with the spread between trainings that was measured.

    Args:
        benign, malignant: Independent patients, or how many such they are worth.

    Returns:
        nan for a metric whose variance is not known before, neither of the confusion matrix nor
        AUC, and where a class that it needs has no patient.
    """
    variance = 2 * (1 - CORRELATION) * _variance(metric, benign, malignant)
    freedom = max(1.0, benign + malignant - 2.0)
    if seeds > 1 and splits * seeds > 2:
        sd = TRAINING_SD.get(metric.name, OTHER_SD)
        of_trainings = 2 * sd**2 / (splits * seeds)
        error = variance**2 / freedom + of_trainings**2 / (2 * splits * (seeds - 1))
        freedom = (variance + of_trainings) ** 2 / error
        variance += of_trainings
    quantiles = t_quantile_of_one((1 + LEVEL) / 2, freedom) + t_quantile_of_one(POWER, freedom)
    return quantiles * math.sqrt(variance)


def _variance(metric: Metric, benign: float, malignant: float) -> float:
    if metric.name == "auc":
        return _auc_variance(benign, malignant)
    if metric.of_confusion is None:
        return math.nan
    images = np.array([[benign], [malignant]], dtype=np.float64)
    share = np.array([[VALUE, 1 - VALUE], [1 - VALUE, VALUE]])
    counts = images * share
    if math.isnan(float(metric.of_confusion(counts))):
        return math.nan
    slope = gradient(metric, counts)
    each = (share * slope**2).sum(axis=1) - (share * slope).sum(axis=1) ** 2
    return float((images[:, 0] * each).sum())


def _auc_variance(benign: float, malignant: float) -> float:
    """Source: Hanley, McNeil, Radiology 1982."""
    if benign < 1 or malignant < 1:
        return math.nan
    q1, q2 = VALUE / (2 - VALUE), 2 * VALUE**2 / (1 + VALUE)
    square = VALUE**2
    variance = VALUE - square + (malignant - 1) * (q1 - square) + (benign - 1) * (q2 - square)
    return variance / (benign * malignant)
