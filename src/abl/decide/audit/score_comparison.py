"""Scores of one set of labels side by side: how early each finds the labels known to be wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy

from abl.decide.check import Bools, Floats
from abl.decide.ranking import average_precision

DRAWS = 200


def compared_scores(
    scores: Mapping[str, Floats],
    patients: np.ndarray,
    wrong_label: Bools | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """One row a score: score, images, average_precision, low, high, chance, rank_correlation.

    All are compared on the images of which each knows something. Average precision is of the order
    in which a score looks at images, ties at random; low and high hold 95 % of `draws` samples of
    patients; chance is that of a random order; all nan where no wrong labels are known. The rank
    correlation (Spearman) is with the first score, ties at their mean rank.

    Args:
        scores: Name -> (N,), higher: look first; nan: not known.
        patients: (N,) names.
        wrong_label: (N,) bool, where that is known.
    """
    names = list(scores)
    values = np.column_stack([scores[name] for name in names])
    known = ~np.isnan(values).any(axis=1)
    values = values[known]
    wrong = None if wrong_label is None else wrong_label[known]
    found = {"score": names, "images": int(known.sum())}
    table = pd.DataFrame(found).assign(
        average_precision=math.nan, low=math.nan, high=math.nan, chance=math.nan
    )
    if wrong is not None and wrong.any() and not wrong.all():
        weights = _samples(patients[known], draws, seed)
        # a sample without wrong labels has no precision
        weights = [each for each in weights if each[wrong].sum() > 0]
        for at in range(len(names)):
            of_samples = [average_precision(wrong, values[:, at], each) for each in weights]
            ends = np.quantile(of_samples, [0.025, 0.975]) if weights else (math.nan, math.nan)
            row = (average_precision(wrong, values[:, at]), *ends, float(wrong.mean()))
            table.loc[at, ["average_precision", "low", "high", "chance"]] = row
    table["rank_correlation"] = [_rank_correlation(values[:, 0], each) for each in values.T]
    return table


def _samples(patients: np.ndarray, draws: int, seed: int) -> list[Floats]:
    """(N,) weights of each bootstrap sample of patients."""
    of_patient = np.unique(patients, return_inverse=True)[1]
    count = int(of_patient.max()) + 1
    rng = np.random.default_rng([seed, count])
    return [
        np.bincount(rng.integers(0, count, count), minlength=count)[of_patient].astype(np.float64)
        for _ in range(draws)
    ]


def _rank_correlation(first: Floats, second: Floats) -> float:
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return math.nan
    return float(scipy.stats.spearmanr(first, second).statistic)
