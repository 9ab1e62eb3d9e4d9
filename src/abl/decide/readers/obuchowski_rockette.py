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
from typing import Literal

import numpy as np
import scipy

from abl.decide.check import Floats
from abl.decide.readers.contrasts import (
    NO_VARIANCE,
    ONE_READER,
    MeanScale,
    ReaderContrast,
    contrast,
)
from abl.decide.readers.error_squares import (
    EFFECTS,
    NO_SPREAD_OF,
    Effects,
    ErrorSquare,
    error_square,
)
from abl.decide.readers.variance_terms import (
    ErrorTerms,
    MeanSquares,
    error_terms,
    mean_squares,
    sum_of_squares,
)
from abl.errors import InputError, nearest


@dataclass(frozen=True)
class TreatmentTest:
    """Test of the hypothesis that all treatments are equal.

    Attributes:
        kind: F or chi2.
        value: nan where undefined.
        df1, df2: Degrees of freedom; df2 is inf of chi2.
        why: Why there is no test, "" if there is one.
        floored: As ReaderContrast.
    """

    kind: Literal["F", "chi2"]
    value: float
    df1: float
    df2: float
    p: float
    why: str = ""
    floored: bool = False


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
    error = _error(squares, errors, count, readers, effects)
    differences = tuple(
        contrast(
            f"{treatments[one]} - {treatments[other]}",
            float(values[one].mean() - values[other].mean()),
            2 / readers * error.square,
            error.df,
            tested=True,
            no_spread=NO_SPREAD_OF[effects],
            floored=error.floored,
        )
        for one, other in itertools.combinations(range(count), 2)
    )
    test = tested_square(squares.treatment, error, count - 1, effects)
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
    cov2 = (float(covariance.sum()) - float(np.trace(covariance))) / (readers * (readers - 1))
    shared = max(cov2, 0.0)
    own = float(np.trace(covariance)) / readers - shared
    square = sum_of_squares(values) / (readers - 1)
    error = error_square(square, readers * shared, own, readers - 1, effects)
    return contrast(
        name, mean, error.square / readers, error.df, tested=tested, scale=scale,
        no_spread=NO_SPREAD_OF[effects], floored=error.floored,
    )  # fmt: skip


def _error(
    squares: MeanSquares, errors: ErrorTerms, treatments: int, readers: int, effects: Effects
) -> ErrorSquare:
    """What a treatment's mean square is held against."""
    between = max(errors.cov2 - errors.cov3, 0.0) if readers > 1 else 0.0
    own = errors.var - errors.cov1 - between
    if effects == "fixed_readers":
        return ErrorSquare(own + readers * between, math.inf)
    df = (treatments - 1) * (readers - 1)
    return error_square(squares.treatment_reader, readers * between, own, df, effects)


def tested_square(square: float, error: ErrorSquare, df1: int, effects: Effects) -> TreatmentTest:
    """The test of a treatments' mean square."""
    kind = _kind(effects)
    if not error.square > NO_VARIANCE:
        return TreatmentTest(kind, math.nan, df1, math.nan, math.nan, NO_SPREAD_OF[effects])
    value = square / error.square
    p = float(
        scipy.stats.chi2.sf(df1 * value, df1)
        if math.isinf(error.df)
        else scipy.stats.f.sf(value, df1, error.df)
    )
    shown = df1 * value if kind == "chi2" else value
    return TreatmentTest(kind, shown, df1, error.df, p, floored=error.floored)


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
