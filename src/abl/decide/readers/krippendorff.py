"""Krippendorff's alpha, with gaps, at any level of measurement."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from abl.decide.check import Floats
from abl.decide.confusion import divided
from abl.decide.intervals import RESAMPLES, Interval
from abl.decide.readers.answer_tables import patient_names
from abl.decide.readers.resampled_sums import OfSums, resampled_interval
from abl.errors import InputError, nearest

AlphaLevel = Literal["nominal", "ordinal", "interval", "ratio"]
ALPHA_LEVELS: tuple[AlphaLevel, ...] = get_args(AlphaLevel)
MOST_LEVELS = 128  # distinct ratings of an alpha whose pairs of values are counted


def krippendorff_alpha(
    ratings: ArrayLike,
    level: AlphaLevel = "nominal",
    *,
    patients: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> Interval:
    """Krippendorff's alpha of (N, readers) numbers; nan is a missing answer.

    Krippendorff ("Computing Krippendorff's alpha-reliability", 2011). Images with fewer than two
    answers say nothing. It is nan where all answers are one, and of ordinal and ratio where there
    are more than MOST_LEVELS distinct ones.

    Raises:
        InputError: No table of two readers or more, an unknown level, ratios of negative numbers,
            patients without a name.
    """
    if level not in ALPHA_LEVELS:
        raise InputError(f"alpha: '{level}' is not known: {nearest(level, ALPHA_LEVELS)}")
    given = np.asarray(ratings, dtype=np.float64)
    if given.ndim != 2 or given.shape[1] < 2 or not len(given):
        raise InputError(f"ratings: shape {given.shape}, not (images, readers >= 2)")
    if level == "ratio" and (given < 0).any():
        raise InputError("alpha: negative numbers have no ratio: ask for interval")
    names = None if patients is None else patient_names(patients)
    there = ~np.isnan(given)
    paired = there.sum(axis=1) > 1
    given, there = given[paired], there[paired]
    kept = names if names is None else names[paired]
    levels = np.unique(given[there])
    if len(levels) < 2 or (level != "interval" and len(levels) > MOST_LEVELS):
        return Interval(math.nan, math.nan, math.nan)
    sums, of_sums = (
        _interval_alpha(given, there)
        if level == "interval"
        else _paired_alpha(given, there, levels, level)
    )
    return resampled_interval(of_sums, sums, kept, resamples)


def _interval_alpha(given: Floats, there: np.ndarray) -> tuple[Floats, OfSums]:
    """By moments, whatever the number of distinct values."""
    values = np.where(there, given - given[there].mean(), 0.0)
    count = there.sum(axis=1)
    first, second = values.sum(axis=1), (values**2).sum(axis=1)
    within = 2 * (count * second - first**2) / (count - 1)

    def alpha(sums: Floats) -> Floats:
        apart, total, one, two = sums.T
        expected = 2 * (total * two - one**2) / (total - 1)
        return 1 - divided(apart, expected)

    return np.column_stack([within, count, first, second]), alpha


def _paired_alpha(
    given: Floats, there: np.ndarray, levels: Floats, level: AlphaLevel
) -> tuple[Floats, OfSums]:
    """By coincidences of values (images, K * K) and the distance of each two of these."""
    size = len(levels)
    counts = np.zeros((len(given), size))
    rows, columns = np.nonzero(there)
    np.add.at(counts, (rows, np.searchsorted(levels, given[rows, columns])), 1)
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs[:, np.arange(size), np.arange(size)] -= counts
    pairs /= (counts.sum(axis=1) - 1)[:, None, None]

    def alpha(sums: Floats) -> Floats:
        together = sums.reshape(-1, size, size)
        margin = together.sum(axis=1)
        total = margin.sum(axis=1)
        distance = _distance(levels, margin, level)
        apart = (together * distance).sum(axis=(1, 2))
        expected = np.einsum("bk,bkl,bl->b", margin, distance, margin) / (total - 1)
        return 1 - divided(apart, expected)

    return pairs.reshape(len(given), -1), alpha


def _distance(levels: Floats, margin: Floats, level: AlphaLevel) -> Floats:
    """(B or 1, K, K) squared distances of values."""
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(len(levels)), (len(margin), *2 * levels.shape))
    if level == "ordinal":
        middle = np.cumsum(margin, axis=1) - margin / 2  # rank of each value's middle answer
        return (middle[:, :, None] - middle[:, None, :]) ** 2
    sums = levels[:, None] + levels[None, :]
    ratio = divided(levels[:, None] - levels[None, :], np.where(sums == 0, 1.0, sums)) ** 2
    return np.broadcast_to(ratio, (len(margin), *ratio.shape))
