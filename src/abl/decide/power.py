"""What difference a test set can show, before anything is trained."""

from __future__ import annotations

import math

from scipy import stats

from abl.errors import InputError


def auc_half_width(benign: int, malignant: int, *, auc: float = 0.8, level: float = 0.95) -> float:
    """Half-width of the interval of an AUC with so many patients of each class.

    Source: Hanley, McNeil, Radiology 1982. nan if a class has no patient.
    """
    return float(stats.norm.ppf((1 + level) / 2)) * _auc_error(benign, malignant, auc)


def detectable_difference(
    benign: int,
    malignant: int,
    *,
    auc: float = 0.8,
    correlation: float = 0.5,
    power: float = 0.8,
    level: float = 0.95,
) -> float:
    """Smallest difference of two paired AUCs found with this power.

    Args:
        benign, malignant: Test patients.
        auc: About which both lie.
        correlation: Of the two AUCs over samples of patients; networks trained alike have more.
        power: Chance of finding it.
        level: 1 - level is the two-sided error.

    Raises:
        InputError: correlation or power outside [0, 1).
    """
    if not (0 <= correlation < 1 and 0 < power < 1):
        raise InputError(f"correlation {correlation}, power {power}: both lie in [0, 1)")
    quantiles = float(stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(power))
    return quantiles * math.sqrt(2 * (1 - correlation)) * _auc_error(benign, malignant, auc)


def _auc_error(benign: int, malignant: int, auc: float) -> float:
    if not 0.5 <= auc < 1:
        raise InputError(f"auc: {auc} is outside [0.5, 1)")
    if benign < 1 or malignant < 1:
        return math.nan
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (malignant - 1) * (q1 - auc**2) + (benign - 1) * (q2 - auc**2)
    return math.sqrt(variance / (benign * malignant))
