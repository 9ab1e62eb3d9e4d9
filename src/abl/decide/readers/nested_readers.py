"""Treatments that were each read by readers of their own.

Hillis, Stat. Med. 33, 2014, 330-360: the mean square of readers within treatments stands where that
of the interaction stands in the crossed design.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from abl.decide.check import Floats, Ints
from abl.decide.readers.contrasts import (
    ONE_READER,
    MeanScale,
    ReaderContrast,
    contrast,
)
from abl.decide.readers.error_squares import NO_SPREAD_OF, Effects, ErrorSquare, error_square
from abl.decide.readers.obuchowski_rockette import (
    ReaderAnalysis,
    TreatmentTest,
    one_treatment,
    tested_square,
)
from abl.decide.readers.variance_terms import ErrorTerms, MeanSquares


def nested_readers(
    values: Floats,
    covariance: Floats,
    treatment_of: Ints,
    treatments: Sequence[str],
    effects: Effects = "random",
    scale: MeanScale = "logit",
) -> ReaderAnalysis:
    """Compares treatments pair by pair, and all at once where they have as many readers each.

    Args:
        values: (R,) value of each reader.
        covariance: (R, R) over samples of cases.
        treatment_of: (R,) position of the treatment in which each reader read.
        treatments: Names.
        scale: Of the intervals of means.
    """
    count = len(treatments)
    members = [np.flatnonzero(treatment_of == at) for at in range(count)]
    sizes = np.array([len(each) for each in members])
    means = tuple(
        one_treatment(name, values[own], covariance[np.ix_(own, own)], effects, scale=scale)
        for name, own in zip(treatments, members, strict=True)
    )
    square, df = _reader_square(values, members)
    errors = _error_terms(covariance, members)
    between = max(errors.cov2 - errors.cov3, 0.0) if not math.isnan(errors.cov2) else 0.0
    why = ONE_READER if effects != "fixed_readers" and df == 0 else ""
    differences = []
    for one, other in itertools.combinations(range(count), 2):
        name = f"{treatments[one]} - {treatments[other]}"
        apart = float(values[members[one]].mean() - values[members[other]].mean())
        error = _error_of(
            square, df, errors, between, sizes[[one, other]], effects,
            covariance, members[one], members[other],
        )  # fmt: skip
        differences.append(
            ReaderContrast(name, apart, why=why)
            if why
            else contrast(
                name,
                apart,
                error.square,
                error.df,
                tested=True,
                no_spread=NO_SPREAD_OF[effects],
                floored=error.floored,
            )
        )
    test = _whole_test(values, members, square, df, errors, between, effects, differences, why)
    squares = MeanSquares(_treatment_square(values, members), square, math.nan)
    return ReaderAnalysis(effects, means, test, tuple(differences), squares, errors)


def _reader_square(values: Floats, members: Sequence[Ints]) -> tuple[float, int]:
    """Pooled mean square of readers within treatments, and its degrees of freedom."""
    df = sum(len(own) - 1 for own in members)
    total = sum(float(((values[own] - values[own].mean()) ** 2).sum()) for own in members)
    return (total / df if df else math.nan), df


def _treatment_square(values: Floats, members: Sequence[Ints]) -> float:
    whole = values.mean()
    total = sum(len(own) * float(values[own].mean() - whole) ** 2 for own in members)
    return total / (len(members) - 1)


def _error_terms(covariance: Floats, members: Sequence[Ints]) -> ErrorTerms:
    group = np.empty(len(covariance), dtype=np.int64)
    for at, own in enumerate(members):
        group[own] = at
    same = group[:, None] == group[None, :]
    off = ~np.eye(len(covariance), dtype=bool)
    within, across = covariance[same & off], covariance[~same]
    return ErrorTerms(
        float(np.diag(covariance).mean()),
        math.nan,  # no reader read in two treatments
        float(within.mean()) if within.size else math.nan,
        float(across.mean()) if across.size else math.nan,
    )


def _own(errors: ErrorTerms) -> float:
    """What cases alone explain of the mean square of readers."""
    return errors.var - (0.0 if math.isnan(errors.cov2) else max(errors.cov2, 0.0))


def _error_of(
    square: float, df: int, errors: ErrorTerms, between: float, sizes: Ints, effects: Effects,
    covariance: Floats, one: Ints, other: Ints,
) -> ErrorSquare:  # fmt: skip
    """Variance of a difference of two treatments, and its degrees of freedom."""
    if effects == "fixed_readers":
        weights = np.zeros(len(covariance))
        weights[one], weights[other] = 1 / len(one), -1 / len(other)
        return ErrorSquare(float(weights @ covariance @ weights), math.inf)
    each = float((1 / sizes).sum())
    return error_square(square * each, 2 * between, _own(errors) * each, df, effects)


def _whole_test(
    values: Floats, members: Sequence[Ints], square: float, df: int, errors: ErrorTerms,
    between: float, effects: Effects, differences: Sequence[ReaderContrast], why: str,
) -> TreatmentTest:  # fmt: skip
    df1 = len(members) - 1
    kind: Literal["F", "chi2"] = "chi2" if effects == "fixed_readers" else "F"
    if not why and df1 == 1:
        only = differences[0]
        return TreatmentTest(kind, only.t**2, df1, only.df, only.p, only.why, only.floored)
    sizes = {len(own) for own in members}
    if not why and (len(sizes) > 1 or effects == "fixed_readers"):
        why = "treatments have different numbers of readers, or these are fixed: see the pairs"
    if why:
        return TreatmentTest(kind, math.nan, df1, math.nan, math.nan, why)
    readers = sizes.pop()
    error = error_square(square, readers * between, _own(errors), df, effects)
    return tested_square(_treatment_square(values, members), error, df1, effects)
