"""Two raters at a time: whether their shares of right answers differ, and how far they agree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.agreement import (
    cohen_kappa,
    fleiss_kappa_interval,
    gwet_ac1,
)
from abl.decide.intervals import Interval
from abl.decide.readers.clustered_shares import gee_difference
from abl.decide.readers.contrasts import ReaderContrast, contrast
from abl.decide.readers.krippendorff import krippendorff_alpha
from abl.decide.readers.rater_estimates import rater_estimates
from abl.errors import InputError

AGREEMENT_RESAMPLES = 1000
_UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class RaterPair:
    """Two raters in one treatment, first minus second; None where there is nothing to compare.

    Attributes:
        sen, spe, acc: Of answers, by GEE over patients.
        auc: Of ratings of the cases that both rated, by DeLong.
        cases: That both answered.
        same: Of these, in how many the answers are one.
        kappa: Cohen's, of answers.
    """

    treatment: str
    first: str
    second: str
    sen: ReaderContrast | None
    spe: ReaderContrast | None
    acc: ReaderContrast | None
    auc: ReaderContrast | None
    cases: int
    same: int
    kappa: Interval | None


@dataclass(frozen=True)
class GroupAgreement:
    """How far several readers agree, in one treatment.

    Attributes:
        group: Their experience; "" of all readers.
        coefficients: fleiss, ac1 and alpha_nominal of answers, alpha_ordinal and alpha_interval of
            ratings.
    """

    treatment: str
    group: str
    readers: tuple[str, ...]
    coefficients: Mapping[str, Interval]


@dataclass(frozen=True)
class SessionAgreement:
    """How far one reader agrees with themselves in another session.

    Attributes:
        cases: That were answered in both sessions.
        same: Of these, in how many the answers are one.
        kappa: Cohen's, of answers; None without.
        alpha: Krippendorff's, ordinal, of ratings; None without.
    """

    treatment: str
    reader: str
    sessions: tuple[str, str]
    cases: int
    same: int
    kappa: Interval | None
    alpha: Interval | None


def rater_pairs(answers: ReaderAnswers) -> tuple[RaterPair, ...]:
    """Every two raters of each treatment; P values are not corrected for their number."""
    found = []
    known = answers.truth_of()
    for treatment in answers.treatments:
        tables = {name: answers.table(name, treatment) for name in ("answer", "rating")}
        there = [name for name in answers.readers if _any(tables, name)]
        for first, second in itertools.combinations(there, 2):
            answer = tables["answer"][[first, second]].to_numpy()
            rating = tables["rating"][[first, second]].to_numpy()
            both = ~np.isnan(answer).any(axis=1)
            name = f"{first} - {second}"
            shares = {
                side: _shares(name, answer, known, side) if answers.has_truth else None
                for side in ("sen", "spe", "acc")
            }
            found.append(
                RaterPair(
                    treatment,
                    first,
                    second,
                    shares["sen"],
                    shares["spe"],
                    shares["acc"],
                    _auc_apart(name, rating, known) if answers.has_truth else None,
                    int(both.sum()),
                    int((answer[both, 0] == answer[both, 1]).sum()),
                    _kappa(answer[both], known["patient"].to_numpy()[both]),
                )
            )
    return tuple(found)


def group_agreements(answers: ReaderAnswers, readers: Sequence[str]) -> tuple[GroupAgreement, ...]:
    """All readers, and those of each experience that several have, in each treatment.

    Args:
        readers: Those that are people.
    """
    of_reader = answers.frame.drop_duplicates("reader").set_index("reader")["experience"]
    groups = {"": tuple(name for name in answers.readers if name in readers)}
    for experience in sorted(set(of_reader) - {""}):
        groups[experience] = tuple(name for name in groups[""] if of_reader[name] == experience)
    found = []
    for treatment in answers.treatments:
        tables = {name: answers.table(name, treatment) for name in ("answer", "rating")}
        for group, members in groups.items():
            there = tuple(name for name in members if _any(tables, name))
            if len(there) < 2 or (group and len(there) == len(groups[""])):
                continue
            answer, rating = (tables[name][list(there)].to_numpy() for name in tables)
            patients = answers.truth_of()["patient"].to_numpy(dtype=str)
            coefficients = _of_answers(answer, patients) | _of_ratings(rating, patients)
            found.append(GroupAgreement(treatment, group, there, coefficients))
    return tuple(found)


def session_agreements(answers: ReaderAnswers) -> tuple[SessionAgreement, ...]:
    """Each reader's first session against each later one."""
    found = []
    patients = answers.truth_of()["patient"]
    for (treatment, reader), rows in answers.frame.groupby(["treatment", "reader"], sort=False):
        sessions = [name for name in answers.sessions if (rows["session"] == name).any()]
        for later in sessions[1:]:
            pair = (sessions[0], later)
            answer, rating = (_by_session(rows, column, pair) for column in ("answer", "rating"))
            said = ~np.isnan(answer.to_numpy()).any(axis=1)
            rated = ~np.isnan(rating.to_numpy()).any(axis=1)
            both = answer[said].to_numpy()
            names = patients.loc[answer.index].to_numpy(dtype=str)
            found.append(
                SessionAgreement(
                    str(treatment),
                    str(reader),
                    pair,
                    int((said | rated).sum()),
                    int((both[:, 0] == both[:, 1]).sum()),
                    _kappa(both, names[said]),
                    _alpha(rating[rated].to_numpy(), names[rated], "ordinal"),
                )
            )
    return tuple(found)


def _any(tables: Mapping[str, pd.DataFrame], reader: str) -> bool:
    return any(table[reader].notna().any() for table in tables.values())


def _shares(name: str, answer: np.ndarray, known: pd.DataFrame, side: str) -> ReaderContrast | None:
    truth = known["truth"].to_numpy()
    patients = known["patient"].to_numpy(dtype=str)
    used = {"sen": truth == 1, "spe": truth == 0, "acc": truth >= 0}[side]
    first, second = (used & ~np.isnan(answer[:, at]) for at in (0, 1))
    if not first.any() or not second.any():
        return None
    right = answer == truth[:, None]
    return gee_difference(
        name, right[first, 0], right[second, 1], patients[first], patients[second]
    )


def _auc_apart(name: str, rating: np.ndarray, known: pd.DataFrame) -> ReaderContrast | None:
    both = ~np.isnan(rating).any(axis=1)
    if not both.any():
        return None
    try:
        found = rater_estimates(
            rating[both].T,
            known["truth"].to_numpy()[both],
            patients=known["patient"].to_numpy(dtype=str)[both],
        )
    except InputError:  # too few cases of a class
        return None
    c = found.covariance
    variance = float(c[0, 0] + c[1, 1] - 2 * c[0, 1])
    return contrast(name, float(found.values[0] - found.values[1]), variance, math.inf, tested=True)


def _kappa(both: np.ndarray, patients: np.ndarray) -> Interval | None:
    if not len(both):
        return None
    return cohen_kappa(both[:, 0], both[:, 1], patients=patients, resamples=AGREEMENT_RESAMPLES)


def _alpha(ratings: np.ndarray, patients: np.ndarray, level: str) -> Interval | None:
    if not len(ratings):
        return None
    return krippendorff_alpha(
        ratings,
        level,  # type: ignore[arg-type]
        patients=patients,
        resamples=AGREEMENT_RESAMPLES,
    )


def _by_session(rows: pd.DataFrame, column: str, pair: tuple[str, str]) -> pd.DataFrame:
    wide = rows.pivot(index="case", columns="session", values=column)
    return wide.reindex(columns=list(pair)).astype(np.float64)


def _of_answers(answer: np.ndarray, patients: np.ndarray) -> dict[str, Interval]:
    if np.isnan(answer).all():
        return {}
    given = {"patients": patients, "resamples": AGREEMENT_RESAMPLES}
    return {
        "fleiss": fleiss_kappa_interval(answer, missing="keep", **given),  # type: ignore[arg-type]
        "ac1": gwet_ac1(answer, **given),  # type: ignore[arg-type]
        "alpha_nominal": _alpha(answer, patients, "nominal") or _UNKNOWN,
    }


def _of_ratings(rating: np.ndarray, patients: np.ndarray) -> dict[str, Interval]:
    if np.isnan(rating).all():
        return {}
    return {
        f"alpha_{level}": _alpha(rating, patients, level) or _UNKNOWN
        for level in ("ordinal", "interval")
    }
