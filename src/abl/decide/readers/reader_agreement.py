"""How far readers agree: several of them, and one with themselves in another session."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.agreement import (
    KappaWeights,
    cohen_kappa,
    fleiss_kappa_interval,
    gwet_ac1,
    weighted_kappa,
)
from abl.decide.intervals import Interval
from abl.decide.readers.krippendorff import krippendorff_alpha

AGREEMENT_RESAMPLES = 1000
_UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class GroupAgreement:
    """How far several readers agree, in one treatment.

    Attributes:
        group: Their experience; "" of all readers.
        coefficients: fleiss, ac1 and alpha_nominal of answers, alpha_classes (ordinal) of answers
            whose classes have an order, alpha_ordinal and alpha_interval of ratings.
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
        weighted: By the distance of the classes; None where no weights are asked for.
        alpha: Krippendorff's, ordinal, of ratings; None without.
    """

    treatment: str
    reader: str
    sessions: tuple[str, str]
    cases: int
    same: int
    kappa: Interval | None
    weighted: Interval | None
    alpha: Interval | None


def group_agreements(
    answers: ReaderAnswers, readers: Sequence[str], *, ordered: bool = False
) -> tuple[GroupAgreement, ...]:
    """All readers, and those of each experience that several have, in each treatment.

    Args:
        readers: Those that are people.
        ordered: Whether the classes have an order.
    """
    of_reader = answers.frame.drop_duplicates("reader").set_index("reader")["experience"]
    groups = {"": tuple(name for name in answers.readers if name in readers)}
    for experience in sorted(set(of_reader) - {""}):
        groups[experience] = tuple(name for name in groups[""] if of_reader[name] == experience)
    found = []
    for treatment in answers.treatments:
        tables = {name: answers.table(name, treatment) for name in ("answer", "rating")}
        for group, members in groups.items():
            there = tuple(name for name in members if gave_any(tables, name))
            if len(there) < 2 or (group and len(there) == len(groups[""])):
                continue
            answer, rating = (tables[name][list(there)].to_numpy() for name in tables)
            patients = answers.truth_of()["patient"].to_numpy(dtype=str)
            coefficients = _of_answers(answer, patients, ordered) | _of_ratings(rating, patients)
            found.append(GroupAgreement(treatment, group, there, coefficients))
    return tuple(found)


def session_agreements(
    answers: ReaderAnswers, weights: KappaWeights | None = None
) -> tuple[SessionAgreement, ...]:
    """Each reader's first session against each later one.

    Args:
        weights: As rater_pairs.
    """
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
                    pair_kappa(both, names[said]),
                    pair_kappa(both, names[said], weights) if weights else None,
                    _alpha(rating[rated].to_numpy(), names[rated], "ordinal"),
                )
            )
    return tuple(found)


def gave_any(tables: Mapping[str, pd.DataFrame], reader: str) -> bool:
    """Whether a reader has an answer or rating in a treatment's tables."""
    return any(table[reader].notna().any() for table in tables.values())


def pair_kappa(
    both: np.ndarray, patients: np.ndarray, weights: KappaWeights | None = None
) -> Interval | None:
    """Cohen's kappa of two columns of classes (N, 2), plain or weighted; None of no rows."""
    if not len(both):
        return None
    given = {"patients": patients, "resamples": AGREEMENT_RESAMPLES}
    if weights is not None:
        return weighted_kappa(both[:, 0], both[:, 1], weights, **given)  # type: ignore[arg-type]
    return cohen_kappa(both[:, 0], both[:, 1], **given)  # type: ignore[arg-type]


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


def _of_answers(answer: np.ndarray, patients: np.ndarray, ordered: bool) -> dict[str, Interval]:
    if np.isnan(answer).all():
        return {}
    given = {"patients": patients, "resamples": AGREEMENT_RESAMPLES}
    of_order = {"alpha_classes": _alpha(answer, patients, "ordinal") or _UNKNOWN}
    return {
        "fleiss": fleiss_kappa_interval(answer, missing="keep", **given),  # type: ignore[arg-type]
        "ac1": gwet_ac1(answer, **given),  # type: ignore[arg-type]
        "alpha_nominal": _alpha(answer, patients, "nominal") or _UNKNOWN,
    } | (of_order if ordered else {})


def _of_ratings(rating: np.ndarray, patients: np.ndarray) -> dict[str, Interval]:
    if np.isnan(rating).all():
        return {}
    return {
        f"alpha_{level}": _alpha(rating, patients, level) or _UNKNOWN
        for level in ("ordinal", "interval")
    }
