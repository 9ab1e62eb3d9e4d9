"""How far readers agree beyond chance, with intervals by patients.

Every coefficient is a function of sums over images, so that a resample of patients is one product
of matrices.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from abl.decide.check import Floats
from abl.decide.confusion import divided
from abl.decide.intervals import RESAMPLES, Interval
from abl.decide.readers.answer_tables import (
    NO_CODE,
    Missing,
    answer_codes,
    checked_missing,
)
from abl.decide.readers.resampled_sums import resampled_interval
from abl.errors import InputError, nearest

KappaWeights = Literal["linear", "quadratic"]
KAPPA_WEIGHTS: tuple[KappaWeights, ...] = get_args(KappaWeights)
# Landis, Koch, Biometrics 33, 1977; ends belong to the lower band
BANDS = ((0.0, "poor"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))


def agreement_band(value: float) -> str:
    """The word for a coefficient with three decimals, as it is printed; "" of an undefined one."""
    if math.isnan(value):
        return ""
    return next((word for most, word in BANDS if round(value, 3) <= most), "almost perfect")


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

    return resampled_interval(kappa, pairs, names, resamples)


def weighted_kappa(
    first: ArrayLike,
    second: ArrayLike,
    weights: KappaWeights = "quadratic",
    *,
    patients: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> Interval:
    """Cohen's kappa of classes that have an order, weighted by their distance.

    1 - (sum of weight x share seen) / (sum of weight x share by chance), the weight of classes i
    and j |i - j| or its square (Cohen, Psychol. Bull. 70, 1968). Of two classes it is cohen_kappa.

    Args:
        first, second: (N,) position of the class that each reader named, 0, 1, ...; none missing.

    Raises:
        InputError: Unknown weights, different lengths, no image, or other numbers.
    """
    if weights not in KAPPA_WEIGHTS:
        raise InputError(f"weights: '{weights}' is not known: {nearest(weights, KAPPA_WEIGHTS)}")
    one, other = (np.asarray(each, dtype=np.float64) for each in (first, second))
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        raise InputError(f"ratings: {one.size} and {other.size} answers of two readers")
    both = np.column_stack([one, other])
    if not (np.isfinite(both) & (both >= 0) & (both == np.floor(both))).all():
        raise InputError("ratings: positions of ordered classes are whole numbers from 0 on")
    codes = both.astype(np.int64)
    count = int(codes.max()) + 1
    pairs = np.zeros((len(codes), count * count))
    pairs[np.arange(len(codes)), codes[:, 0] * count + codes[:, 1]] = 1
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count))).astype(np.float64)
    distance = apart if weights == "linear" else apart**2

    def kappa(sums: Floats) -> Floats:
        table = sums.reshape(-1, count, count)
        seen = (table * distance).sum(axis=(1, 2)) * table.sum(axis=(1, 2))
        rows, columns = table.sum(axis=2), table.sum(axis=1)
        return 1 - divided(seen, np.einsum("bi,ij,bj->b", rows, distance, columns))

    return resampled_interval(kappa, pairs, patients, resamples)


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
    return resampled_interval(
        lambda sums: _beyond(*_fleiss(sums)), _gwet_sums(counts), names, resamples
    )


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

    return resampled_interval(ac1, _gwet_sums(counts), names, resamples)


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
    agreed = divided(sums[:, 0], sums[:, 1])
    shares = divided(sums[:, 3:], sums[:, 2:3])
    return agreed, (shares**2).sum(axis=1)


def _beyond(agreed: Floats, chance: Floats) -> Floats:
    # where chance is certain to agree, nothing is known beyond it
    return divided(agreed - chance, np.where(chance > 1 - 1e-12, 0.0, 1 - chance))
