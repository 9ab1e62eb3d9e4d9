"""How far readers agree beyond chance, with intervals by patients.

Every coefficient is a function of sums over images, so that a resample of patients is one product
of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from abl.decide.check import Floats
from abl.decide.intervals import LEVEL, RESAMPLES, Interval
from abl.decide.readers.answer_tables import (
    NO_CODE,
    Missing,
    answer_codes,
    checked_missing,
    patient_names,
)
from abl.decide.replicates import draw_counts
from abl.errors import InputError, nearest

AlphaLevel = Literal["nominal", "ordinal", "interval", "ratio"]
ALPHA_LEVELS: tuple[AlphaLevel, ...] = get_args(AlphaLevel)
MOST_LEVELS = 128  # distinct ratings of an alpha whose pairs of values are counted
# Landis, Koch, Biometrics 33, 1977; ends belong to the lower band
BANDS = ((0.0, "poor"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))
_BLOCK = 8_000_000  # numbers that are held at once
OfSums = Callable[[Floats], Floats]


def agreement_band(value: float) -> str:
    """The word for a coefficient; "" of one that is undefined."""
    if math.isnan(value):
        return ""
    # 0.6 of a division is 0.6000000000000001, and yet it is 0.6
    return next((word for most, word in BANDS if round(value, 12) <= most), "almost perfect")


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    missing: Missing = "refuse",
) -> Interval:
    """Cohen's kappa of two readers, (N,) class of each image, with a bootstrap over patients.

    Cohen (Educ. Psychol. Meas. 20, 1960).

    Args:
        missing: What becomes of images that a reader gave no answer on: "refuse" them, or "drop".

    Raises:
        InputError: As fleiss_kappa_interval.
    """
    checked_missing(missing, "refuse", "drop")
    one, other = np.array(first, dtype=object), np.array(second, dtype=object)
    if one.shape != other.shape:
        raise InputError(f"ratings: {len(one)} and {len(other)} answers of two readers")
    codes, names = answer_codes(np.column_stack([one, other]), patients, missing)
    count = int(codes.max()) + 1
    pairs = np.zeros((len(codes), count * count))
    pairs[np.arange(len(codes)), codes[:, 0] * count + codes[:, 1]] = 1

    def kappa(sums: Floats) -> Floats:
        table = sums.reshape(-1, count, count)
        total = table.sum(axis=(1, 2))
        agreed = np.trace(table, axis1=1, axis2=2) / total
        chance = (table.sum(axis=1) * table.sum(axis=2)).sum(axis=1) / total**2
        return _beyond(agreed, chance)

    return _resampled(kappa, pairs, names, resamples)


def fleiss_kappa_interval(
    ratings: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    missing: Missing = "refuse",
) -> Interval:
    """Fleiss' kappa of several readers, (N, readers) classes, with a bootstrap over patients.

    Fleiss (Psychol. Bull. 76, 1971); with gaps that are kept as Gwet ("Handbook of inter-rater
    reliability", 2014, chapter 2). An answer that is missing (None, nan, empty text, the texts NA
    and nan in any case) is none of the classes.

    Args:
        missing: What becomes of images that not every reader answered: "refuse" them, "drop", or
            "keep" the answers that are there.

    Raises:
        InputError: No table of two readers or more; missing answers, which are counted by reader;
            none left; infinite ones; patients without a name; another `missing`.
    """
    checked_missing(missing, "refuse", "drop", "keep")
    counts, names = _counts(ratings, patients, missing)
    return _resampled(lambda sums: _beyond(*_fleiss(sums)), _gwet_sums(counts), names, resamples)


def gwet_ac1(
    ratings: ArrayLike, *, patients: ArrayLike | None = None, resamples: int = RESAMPLES
) -> Interval:
    """Gwet's AC1 of several readers, (N, readers) classes; answers that are missing stay so.

    Gwet (Br. J. Math. Stat. Psychol. 61, 2008). Where nearly all answers are one class, kappa falls
    and this does not.

    Raises:
        InputError: As fleiss_kappa_interval.
    """
    counts, names = _counts(ratings, patients, "keep")

    def ac1(sums: Floats) -> Floats:
        agreed, chance = _fleiss(sums)
        classes = counts.shape[1]
        if classes < 2:
            return np.full(len(sums), math.nan)
        return _beyond(agreed, (1 - chance) / (classes - 1))

    return _resampled(ac1, _gwet_sums(counts), names, resamples)


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
    return _resampled(of_sums, sums, kept, resamples)


def _interval_alpha(given: Floats, there: np.ndarray) -> tuple[Floats, OfSums]:
    """By moments, whatever the number of distinct values."""
    values = np.where(there, given - given[there].mean(), 0.0)
    count = there.sum(axis=1)
    first, second = values.sum(axis=1), (values**2).sum(axis=1)
    within = 2 * (count * second - first**2) / (count - 1)

    def alpha(sums: Floats) -> Floats:
        apart, total, one, two = sums.T
        expected = 2 * (total * two - one**2) / (total - 1)
        return 1 - _divided(apart, expected)

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
        return 1 - _divided(apart, expected)

    return pairs.reshape(len(given), -1), alpha


def _distance(levels: Floats, margin: Floats, level: AlphaLevel) -> Floats:
    """(B or 1, K, K) squared distances of values."""
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(len(levels)), (len(margin), *2 * levels.shape))
    if level == "ordinal":
        middle = np.cumsum(margin, axis=1) - margin / 2  # rank of each value's middle answer
        return (middle[:, :, None] - middle[:, None, :]) ** 2
    sums = levels[:, None] + levels[None, :]
    ratio = _divided(levels[:, None] - levels[None, :], np.where(sums == 0, 1.0, sums)) ** 2
    return np.broadcast_to(ratio, (len(margin), *ratio.shape))


def _counts(
    ratings: ArrayLike, patients: ArrayLike | None, missing: Missing
) -> tuple[Floats, ArrayLike | None]:
    """(N, K) how many readers named each class."""
    codes, names = answer_codes(ratings, patients, missing)
    counts = np.zeros((len(codes), int(codes.max()) + 1))
    rows, columns = np.nonzero(codes != NO_CODE)
    np.add.at(counts, (rows, codes[rows, columns]), 1)
    return counts, names


def _gwet_sums(counts: Floats) -> Floats:
    """(N, 3 + K) agreement of pairs and 1 where there are two answers; 1 and shares where any."""
    answers = counts.sum(axis=1)
    paired, any_answer = answers > 1, answers > 0
    agreed = (counts * (counts - 1)).sum(axis=1) / np.where(paired, answers * (answers - 1), 1)
    shares = counts / np.where(any_answer, answers, 1)[:, None]
    return np.column_stack([np.where(paired, agreed, 0), paired, any_answer, shares])


def _fleiss(sums: Floats) -> tuple[Floats, Floats]:
    """Share of pairs that agree, and by chance."""
    agreed = _divided(sums[:, 0], sums[:, 1])
    shares = _divided(sums[:, 3:], sums[:, 2:3])
    return agreed, (shares**2).sum(axis=1)


def _beyond(agreed: Floats, chance: Floats) -> Floats:
    # where chance is certain to agree, nothing is known beyond it
    return _divided(agreed - chance, np.where(chance > 1 - 1e-12, 0.0, 1 - chance))


def _divided(one: Floats, other: Floats) -> Floats:
    """nan where the other is 0."""
    one, other = np.broadcast_arrays(one, other)
    result: Floats = np.divide(one, other, out=np.full(one.shape, math.nan), where=other != 0)
    return result


def _resampled(
    of_sums: OfSums, sums: Floats, patients: ArrayLike | None, resamples: int
) -> Interval:
    """A function of sums over images, and its ends over resamples of patients.

    Args:
        of_sums: (B, S) sums -> (B,) values.
        sums: (N, S) what each image adds.
    """
    images = len(sums)
    names = np.arange(images) if patients is None else np.asarray(patients).astype(str)
    groups, code = np.unique(names, return_inverse=True)
    by_patient = np.zeros((len(groups), sums.shape[1]))
    np.add.at(by_patient, code, sums)
    weights = draw_counts(len(groups), resamples, np.random.default_rng([0, len(groups)]))
    estimate = float(of_sums(sums.sum(axis=0, keepdims=True))[0])
    step = max(1, _BLOCK // sums.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may hold one class
        parts = [of_sums(weights[at : at + step] @ by_patient) for at in range(0, resamples, step)]
    drawn = np.concatenate(parts)
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.full(2, math.nan)
    if drawn.size and not math.isnan(estimate):
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(estimate, float(low), float(high))
