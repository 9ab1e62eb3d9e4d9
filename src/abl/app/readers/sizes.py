"""Readers and cases that a next study needs, from the answers at hand as its pilot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abl.app.readers.asked import ReadersAsked
from abl.app.readers.layout import laid_out, wrapped_lines
from abl.app.readers.words import REACH, TITLES
from abl.decide.readers.reader_study import AlgorithmComparison, TreatmentComparison
from abl.decide.readers.study_size import (
    MOST_CASES,
    MOST_READERS,
    PilotVariances,
    StudySize,
    cases_needed,
    of_an_algorithm,
    of_two_treatments,
    readers_needed,
    study_power,
    study_sizes,
)
from abl.errors import InputError

DEFAULT_POWER = 0.8


@dataclass(frozen=True)
class SizeAnswer:
    """What one difference needs.

    Attributes:
        statistic, of: Of which difference: AUC and the like, treatments or an algorithm.
        difference, power: That were asked for.
        pilot: What it is computed from.
        sizes: The fewest cases for each number of readers, or for the one asked for, or the fewest
            readers for the cases asked for; with both asked for, the power of these.
        positives_share: Of the pilot's cases.
    """

    statistic: str
    of: str
    difference: float
    power: float
    pilot: PilotVariances
    sizes: tuple[StudySize, ...]
    positives_share: float


def size_answers(
    asked: ReadersAsked,
    comparisons: Sequence[TreatmentComparison],
    against: Sequence[AlgorithmComparison],
) -> tuple[SizeAnswer, ...]:
    """Of each comparison that was made; () without --size.

    Raises:
        InputError: Nothing to take as a pilot: two treatments that the same readers read, or an
            algorithm, and two readers or more.
    """
    if asked.size is None:
        return ()
    found = []
    for each in comparisons:
        readings, analysis = each.readings, each.analyses["random"]
        crossed = len(readings.blocks) == 1 and not readings.readers_are_nested
        if len(readings.treatments) < 2 or not crossed or len(readings.readers) < 2:
            continue
        errors, cases = analysis.errors, len(readings.compared)
        pilot = of_two_treatments(
            analysis.squares.treatment_reader,
            errors.var,
            errors.cov1,
            errors.cov2,
            errors.cov3,
            cases,
        )
        found.append(_answer(asked, each, "two treatments", pilot))
    for one in against:
        alone = one.analyses["random"]
        if len(one.of_readers) < 2:
            continue
        cases = len(one.readings.compared)
        pilot = of_an_algorithm(alone.reader_square, alone.var, alone.cov2, cases)
        found.append(_answer(asked, one, f"{one.algorithm} - readers", pilot))
    if not found:
        raise InputError(
            "--size: no pilot: it takes two treatments that the same two readers or more read on "
            "the same cases, or --algorithm"
        )
    return tuple(found)


def _answer(
    asked: ReadersAsked,
    comparison: TreatmentComparison | AlgorithmComparison,
    of: str,
    pilot: PilotVariances,
) -> SizeAnswer:
    difference, power = asked.size or 0.0, asked.power or DEFAULT_POWER
    readers, cases = asked.size_readers, asked.size_cases
    sizes: list[StudySize | None]
    if readers is not None and cases is not None:
        sizes = [StudySize(readers, cases, study_power(pilot, difference, readers, cases))]
    elif readers is not None:
        sizes = [cases_needed(pilot, difference, readers, power)]
    elif cases is not None:
        sizes = [readers_needed(pilot, difference, cases, power)]
    else:
        sizes = list(study_sizes(pilot, difference, power))
    estimates = comparison.estimates
    share = estimates.positives / (estimates.positives + estimates.negatives)
    kept = tuple(each for each in sizes if each is not None)
    return SizeAnswer(estimates.statistic, of, difference, power, pilot, kept, share)


def size_lines(found: SizeAnswer, asked: ReadersAsked, width: int) -> list[str]:
    """The answer as text."""
    mix = "the classes as frequent as in this pilot"
    if found.statistic != "acc":
        mix = f"{100 * found.positives_share:.0f} % of the cases positive as in this pilot"
    said = (
        f"To show a difference of {found.difference:g} in {TITLES[found.statistic]} "
        f"({found.of}) with a power of {100 * found.power:g} %, for {REACH['random']}, {mix}:"
    )
    lines = wrapped_lines(said, width)
    if not found.sizes:
        if asked.size_cases is not None:
            why = f"{MOST_READERS} readers are too few with {asked.size_cases} cases."
        else:
            why = f"{MOST_CASES:,} cases are too few: ask for more readers."
        return [*lines, f"  {why}"]
    rows = [
        (str(each.readers), f"{each.cases:,}", f"{100 * each.power:.1f} %") for each in found.sizes
    ]
    lines += laid_out(("readers", "cases", "power"), rows, width, right=(1, 2))
    return lines + wrapped_lines("A pilot of few readers knows their spread badly.", width, "  ")
