"""What is found in files of readers' answers."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from abl.app.readers.arms import with_arms
from abl.app.readers.asked import ReadersAsked
from abl.app.readers.sizes import SizeAnswer, size_answers
from abl.app.readers.sweep_arms import with_sweep_arms
from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.readers.rater_estimates import TooFewUnitsError
from abl.decide.readers.rater_pairs import RaterPair, rater_pairs
from abl.decide.readers.rater_summaries import (
    ClassSummary,
    GroupSummary,
    RaterSummary,
    class_summaries,
    group_summaries,
    rater_summaries,
)
from abl.decide.readers.reader_agreement import (
    GroupAgreement,
    SessionAgreement,
    group_agreements,
    session_agreements,
)
from abl.decide.readers.reader_study import (
    AlgorithmComparison,
    TreatmentComparison,
    compare_algorithm,
    compare_treatments,
)
from abl.errors import InputError, Problem, nearest, raise_if_any

MACHINES = ("ai", "algorithm", "cad", "cnn", "machine", "model", "network")  # case folded


@dataclass(frozen=True, eq=False)
class ReaderResults:
    """What was found.

    Attributes:
        answers: All of them, arms too.
        algorithms: Raters that are no readers.
        comparisons: Of treatments, one a statistic; of one treatment the mean of its readers.
        against: Of each algorithm, one a statistic and treatment.
        raters: Each by itself; () without a truth.
        of_classes: Each of more than two classes against the rest, by rater.
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
    of_classes: tuple[ClassSummary, ...]
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
        answers = with_arms(asked.files, asked.arms, asked.classes, asked.positive)
    else:
        beside = with_sweep_arms(
            asked.files, asked.sweep, asked.root, positive=asked.positive, arms=asked.sweep_arms
        )
        answers, arms, said = beside.together, beside.arms, beside.notes
    answers = _without(answers, asked.without)
    algorithms = tuple(dict.fromkeys([*asked.algorithms, *arms]))
    _check_algorithms(answers, algorithms)
    _check_treatments(answers, asked)
    _check_order(answers, asked)
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
    notes = [*answers.notes, *said, *protocol_notes(answers, asked), *class_notes(answers, asked)]
    notes += machine_notes(readers)
    comparisons: list[TreatmentComparison] = []
    against: list[AlgorithmComparison] = []
    if not answers.has_truth:
        notes.append(
            "No truth is known: only agreement is computed. Sensitivity, specificity and AUC need "
            "a column truth, or --predictions."
        )
    chosen = asked.chosen(
        ratings=bool(people["rating"].notna().any()),
        answers=bool(people["answer"].notna().any()),
        classes=len(answers.classes),
        positive=answers.positive is not None,
    )
    given: dict[str, Any] = {
        "readers": readers, "scale": asked.scale, "complete": asked.complete
    }  # fmt: skip
    for statistic in chosen if answers.has_truth and readers else ():
        try:
            found = compare_treatments(
                answers,
                statistic,
                asked.covariance,
                base=asked.base,
                to_base=asked.base is not None,
                **given,
            )
            of_algorithms = [
                one
                for name in algorithms
                for one in compare_algorithm(answers, name, statistic, asked.covariance, **given)
            ]
        except TooFewUnitsError as error:
            if asked.statistics is not None:
                raise
            notes.append(f"Not compared over readers and cases: {error}.")
            continue
        comparisons.append(found)
        against += of_algorithms
    return ReaderResults(
        answers, algorithms, tuple(comparisons), tuple(against),
        rater_summaries(answers) if answers.has_truth else (),
        class_summaries(answers),
        group_summaries(answers, readers),
        rater_pairs(answers, asked.weighted),
        group_agreements(answers, readers, ordered=asked.weighted is not None),
        session_agreements(answers, asked.weighted),
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
    if named and not any(answers.treatments):
        raise InputError(
            [
                Problem(f"--{option}: the answers have no column treatment")
                for option in dict.fromkeys(option for option, _ in named)
            ]
        )
    problems = [
        Problem(f"--{option} {name}: {nearest(str(name), answers.treatments)}")
        for option, name in named
        if name not in answers.treatments
    ]
    if asked.order is not None and not problems and len(asked.order) != len(answers.treatments):
        problems.append(Problem("--order: name every treatment, the one read first at its start"))
    raise_if_any(problems)


def _check_order(answers: ReaderAnswers, asked: ReadersAsked) -> None:
    """What only two classes, or classes of a known order, allow."""
    names = ",".join(answers.classes)
    if asked.cutoff is not None and len(answers.classes) > 2:
        raise InputError(f"--cutoff: makes answers of two classes, and here are more: {names}")
    ordered = asked.classes is not None or asked.sweep is not None or len(answers.classes) == 2
    if asked.weighted and not ordered and not all(each.isdecimal() for each in answers.classes):
        said = "--weighted: in which order are the classes? Write them from one end to the other"
        raise InputError(f"{said}: --classes {names}")


def class_notes(answers: ReaderAnswers, asked: ReadersAsked) -> list[str]:
    """Of more than two classes: what is of all, what of one against the rest."""
    names = answers.classes
    if len(names) == 2:
        return []
    notes = [f"Accuracy and kappa are of all {len(names)} classes: {', '.join(names)}."]
    if answers.positive is not None:
        one = names[answers.positive]
        notes.append(f"Sensitivity, specificity and AUC: {one} against the rest.")
    elif answers.has_ratings:
        notes.append(
            "Ratings are of one class against the rest: --positive CLASS says of which, and AUC is "
            "compared."
        )
    if asked.weighted:
        notes.append(f"Kappa weighted ({asked.weighted}) in the order {', '.join(names)}.")
    return notes


def machine_notes(readers: Sequence[str]) -> list[str]:
    """Of readers whose name is that of a machine."""
    return [
        f"{name} is taken as a reader: --algorithm {shlex.quote(name)} sets it against the readers."
        for name in readers
        if name.casefold() in MACHINES
    ]


def protocol_notes(answers: ReaderAnswers, asked: ReadersAsked) -> list[str]:
    """In which order treatments were read, and how long after each other, as far as it is said."""
    if len(answers.treatments) < 2:
        return []
    order = "not said (--order)"
    if asked.order is not None:
        order = f"{', then '.join(asked.order)}"
    washout = asked.washout or "not said (--washout)"
    return [f"Protocol: order of the treatments {order}; time between them {washout}."]
