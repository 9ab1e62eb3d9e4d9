"""Which reader read which case in which treatment: the design, and values under it.

Cases that lack an answer of one reader are left out where the others are compared on the same
cases; designs in which raters share only some of their cases are refused by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.data.readers.reader_answers import ReaderAnswers
from abl.data.tables.alike_names import alike_groups
from abl.decide.check import Bools, Floats, Ints
from abl.decide.readers.rater_estimates import (
    CovarianceMethod,
    RaterEstimates,
    ReaderStatistic,
    rater_estimates,
)
from abl.errors import InputError

CROSSED = "crossed: every reader read every case in every treatment"
CROSSED_ONE = "crossed: every reader read every case"
CASES_IN_TREATMENTS = "cases nested in treatments: each treatment has cases of its own"
CASES_IN_READERS = "cases nested in readers: each reader has cases of their own"
CASES_IN_GROUPS = "split-plot: groups of readers have cases of their own"
CASES_IN_CELLS = "cases nested in readers and treatments"
READERS_IN_TREATMENTS = "readers nested in treatments: each reader read in one treatment"
# of the cases of raters who share any: beyond, these do not lack a few answers
MOST_MISSING = 0.2  # of each rater
LEAST_SHARED = 0.5  # that all of them answered


@dataclass(frozen=True, eq=False)
class Readings:
    """What raters, each a reader in a treatment, said of cases.

    Attributes:
        treatments: Names.
        readers: Names.
        raters: (R) position of treatment and reader of each rater, by treatment, then reader.
        scores: (R, N) float64; nan where there is no answer.
        truth: (N,) float64, position of the class.
        patients, cases: (N,) names.
        blocks: Positions of raters, and of the cases on which they are compared with each other;
            raters of different blocks share no case.
        design: In words.
        left_out: How many cases lack an answer of a rater and are left out.
    """

    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    raters: tuple[tuple[int, int], ...]
    scores: Floats
    truth: Floats
    patients: np.ndarray
    cases: np.ndarray
    blocks: tuple[tuple[Ints, Ints], ...]
    design: str
    left_out: int

    @property
    def readers_are_nested(self) -> bool:
        """Whether each reader read in one treatment alone, of several."""
        return self.design == READERS_IN_TREATMENTS

    @property
    def compared(self) -> Ints:
        """Positions of the cases that are not left out."""
        return np.unique(np.concatenate([cases for _, cases in self.blocks]))

    def estimates(self, statistic: ReaderStatistic, method: CovarianceMethod) -> RaterEstimates:
        """Values (R,) of all raters and their covariance (R, R); 0 of those without common cases.

        Raises:
            InputError: A block has too few cases of a class, or as rater_estimates.
        """
        count = len(self.raters)
        values, covariance = np.empty(count), np.zeros((count, count))
        found = []
        for raters, cases in self.blocks:
            each = rater_estimates(
                self.scores[np.ix_(raters, cases)],
                self.truth[cases],
                statistic,
                method,
                patients=self.patients[cases],
            )
            values[raters] = each.values
            covariance[np.ix_(raters, raters)] = each.covariance
            found.append(each)
        used = self.truth[self.compared]
        return RaterEstimates(
            statistic,
            method,
            values,
            covariance,
            int((used == 1).sum()),
            int((used != 1).sum()),
            sum(each.units for each in found),
            any(each.clustered for each in found),
        )


def readings_of(
    answers: ReaderAnswers,
    column: str,
    *,
    readers: Sequence[str] | None = None,
    base: str | None = None,
    complete: bool = False,
) -> Readings:
    """The design of answers, with cases that lack one left out.

    Args:
        column: rating or answer.
        readers: Whose answers count; None: all.
        base: The treatment that comes last, so that differences are to it.
        complete: Whether raters who share only some of their cases are compared on these.

    Raises:
        InputError: No answer at all; a design that is refused, by name, with who lacks what.
    """
    chosen = answers.readers if readers is None else tuple(readers)
    first = answers.of_first_session().frame
    rows = first[first["reader"].isin(chosen)]
    known = answers.truth_of()
    order = sorted(answers.treatments, key=lambda name: name == base)
    treatments = tuple(name for name in order if (rows["treatment"] == name).any())
    raters, scores = [], []
    for t, treatment in enumerate(treatments):
        there = rows[rows["treatment"] == treatment]
        wide = there.pivot(index="case", columns="reader", values=column).reindex(known.index)
        for r, reader in enumerate(chosen):
            if reader in wide and wide[reader].notna().any():
                raters.append((t, r))
                scores.append(wide[reader].to_numpy(dtype=np.float64))
    if not raters:
        raise InputError(f"no reader gave a {column}")
    table = np.array(scores)
    _refuse_half_nested(raters, treatments, chosen)
    blocks, left_out = _blocks(table, raters, treatments, chosen, complete=complete)
    return Readings(
        treatments,
        chosen,
        tuple(raters),
        table,
        known["truth"].to_numpy(dtype=np.float64),
        known["patient"].to_numpy(dtype=str),
        known.index.to_numpy(dtype=str),
        blocks,
        _design(raters, blocks, len(treatments)),
        left_out,
    )


def rater_name(readings: Readings, at: int) -> str:
    """A rater in words: the reader, and the treatment where there are several."""
    treatment, reader = readings.raters[at]
    name = readings.readers[reader]
    named = readings.treatments[treatment]
    return f"{name} ({named})" if len(readings.treatments) > 1 and named else name


def _refuse_half_nested(
    raters: Sequence[tuple[int, int]], treatments: Sequence[str], readers: Sequence[str]
) -> None:
    """Readers read in all treatments, or each in one."""
    counts = pd.Series([reader for _, reader in raters]).value_counts()
    if len(treatments) == 1 or counts.eq(len(treatments)).all() or counts.eq(1).all():
        return
    lacking = [
        f"{readers[reader]} in {treatments[treatment]}"
        for reader, treatment in itertools.product(counts.index, range(len(treatments)))
        if (treatment, reader) not in raters
    ]
    few = ", ".join(sorted(lacking)[:5]) + (", ..." if len(lacking) > 5 else "")
    fewest = min(counts.index, key=lambda reader: (counts[reader], readers[reader]))
    raise InputError(
        f"not crossed: no answers of {few}; each reader must have read in all of the treatments "
        f"or in one alone: leave such readers out with --without '{readers[fewest]}'"
    )


def _blocks(
    scores: Floats,
    raters: Sequence[tuple[int, int]],
    treatments: Sequence[str],
    readers: Sequence[str],
    *,
    complete: bool,
) -> tuple[tuple[tuple[Ints, Ints], ...], int]:
    """Raters that share cases, and the cases that all of them answered."""
    there: Bools = ~np.isnan(scores)
    shared = there.astype(np.int64) @ there.T.astype(np.int64)
    group = np.arange(len(raters))
    for one, other in zip(*np.nonzero(shared), strict=True):
        group[group == group[other]] = group[one]
    blocks, left_out = [], 0
    for name in dict.fromkeys(group.tolist()):
        members = np.flatnonzero(group == name)
        any_of, all_of = there[members].any(axis=0), there[members].all(axis=0)
        fewest = float(there[members].sum(axis=1).min())
        few = all_of.sum() < LEAST_SHARED * any_of.sum()
        few |= fewest < (1 - MOST_MISSING) * any_of.sum()
        if not all_of.any() or (few and not complete):
            counts = ", ".join(
                f"{readers[raters[at][1]]}"
                + (f" ({treatments[raters[at][0]]})" if len(treatments) > 1 else "")
                + f" {int(there[at].sum())}"
                for at in members[:8]
            )
            alike = alike_groups([readers[raters[at][1]] for at in members.tolist()])
            maybe = "; may be one: " + ", ".join(alike[0]) if alike else ""
            alone = f", or compare on the {int(all_of.sum())} alone with --complete"
            alone = alone if all_of.any() else ""
            raise InputError(
                f"not crossed: only {int(all_of.sum())} of {int(any_of.sum())} cases have an "
                f"answer of every reader in every treatment (answers: {counts}"
                f"{', ...' if len(members) > 8 else ''}); answers may be missing of "
                f"{MOST_MISSING:.0%} of a reader's cases and {1 - LEAST_SHARED:.0%} of all: leave "
                f"readers out with --without NAME{alone}{maybe}"
            )
        left_out += int(any_of.sum() - all_of.sum())
        blocks.append((members, np.flatnonzero(all_of)))
    return tuple(blocks), left_out


def _design(
    raters: Sequence[tuple[int, int]], blocks: Sequence[tuple[Ints, Ints]], treatments: int
) -> str:
    readers = len({reader for _, reader in raters})
    if treatments > 1 and len(raters) == readers:
        return READERS_IN_TREATMENTS
    if len(blocks) == 1:
        return CROSSED if treatments > 1 else CROSSED_ONE
    of_treatments = [len({raters[at][0] for at in members}) for members, _ in blocks]
    of_readers = [len({raters[at][1] for at in members}) for members, _ in blocks]
    if all(n == 1 for n in of_treatments) and treatments > 1:
        one_each = all(n == readers for n in of_readers)
        return CASES_IN_TREATMENTS if one_each else CASES_IN_CELLS
    return CASES_IN_READERS if all(n == 1 for n in of_readers) else CASES_IN_GROUPS
