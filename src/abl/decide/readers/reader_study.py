"""A reader study whole: treatments over readers and cases, an algorithm against readers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.readers.against_readers import AlgorithmAgainstReaders, algorithm_against_readers
from abl.decide.readers.contrast_tests import ContrastTests, contrast_tests
from abl.decide.readers.contrasts import MeanScale, ReaderContrast
from abl.decide.readers.error_squares import EFFECTS, Effects
from abl.decide.readers.nested_readers import nested_readers
from abl.decide.readers.obuchowski_rockette import ReaderAnalysis, obuchowski_rockette
from abl.decide.readers.rater_differences import rater_difference
from abl.decide.readers.rater_estimates import CovarianceMethod, RaterEstimates, ReaderStatistic
from abl.decide.readers.readings import Readings, readings_of
from abl.errors import InputError, nearest


@dataclass(frozen=True, eq=False)
class TreatmentComparison:
    """One statistic of the treatments.

    Attributes:
        readings: The design.
        estimates: (R,) value of each rater of the readings, and their covariance.
        analyses: By what is random.
        of_readers: Each reader's own difference of each pair of treatments, over samples of cases;
            () where no reader read in two.
    """

    readings: Readings
    estimates: RaterEstimates
    analyses: Mapping[Effects, ReaderAnalysis]
    of_readers: tuple[ReaderContrast, ...]


@dataclass(frozen=True, eq=False)
class AlgorithmComparison:
    """One statistic of an algorithm and of the readers in one treatment.

    Attributes:
        treatment: Of the readers.
        readings: Of the algorithm, which comes first, and the readers.
        analyses: By what is random.
        of_readers: Algorithm minus each reader, over samples of cases.
    """

    algorithm: str
    treatment: str
    readings: Readings
    estimates: RaterEstimates
    analyses: Mapping[Effects, AlgorithmAgainstReaders]
    of_readers: tuple[ReaderContrast, ...]


Pair = tuple[int, int]  # positions of treatments


def algorithm_tests(
    against: Sequence[AlgorithmComparison], margin: float | None = None
) -> tuple[Mapping[Effects, ContrastTests], ...]:
    """The tests of each algorithm by what is random: a family are the algorithms that are held
    against the readers in one statistic and treatment.

    Args:
        margin: As contrast_tests.
    """
    found: list[dict[Effects, ContrastTests]] = [{} for _ in against]
    families: dict[tuple[str, str], list[int]] = {}
    for at, each in enumerate(against):
        families.setdefault((each.estimates.statistic, each.treatment), []).append(at)
    for family, effects in itertools.product(families.values(), EFFECTS):
        apart = [against[at].analyses[effects].difference for at in family]
        for at, test in zip(family, contrast_tests(apart, margin), strict=True):
            found[at][effects] = test
    return tuple(found)


def answer_column(statistic: ReaderStatistic) -> str:
    """The column of answers that a statistic is computed from."""
    return "rating" if statistic == "auc" else "answer"


def answers_for(answers: ReaderAnswers, statistic: ReaderStatistic) -> ReaderAnswers:
    """The answers as a statistic takes them: accuracy of all classes, the others of the positive
    class against the rest.

    Raises:
        InputError: No class of several is the positive one.
    """
    return answers if statistic == "acc" else answers.of_positive()


def compare_treatments(
    answers: ReaderAnswers,
    statistic: ReaderStatistic,
    method: CovarianceMethod = "delong",
    *,
    readers: Sequence[str] | None = None,
    base: str | None = None,
    to_base: bool = False,
    scale: MeanScale = "logit",
    complete: bool = False,
) -> TreatmentComparison:
    """Treatments by the readers' values, and the readers' mean where there is one treatment.

    Args:
        readers: Whose answers count; None: all.
        base: The treatment to which the differences are, such as unaided; None: the later name.
        to_base: Whether the differences to the base are all that is asked; else of every pair.
        scale: Of the intervals of means.
        complete: As readings_of.

    Raises:
        InputError: As readings_of, rater_estimates and answers_for.
    """
    answers = answers_for(answers, statistic)
    readings = readings_of(
        answers, answer_column(statistic), readers=readers, base=base, complete=complete
    )
    found = readings.estimates(statistic, method)
    treatment_of = np.array([treatment for treatment, _ in readings.raters])
    names = readings.treatments
    pairs = tuple(
        pair
        for pair in itertools.combinations(range(len(names)), 2)
        if not to_base or base in (names[pair[0]], names[pair[1]])
    )
    analyses: dict[Effects, ReaderAnalysis] = {}
    if readings.readers_are_nested:
        for effects in EFFECTS:
            analyses[effects] = nested_readers(
                found.values, found.covariance, treatment_of, names, effects, scale
            )
        return TreatmentComparison(readings, found, _of_pairs(analyses, names, pairs), ())
    shape = (len(names), len(readings.raters) // len(names))
    values, covariance = found.values.reshape(shape), found.covariance.reshape(shape * 2)
    for effects in EFFECTS:
        analyses[effects] = obuchowski_rockette(values, covariance, names, effects, scale)
    each = _of_readers(readings, found, pairs)
    return TreatmentComparison(readings, found, _of_pairs(analyses, names, pairs), each)


def _of_pairs(
    analyses: Mapping[Effects, ReaderAnalysis], names: Sequence[str], pairs: Sequence[Pair]
) -> dict[Effects, ReaderAnalysis]:
    """The analyses with the differences of these pairs of treatments alone."""
    every = list(itertools.combinations(range(len(names)), 2))
    return {
        effects: replace(
            analysis,
            differences=tuple(
                one for pair, one in zip(every, analysis.differences, strict=True) if pair in pairs
            ),
        )
        for effects, analysis in analyses.items()
    }


def _of_readers(
    readings: Readings, estimates: RaterEstimates, pairs: Sequence[Pair]
) -> tuple[ReaderContrast, ...]:
    """Of readers who read in every treatment, in the order of the raters."""
    treatments = readings.treatments
    count = len(readings.raters) // len(treatments)
    return tuple(
        rater_difference(
            f"{readings.readers[reader]}: {treatments[one]} - {treatments[other]}",
            readings,
            estimates,
            one * count + at,
            other * count + at,
        )
        for one, other in pairs
        for at, (_, reader) in enumerate(readings.raters[:count])
    )


def compare_algorithm(
    answers: ReaderAnswers,
    algorithm: str,
    statistic: ReaderStatistic,
    method: CovarianceMethod = "delong",
    *,
    readers: Sequence[str] | None = None,
    scale: MeanScale = "logit",
    complete: bool = False,
) -> tuple[AlgorithmComparison, ...]:
    """An algorithm against the readers, in each treatment in which they read.

    The algorithm's answers of the same treatment count, or those of the one treatment that it has.

    Args:
        algorithm: The rater that is one.
        readers: Whose answers count; None: all others.
        scale: Of the intervals of the algorithm and of the readers' mean.
        complete: As readings_of.

    Raises:
        InputError: No such rater, it has answers of several treatments and none of the readers', or
            as readings_of.
    """
    if algorithm not in answers.readers:
        raise InputError(f"--algorithm {algorithm}: {nearest(algorithm, answers.readers)}")
    others = [name for name in answers.readers if name != algorithm]
    chosen = [name for name in (others if readers is None else readers) if name != algorithm]
    if not chosen:
        raise InputError(f"--algorithm {algorithm}: no reader is left to compare it with")
    answers, column = answers_for(answers, statistic), answer_column(statistic)
    given = answers.frame[answers.frame[column].notna()]
    own = given[given["reader"] == algorithm]
    if not len(own):
        raise InputError(f"--algorithm {algorithm}: it has no {column}")
    found = []
    for treatment in answers.treatments:
        theirs = given[given["reader"].isin(chosen) & (given["treatment"] == treatment)]
        if not len(theirs):
            continue
        mine = own[own["treatment"] == treatment]
        if not len(mine):
            if own["treatment"].nunique() > 1:
                raise InputError(
                    f"--algorithm {algorithm}: it has several treatments, and none is '{treatment}'"
                )
            mine = own.assign(treatment=treatment)
        mine = mine[mine["case"].isin(theirs["case"])]  # what no reader read is not missing
        if not len(mine):
            raise InputError(f"--algorithm {algorithm}: it shares no cases with the readers")
        frame = pd.concat([mine, theirs], ignore_index=True)
        there = [name for name in chosen if (theirs["reader"] == name).any()]
        part = replace(answers, frame=frame)
        readings = readings_of(part, column, readers=[algorithm, *there], complete=complete)
        if len(readings.blocks) > 1:
            raise InputError(
                f"--algorithm {algorithm}: some readers{treatment and f' in {treatment}'} share no "
                "cases with it or with each other; they are compared on the same cases"
            )
        estimates = readings.estimates(statistic, method)
        names = [readings.readers[reader] for _, reader in readings.raters]
        analyses = {
            effects: algorithm_against_readers(
                estimates.values, estimates.covariance, names, effects, scale
            )
            for effects in EFFECTS
        }
        each = tuple(
            rater_difference(f"{algorithm} - {name}", readings, estimates, 0, at)
            for at, name in enumerate(names[1:], start=1)
        )
        found.append(AlgorithmComparison(algorithm, treatment, readings, estimates, analyses, each))
    return tuple(found)
