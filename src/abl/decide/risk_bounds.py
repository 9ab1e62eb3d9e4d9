"""How sure losses make it that their mean is below a level: P values without a model of them."""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import ArrayLike

from abl.decide.check import Floats

# what summing means of patients leaves of whole numbers
_DIGITS = 9


def risk_p_value(total: ArrayLike, patients: ArrayLike, level: float, *, binary: bool) -> Floats:
    """P of so small a sum of losses in [0, 1] if their mean is above the level.

    Binary losses have the binomial distribution; others the smaller of Hoeffding's and Bentkus'
    bounds (Bates, Angelopoulos, Lei, Malik, Jordan, "Distribution-free, risk-controlling prediction
    sets", J. ACM 2021, section 3.1).

    Args:
        total, patients: (T,) sums of losses and how many.
        binary: Whether each loss is 0 or 1.

    Returns:
        (T,) float64; 1 where there is no patient.
    """
    lost = np.asarray(total, dtype=np.float64)
    count = np.asarray(patients, dtype=np.float64)
    binomial = scipy.stats.binom.cdf(np.ceil(np.round(lost, _DIGITS)), count, level)
    if binary:
        return np.where(count > 0, binomial, 1.0)
    mean = np.minimum(np.divide(lost, count, out=np.ones_like(lost), where=count > 0), level)
    # relative entropy of the mean to the level
    entropy = scipy.special.rel_entr(mean, level) + scipy.special.rel_entr(1 - mean, 1 - level)
    bound = np.minimum(np.exp(-count * entropy), math.e * binomial)
    return np.where(count > 0, np.minimum(bound, 1.0), 1.0)


def fewest_patients(level: float, alpha: float, errors: int = 0, *, binary: bool = True) -> int:
    """How many patients, so many of them in error, have a P of at most alpha."""

    def enough(count: int) -> bool:
        return bool(risk_p_value([errors], [count], level, binary=binary)[0] <= alpha)

    few, many = 0, errors + 1
    while not enough(many):
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many
