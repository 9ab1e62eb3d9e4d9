"""Test of cross-validated means, whose training sets overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from abl.decide.cells import split_means
from abl.errors import InputError


@dataclass(frozen=True)
class CorrectedT:
    """Corrected resampled t-test.

    Attributes:
        difference: Mean over the J distinct (repeat, fold), seeds averaged first.
        t, df, p: nan if J < 2.
        low, high: Interval of the difference.
    """

    difference: float
    t: float
    df: int
    p: float
    low: float
    high: float


def corrected_resampled_t(
    differences: pd.DataFrame, *, train_patients: float, test_patients: float, level: float = 0.95
) -> CorrectedT:
    """t-test with the variance factor 1/J + n_test/n_train.

    Source: Nadeau, Bengio, Machine Learning 2003; Bouckaert, Frank 2004. Sizes are in patients.

    Args:
        differences: Columns repeat, fold, seed, value (arm - base); nan values are left out.
        train_patients, test_patients: Mean sizes of the parts of a split.

    Raises:
        InputError: Sizes that are not positive.
    """
    if not (train_patients > 0 and test_patients > 0):
        raise InputError(f"patients: train {train_patients}, test {test_patients}: not positive")
    means = split_means(differences).to_numpy(dtype=np.float64)
    j = len(means)
    mean = float(means.mean()) if j else math.nan
    if j < 2:
        return CorrectedT(mean, math.nan, max(j - 1, 0), math.nan, math.nan, math.nan)
    variance = float(means.var(ddof=1))
    error = math.sqrt((1 / j + test_patients / train_patients) * variance)
    if error == 0:
        p = 1.0 if mean == 0 else 0.0
        t = 0.0 if mean == 0 else math.copysign(math.inf, mean)
        return CorrectedT(mean, t, j - 1, p, mean, mean)
    t = mean / error
    half = float(stats.t.ppf((1 + level) / 2, j - 1)) * error
    return CorrectedT(
        mean, t, j - 1, float(2 * stats.t.sf(abs(t), j - 1)), mean - half, mean + half
    )
