"""Readers and cases that a study needs to show a difference, from a pilot.

Hillis, Obuchowski, Berbaum, Acad. Radiol. 18, 2011, 129-142: variance and covariances of the
readers' values shrink with the number of cases, the variance between readers does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import scipy

from abl.decide.verdicts import SIGNIFICANT
from abl.errors import InputError

MOST_CASES = 100_000
MOST_READERS = 200


@dataclass(frozen=True)
class PilotVariances:
    """What a pilot says of the spread of one difference.

    Attributes:
        between: Variance of the difference between readers, beyond what cases explain.
        own: Variance over cases of a reader's difference that other readers do not share.
        shared: Variance over cases that all readers' differences share.
        cases: Of the pilot.
        paired: 2 for a difference of two treatments whose variances are those of one, else 1.
    """

    between: float
    own: float
    shared: float
    cases: int
    paired: int

    def at(self, readers: int, cases: float) -> tuple[float, float]:
        """Variance of the mean difference, and the degrees of freedom of its estimate."""
        scale = self.cases / cases
        of_readers = self.between + scale * self.own
        whole = of_readers + scale * readers * self.shared
        if of_readers <= 0:
            return self.paired * whole / readers, math.inf
        df = (readers - 1) * (whole / of_readers) ** 2
        return self.paired * whole / readers, df


@dataclass(frozen=True)
class StudySize:
    """One way to reach a power.

    Attributes:
        cases: With the pilot's share of positives.
        power: That is reached.
    """

    readers: int
    cases: int
    power: float


def of_two_treatments(
    treatment_reader_square: float, var: float, cov1: float, cov2: float, cov3: float, cases: int
) -> PilotVariances:
    """Of a crossed pilot of two treatments; random readers and cases.

    Args:
        treatment_reader_square: Mean square of the interaction.
        var, cov1, cov2, cov3: Of Obuchowski and Rockette.
    """
    shared = max(cov2 - cov3, 0.0)
    own = max(var - cov1 - shared, 0.0)
    return PilotVariances(max(treatment_reader_square - own, 0.0), own, shared, cases, 2)


def of_an_algorithm(reader_square: float, var: float, cov2: float, cases: int) -> PilotVariances:
    """Of an algorithm against readers.

    Args:
        reader_square: Mean square of the differences.
        var, cov2: Of the differences.
    """
    shared = max(cov2, 0.0)
    own = max(var - shared, 0.0)
    return PilotVariances(max(reader_square - own, 0.0), own, shared, cases, 1)


def study_power(pilot: PilotVariances, difference: float, readers: int, cases: float) -> float:
    """Chance of a two-sided P below 5 % if the true difference is this one."""
    if readers < 2 or difference <= 0:
        raise InputError("a power is of two readers or more, and of a difference above 0")
    variance, df = pilot.at(readers, cases)
    if variance <= 0:
        return 1.0
    away = difference**2 / variance
    if df > 1e6:
        return float(scipy.stats.ncx2.sf(scipy.stats.chi2.isf(SIGNIFICANT, 1), 1, away))
    return float(scipy.stats.ncf.sf(scipy.stats.f.isf(SIGNIFICANT, 1, df), 1, df, away))


def cases_needed(
    pilot: PilotVariances, difference: float, readers: int, power: float
) -> StudySize | None:
    """The fewest cases with so many readers; None if MOST_CASES do not reach the power."""
    if study_power(pilot, difference, readers, MOST_CASES) < power:
        return None
    low, high = 1, MOST_CASES
    while high - low > 1:
        middle = (low + high) // 2
        if study_power(pilot, difference, readers, middle) >= power:
            high = middle
        else:
            low = middle
    return StudySize(readers, high, study_power(pilot, difference, readers, high))


def readers_needed(
    pilot: PilotVariances, difference: float, cases: int, power: float
) -> StudySize | None:
    """The fewest readers with so many cases; None if MOST_READERS do not reach the power."""
    for readers in range(2, MOST_READERS + 1):
        reached = study_power(pilot, difference, readers, cases)
        if reached >= power:
            return StudySize(readers, cases, reached)
    return None


def study_sizes(
    pilot: PilotVariances, difference: float, power: float, *, most_readers: int = 20
) -> Iterator[StudySize]:
    """The fewest cases for each number of readers from 2 on that can reach the power."""
    for readers in range(2, most_readers + 1):
        found = cases_needed(pilot, difference, readers, power)
        if found is not None:
            yield found
