"""Functions of sums over images, and their intervals over resamples of patients."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from abl.decide.check import Floats
from abl.decide.intervals import LEVEL, Interval
from abl.decide.resampling import draw_counts

LEAST_PATIENTS = 10  # below, a bootstrap over them is far too short: no ends
_BLOCK = 8_000_000  # numbers that are held at once
OfSums = Callable[[Floats], Floats]


@lru_cache(maxsize=1)
def _draws(groups: int, resamples: int) -> Floats:
    """(B, groups) how often each patient is drawn: the same for all pairs of readers."""
    weights = draw_counts(groups, resamples, np.random.default_rng([0, groups]))
    weights.flags.writeable = False
    return weights


def resampled_interval(
    of_sums: OfSums, sums: Floats, patients: ArrayLike | None, resamples: int
) -> Interval:
    """A function of sums over images, and its ends over resamples of patients, of LEAST_PATIENTS at
    least.

    Args:
        of_sums: (B, S) sums -> (B,) values.
        sums: (N, S) what each image adds.
    """
    images = len(sums)
    names = np.arange(images) if patients is None else np.asarray(patients).astype(str)
    groups, code = np.unique(names, return_inverse=True)
    by_patient = np.zeros((len(groups), sums.shape[1]))
    np.add.at(by_patient, code, sums)
    weights = _draws(len(groups), resamples)
    estimate = float(of_sums(sums.sum(axis=0, keepdims=True))[0])
    step = max(1, _BLOCK // sums.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may hold one class
        parts = [of_sums(weights[at : at + step] @ by_patient) for at in range(0, resamples, step)]
    drawn = np.concatenate(parts)
    drawn = drawn[~np.isnan(drawn)]
    if not drawn.size or math.isnan(estimate) or len(groups) < LEAST_PATIENTS:
        return Interval(estimate, math.nan, math.nan)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(estimate, float(low), float(high))
