"""What is found in files of readers' answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from abl.app.readers.arms import with_arms
from abl.app.readers.asked import ReadersAsked
from abl.app.readers.sizes import SizeAnswer, size_answers
from abl.app.readers.sweep_arms import with_sweep_arms
from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.readers.rater_pairs import (
    GroupAgreement,
    RaterPair,
    SessionAgreement,
    group_agreements,
    rater_pairs,
    session_agreements,
)
from abl.decide.readers.rater_summaries import (
    GroupSummary,
    RaterSummary,
    group_summaries,
    rater_summaries,
)
from abl.decide.readers.reader_study import (
    AlgorithmComparison,
    TreatmentComparison,
    compare_algorithm,
    compare_treatments,
)
from abl.errors import InputError, Problem, nearest, raise_if_any


@dataclass(frozen=True, eq=False)
class ReaderResults:
    """What was found.

    Attributes:
        answers: All of them, arms too.
        algorithms: Raters that are no readers.
        comparisons: Of treatments, one a statistic; of one treatment the mean of its readers.
        against: Of each algorithm, one a statistic and treatment.
        raters: Each by itself; () without a truth.
        of_groups: Readers of each experience together.
        pairs: Every two raters of a treatment.
        groups, sessions: How far readers agree with each other, and with themselves.
        sizes: Readers and cases that a next study needs, with --size.
        notes: What is to be known besides, a sentence each.
    """

    answers: ReaderAnswers
    algorithms: tuple[str, ...]
    comparisons: tuple[TreatmentComparison, ...]
    against: tuple[AlgorithmComparison, ...]
    raters: tuple[RaterSummary, ...]
    of_groups: tuple[GroupSummary, ...]
    pairs: tuple[RaterPair, ...]
    groups: tuple[GroupAgreement, ...]
    sessions: tuple[SessionAgreement, ...]
    sizes: tuple[SizeAnswer, ...]
    notes: tuple[str, ...]


def reader_results(asked: ReadersAsked) -> ReaderResults:
    """What was found in the files."""
    arms: tuple[str, ...] = tuple(name for name, _ in asked.arms)
    said: tuple[str, ...] = ()
    if asked.sweep is None:
        answers = with_arms(asked.files, asked.arms, asked.classes)
    else:
        beside = with_sweep_arms(asked.files, asked.sweep, asked.root)
        answers, arms, said = beside.together, beside.arms, beside.notes
    answers = _without(answers, asked.without)
    algorithms = tuple(dict.fromkeys([*asked.algorithms, *arms]))
    _check_algorithms(answers, algorithms)
    _check_treatments(answers, asked)
    if asked.cutoff is not None:
        # of the files' scale: probabilities of arms are another
        rated = [
            name for name in answers.readers if name not in algorithms or name in asked.algorithms
        ]
        if not answers.frame["rating"][answers.frame["reader"].isin(rated)].notna().any():
            raise InputError("--cutoff: is of ratings, and the files have none")
        answers = answers.answered_by_cutoff(asked.cutoff, rated)
    readers = [name for name in answers.readers if name not in algorithms]
    people = answers.frame[answers.frame["reader"].isin(readers)]
    notes = [*answers.notes, *said, *protocol_notes(answers, asked)]
    comparisons: list[TreatmentComparison] = []
    against: list[AlgorithmComparison] = []
    if not answers.has_truth:
        notes.append(
            "No truth is known: only agreement is computed. Sensitivity, specificity and AUC need "
            "a column truth, or --predictions."
        )
    chosen = asked.chosen(
        ratings=bool(people["rating"].notna().any()), answers=bool(people["answer"].notna().any())
    )
    for statistic in chosen if answers.has_truth else ():
        if readers:
            comparisons.append(
                compare_treatments(
                    answers,
                    statistic,
                    asked.covariance,
                    readers=readers,
                    base=asked.base,
                    scale=asked.scale,
                )
            )
        for name in algorithms:
            if readers:
                against += compare_algorithm(
                    answers, name, statistic, asked.covariance, readers=readers, scale=asked.scale
                )
    return ReaderResults(
        answers, algorithms, tuple(comparisons), tuple(against),
        rater_summaries(answers) if answers.has_truth else (),
        group_summaries(answers, readers),
        rater_pairs(answers), group_agreements(answers, readers), session_agreements(answers),
        size_answers(asked, comparisons, against),
        tuple(notes),
    )  # fmt: skip


def _without(answers: ReaderAnswers, names: Sequence[str]) -> ReaderAnswers:
    raise_if_any(
        [
            Problem(f"--without {name}: {nearest(name, answers.readers)}")
            for name in names
            if name not in answers.readers
        ]
    )
    if not names:
        return answers
    frame = answers.frame[~answers.frame["reader"].isin(names)].reset_index(drop=True)
    if not len(frame):
        raise InputError("--without: no reader is left")
    return replace(answers, frame=frame)


def _check_algorithms(answers: ReaderAnswers, algorithms: Sequence[str]) -> None:
    raise_if_any(
        [
            Problem(f"--algorithm {name}: {nearest(name, answers.readers)}")
            for name in algorithms
            if name not in answers.readers
        ]
    )


def _check_treatments(answers: ReaderAnswers, asked: ReadersAsked) -> None:
    named = [("base", asked.base)] if asked.base is not None else []
    named += [("order", name) for name in asked.order or ()]
    problems = [
        Problem(f"--{option} {name}: {nearest(str(name), answers.treatments)}")
        for option, name in named
        if name not in answers.treatments
    ]
    if asked.order is not None and not problems and len(asked.order) != len(answers.treatments):
        problems.append(Problem("--order: name every treatment, the one read first at its start"))
    raise_if_any(problems)


def protocol_notes(answers: ReaderAnswers, asked: ReadersAsked) -> list[str]:
    """In which order treatments were read, and how long after each other, as far as it is said."""
    if len(answers.treatments) < 2:
        return []
    order = "not said (--order)"
    if asked.order is not None:
        order = f"{', then '.join(asked.order)}"
    washout = asked.washout or "not said (--washout)"
    return [f"Protocol: order of the treatments {order}; time between them {washout}."]
