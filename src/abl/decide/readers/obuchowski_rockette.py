"""Treatments compared over several readers and cases by Obuchowski and Rockette's model.

Obuchowski, Rockette (Commun. Stat. Simul. Comput. 24, 1995), with the degrees of freedom of Hillis
(Stat. Med. 26, 2007, 596-619; readers or cases nested: Stat. Med. 33, 2014, 330-360). The values of
readers are an analysis of variance of treatment x reader whose errors are correlated, as the cases
are the same; variance and covariances of the errors come from the cases themselves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import scipy

from abl.decide.check import Floats
from abl.decide.readers.contrasts import (
    NO_SPREAD,
    NO_VARIANCE,
    ONE_READER,
    MeanScale,
    ReaderContrast,
    contrast,
)
from abl.decide.readers.variance_terms import (
    ErrorTerms,
    MeanSquares,
    error_terms,
    mean_squares,
    sum_of_squares,
)
from abl.errors import InputError, nearest

Effects = Literal["random", "fixed_readers", "fixed_cases"]
EFFECTS: tuple[Effects, ...] = get_args(Effects)


@dataclass(frozen=True)
class TreatmentTest:
    """Test of the hypothesis that all treatments are equal.

    Attributes:
        kind: F or chi2.
        value: nan where undefined.
        df1, df2: Degrees of freedom; df2 is inf of chi2.
        why: Why there is no test, "" if there is one.
    """

    kind: Literal["F", "chi2"]
    value: float
    df1: float
    df2: float
    p: float
    why: str = ""


@dataclass(frozen=True)
class ReaderAnalysis:
    """What the readers' values say of the treatments.

    Attributes:
        effects: What is random: readers and cases, cases alone (fixed_readers), or readers alone
            (fixed_cases).
        treatments: Mean over readers of each, with an interval by its own values.
        test: Of all treatments.
        differences: First minus second of each pair of treatments.
        squares, errors: What they are computed from.
    """

    effects: Effects
    treatments: tuple[ReaderContrast, ...]
    test: TreatmentTest
    differences: tuple[ReaderContrast, ...]
    squares: MeanSquares
    errors: ErrorTerms


def obuchowski_rockette(
    values: Floats,
    covariance: Floats,
    treatments: Sequence[str],
    effects: Effects = "random",
    scale: MeanScale = "logit",
) -> ReaderAnalysis:
    """Compares treatments that the same readers read.

    Cases may be the same in all treatments and for all readers; where two values share no case,
    their covariance is 0.

    Args:
        values: (I, J) value of each treatment and reader.
        covariance: (I, J, I, J) of the values over samples of cases.
        treatments: I names.
        scale: Of the intervals of treatments' means; differences are on the plain one.

    Raises:
        InputError: Shapes that do not fit; unknown effects.
    """
    if effects not in EFFECTS:
        raise InputError(f"effects: '{effects}' is not known: {nearest(effects, EFFECTS)}")
    if values.ndim != 2 or covariance.shape != values.shape * 2 or len(treatments) != len(values):
        raise InputError(
            f"values of shape {values.shape}, covariance of shape {covariance.shape} and "
            f"{len(treatments)} treatments do not fit"
        )
    squares, errors = mean_squares(values), error_terms(covariance)
    means = tuple(
        one_treatment(name, values[at], covariance[at, :, at, :], effects, scale=scale)
        for at, name in enumerate(treatments)
    )
    count, readers = values.shape
    why = "" if count > 1 else "one treatment has nothing to be compared with"
    if not why and readers == 1 and effects != "fixed_readers":
        why = ONE_READER
    if why:
        nothing = TreatmentTest(_kind(effects), math.nan, math.nan, math.nan, math.nan, why)
        apart = _undefined_pairs(values.mean(axis=1), treatments, why)
        return ReaderAnalysis(effects, means, nothing, apart, squares, errors)
    denominator, df2 = _denominator(squares, errors, count, readers, effects)
    differences = tuple(
        contrast(
            f"{treatments[one]} - {treatments[other]}",
            float(values[one].mean() - values[other].mean()),
            2 / readers * denominator,
            df2,
            tested=True,
        )
        for one, other in itertools.combinations(range(count), 2)
    )
    test = _test(squares.treatment, denominator, count - 1, df2, effects)
    return ReaderAnalysis(effects, means, test, differences, squares, errors)


def one_treatment(
    name: str,
    values: Floats,
    covariance: Floats,
    effects: Effects,
    *,
    tested: bool = False,
    scale: MeanScale | None = None,
) -> ReaderContrast:
    """Mean of readers' values, or of their differences, in one treatment.

    Args:
        values: (J,).
        covariance: (J, J) over samples of cases.
        tested: Whether a mean of 0 is a hypothesis.
        scale: Of the interval of a mean of values; None: of differences.
    """
    readers = len(values)
    mean = float(values.mean())
    if effects == "fixed_readers":
        total = float(covariance.sum()) / readers**2
        return contrast(name, mean, total, math.inf, tested=tested, scale=scale)
    if readers == 1:
        return ReaderContrast(name, mean, why=ONE_READER)
    square = sum_of_squares(values) / (readers - 1)
    cov2 = (float(covariance.sum()) - float(np.trace(covariance))) / (readers * (readers - 1))
    extra = readers * max(cov2, 0.0) if effects == "random" else 0.0
    df = _hillis_df(square, extra, readers - 1)
    return contrast(name, mean, (square + extra) / readers, df, tested=tested, scale=scale)


def _denominator(
    squares: MeanSquares, errors: ErrorTerms, treatments: int, readers: int, effects: Effects
) -> tuple[float, float]:
    """Mean square that a treatment's is held against, and its degrees of freedom."""
    between = max(errors.cov2 - errors.cov3, 0.0) if readers > 1 else 0.0
    if effects == "fixed_readers":
        return errors.var - errors.cov1 + (readers - 1) * between, math.inf
    square = squares.treatment_reader
    extra = readers * between if effects == "random" else 0.0
    return square + extra, _hillis_df(square, extra, (treatments - 1) * (readers - 1))


def _hillis_df(square: float, extra: float, df: float) -> float:
    """Degrees of freedom of a mean square with a covariance added; inf where the latter is all."""
    if square <= NO_VARIANCE:
        return math.inf if extra > NO_VARIANCE else math.nan
    return df * ((square + extra) / square) ** 2


def _test(
    square: float, denominator: float, df1: int, df2: float, effects: Effects
) -> TreatmentTest:
    kind = _kind(effects)
    if not denominator > NO_VARIANCE:
        return TreatmentTest(kind, math.nan, df1, math.nan, math.nan, NO_SPREAD)
    value = square / denominator
    if kind == "chi2":
        return TreatmentTest(
            kind, df1 * value, df1, math.inf, float(scipy.stats.chi2.sf(df1 * value, df1))
        )
    if math.isinf(df2):
        return TreatmentTest(kind, value, df1, df2, float(scipy.stats.chi2.sf(df1 * value, df1)))
    return TreatmentTest(kind, value, df1, df2, float(scipy.stats.f.sf(value, df1, df2)))


def _kind(effects: Effects) -> Literal["F", "chi2"]:
    return "chi2" if effects == "fixed_readers" else "F"


def _undefined_pairs(
    means: Floats, treatments: Sequence[str], why: str
) -> tuple[ReaderContrast, ...]:
    return tuple(
        ReaderContrast(
            f"{treatments[one]} - {treatments[other]}", float(means[one] - means[other]), why=why
        )
        for one, other in itertools.combinations(range(len(treatments)), 2)
    )
