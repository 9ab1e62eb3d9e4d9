"""Each rater by itself, and two raters against each other: clusters are patients."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.check import Bools, Floats
from abl.decide.intervals import FEW_PATIENTS, Interval
from abl.decide.readers.clustered_shares import gee_interval
from abl.decide.readers.rater_estimates import rater_estimates
from abl.decide.score_intervals import LEVEL, wilson
from abl.errors import InputError


@dataclass(frozen=True)
class RaterSummary:
    """What one reader did in one treatment, on the cases that they answered.

    Attributes:
        experience: As the file says, "" if it does not.
        tp, fn, fp, tn: Counts of answers; 0 where there are ratings alone, None where no class of
            several is positive.
        missing: Of the cases that those who share any case with this one read, how many lack its
            answer, or its rating where it gave no answer at all: sen, spe and acc are without them.
        missing_ratings: How many lack its rating, which auc is without; 0 of one who gave none.
        positives, negatives: Cases that it answered, or rated where it gave no answer; None as tp.
        sen, spe, acc: With GEE intervals; None without answers (of a class), or a positive class.
        auc: Of ratings; None without.
    """

    reader: str
    treatment: str
    experience: str
    tp: int | None
    fn: int | None
    fp: int | None
    tn: int | None
    missing: int
    missing_ratings: int
    positives: int | None
    negatives: int | None
    sen: Interval | None
    spe: Interval | None
    acc: Interval | None
    auc: Interval | None


@dataclass(frozen=True)
class GroupSummary:
    """What the readers of one experience did together: one row an answer, patients as clusters.

    Attributes:
        sen, spe, acc: As RaterSummary.
    """

    group: str
    treatment: str
    readers: int
    sen: Interval | None
    spe: Interval | None
    acc: Interval | None


@dataclass(frozen=True)
class ClassSummary:
    """How one reader in one treatment tells one class of several from the rest.

    Attributes:
        name: Of the class.
        tp, fn, fp, tn: Counts of answers, this class being positive.
        sen, spe: With GEE intervals; None without cases of the class, or of others.
    """

    reader: str
    treatment: str
    name: str
    tp: int
    fn: int
    fp: int
    tn: int
    sen: Interval | None
    spe: Interval | None


def group_summaries(answers: ReaderAnswers, readers: Collection[str]) -> tuple[GroupSummary, ...]:
    """Each experience in each treatment; () where the answers name none or have no truth.

    Args:
        readers: Those that are people.
    """
    frame = answers.of_first_session().frame
    rows = frame[frame["reader"].isin(readers) & (frame["experience"] != "")]
    if not answers.has_truth or not rows["answer"].notna().any():
        return ()
    found = []
    for (treatment, group), mine in rows.groupby(["treatment", "experience"]):
        truth, answer = (mine[name].to_numpy() for name in ("truth", "answer"))
        shares = _shares(truth, answer, answers.positive, mine["patient"].to_numpy(dtype=str))
        found.append(GroupSummary(str(group), str(treatment), mine["reader"].nunique(), *shares))
    return tuple(found)


def rater_summaries(answers: ReaderAnswers) -> tuple[RaterSummary, ...]:
    """Every reader in every treatment, of their first session.

    Raises:
        InputError: The truth is not known.
    """
    if not answers.has_truth:
        raise InputError("sensitivity and the like need a column truth or label")
    frame = answers.of_first_session().frame
    found = []
    for treatment in answers.treatments:
        rows = frame[frame["treatment"] == treatment]
        given = rows[rows["answer"].notna() | rows["rating"].notna()]
        cases_of = given.groupby("reader")["case"].agg(set)
        for reader in answers.readers:
            mine = rows[rows["reader"] == reader]
            if not len(mine):
                continue
            patients = mine["patient"].to_numpy(dtype=str)
            rating = mine["rating"].to_numpy()
            truth, answer = (mine[name].to_numpy() for name in ("truth", "answer"))
            said, rated = ~np.isnan(answer), ~np.isnan(rating)
            sen, spe, acc = _shares(truth, answer, answers.positive, patients)
            counts: tuple[int | None, int | None, int | None, int | None] = (None,) * 4
            read: tuple[int | None, int | None] = (None, None)
            used = said if said.any() else rated
            if answers.positive is not None:
                counts = _counts(truth, answer, answers.positive)
                true = truth[used] == answers.positive
                read = int(true.sum()), int((~true).sum())
            cases = mine["case"].to_numpy()
            seen = _seen(set(cases[said | rated]), cases_of)
            found.append(
                RaterSummary(
                    reader,
                    treatment,
                    str(mine["experience"].iloc[0]),
                    *counts,
                    len(seen) - int(used.sum()),
                    len(seen) - int(rated.sum()) if rated.any() else 0,
                    *read,
                    sen,
                    spe,
                    acc,
                    _auc(rating[rated], truth[rated] == answers.positive, patients[rated]),
                )
            )
    return tuple(found)


def class_summaries(answers: ReaderAnswers) -> tuple[ClassSummary, ...]:
    """Every reader and class of more than two, in every treatment; () of two classes, which are
    each other's rest, and without answers or truth.
    """
    if len(answers.classes) < 3 or not answers.has_truth:
        return ()
    frame = answers.of_first_session().frame
    found = []
    for treatment in answers.treatments:
        for reader in answers.readers:
            is_own = (frame["treatment"] == treatment) & (frame["reader"] == reader)
            mine = frame[(is_own & frame["answer"].notna()).to_numpy()]
            truth, answer = (mine[name].to_numpy() for name in ("truth", "answer"))
            patients = mine["patient"].to_numpy(dtype=str)
            for at, name in enumerate(answers.classes):
                if len(mine):
                    sen, spe, _ = _shares(truth, answer, at, patients)
                    counts = _counts(truth, answer, at)
                    found.append(ClassSummary(reader, treatment, name, *counts, sen, spe))
    return tuple(found)


def _counts(truth: Floats, answer: Floats, positive: int) -> tuple[int, int, int, int]:
    """tp, fn, fp, tn; a missing answer is in none."""
    said, true, called = ~np.isnan(answer), truth == positive, answer == positive
    return (
        int((said & true & called).sum()),
        int((said & true & ~called).sum()),
        int((said & ~true & called).sum()),
        int((said & ~true & ~called).sum()),
    )


def _shares(
    truth: Floats, answer: Floats, positive: int | None, patients: np.ndarray
) -> tuple[Interval | None, Interval | None, Interval | None]:
    """Sensitivity and specificity of a class against the rest, and accuracy of all classes."""
    said, right = ~np.isnan(answer), answer == truth
    accuracy = _share(right, said, patients)
    if positive is None:
        return None, None, accuracy
    true = truth == positive
    told = (answer == positive) == true
    sen, spe = (_share(told, said & where, patients) for where in (true, ~true))
    return sen, spe, accuracy


def _seen(own: set[str], cases_of: pd.Series) -> set[str]:
    """Cases of this rater and of those who share any with it."""
    return own.union(*(cases for cases in cases_of if cases & own))


def _share(right: Bools, where: Bools, patients: np.ndarray) -> Interval | None:
    return gee_interval(right[where].astype(int), patients[where]) if where.any() else None


def _auc(rating: Floats, truth: Bools, patients: np.ndarray) -> Interval | None:
    """AUC with Wilson's interval of the units that DeLong's variance is worth."""
    if not truth.any() or truth.all():
        return None
    try:
        found = rater_estimates(rating[None, :], truth, "auc", "delong", patients=patients)
    except InputError:  # one case of a class
        return None
    value, variance = float(found.values[0]), float(found.covariance[0, 0])
    # where nothing varies no more is known than that of so many units none was wrong, and
    # near 1 a variance that hangs on a single case is no wealth of units
    fewest = min(len(np.unique(patients[truth])), len(np.unique(patients[~truth])))
    units = float(fewest)
    if variance > 0 and 0 < value < 1:
        units = min(value * (1 - value) / variance, float(found.units))
    df = found.units - 1 if found.units < FEW_PATIENTS else math.inf
    reach = scipy.stats.t.ppf((1 + LEVEL) / 2, df)
    low, high = wilson(np.array([value]), np.array([units]), np.array([reach]))
    return Interval(value, float(low[0]), float(high[0]))
