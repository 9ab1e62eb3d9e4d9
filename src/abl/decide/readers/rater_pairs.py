"""Two raters at a time: whether their shares of right answers differ, and how far they agree."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.agreement import KappaWeights
from abl.decide.intervals import Interval
from abl.decide.readers.clustered_shares import gee_difference
from abl.decide.readers.contrasts import ReaderContrast
from abl.decide.readers.rater_differences import auc_difference
from abl.decide.readers.rater_estimates import rater_estimates
from abl.decide.readers.reader_agreement import gave_any, pair_kappa
from abl.errors import InputError


@dataclass(frozen=True)
class RaterPair:
    """Two raters in one treatment, first minus second; None where there is nothing to compare.

    Attributes:
        sen, spe, acc: Of answers of the cases that both answered, by GEE over patients; of several
            classes sen and spe are of the positive one.
        auc: Of ratings of the cases that both rated, by DeLong.
        cases: That both answered.
        same: Of these, in how many the answers are one.
        kappa: Cohen's, of answers.
        weighted: By the distance of the classes; None where no weights are asked for.
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
    weighted: Interval | None


def rater_pairs(
    answers: ReaderAnswers, weights: KappaWeights | None = None
) -> tuple[RaterPair, ...]:
    """Every two raters of each treatment; P values are not corrected for their number.

    Args:
        weights: Of kappa by the distance of the classes, which then have an order.
    """
    found = []
    known = answers.truth_of()
    patients = known["patient"].to_numpy(dtype=str)
    for treatment in answers.treatments:
        tables = {name: answers.table(name, treatment) for name in ("answer", "rating")}
        there = [name for name in answers.readers if gave_any(tables, name)]
        for first, second in itertools.combinations(there, 2):
            answer = tables["answer"][[first, second]].to_numpy()
            rating = tables["rating"][[first, second]].to_numpy()
            both = ~np.isnan(answer).any(axis=1)
            name = f"{first} - {second}"
            shares: dict[str, ReaderContrast | None] = dict.fromkeys(("sen", "spe", "acc", "auc"))
            if answers.has_truth:
                for side in ("sen", "spe", "acc"):
                    shares[side] = _shares(name, answer, known, side, answers.positive)
                shares["auc"] = _auc_apart(name, rating, known, answers.positive)
            found.append(
                RaterPair(
                    treatment,
                    first,
                    second,
                    shares["sen"],
                    shares["spe"],
                    shares["acc"],
                    shares["auc"],
                    int(both.sum()),
                    int((answer[both, 0] == answer[both, 1]).sum()),
                    pair_kappa(answer[both], patients[both]),
                    pair_kappa(answer[both], patients[both], weights) if weights else None,
                )
            )
    return tuple(found)


def _shares(
    name: str, answer: np.ndarray, known: pd.DataFrame, side: str, positive: int | None
) -> ReaderContrast | None:
    truth = known["truth"].to_numpy()
    patients = known["patient"].to_numpy(dtype=str)
    right = answer == truth[:, None]
    used = truth >= 0
    if side != "acc":
        if positive is None:
            return None
        used = (truth == positive) == (side == "sen")
        right = (answer == positive) == (truth == positive)[:, None]
    used = used & ~np.isnan(answer).any(axis=1)
    if not used.any():
        return None
    return gee_difference(name, right[used, 0], right[used, 1], patients[used], patients[used])


def _auc_apart(
    name: str, rating: np.ndarray, known: pd.DataFrame, positive: int | None
) -> ReaderContrast | None:
    both = ~np.isnan(rating).any(axis=1)
    if positive is None or not both.any():
        return None
    try:
        found = rater_estimates(
            rating[both].T,
            known["truth"].to_numpy()[both] == positive,
            patients=known["patient"].to_numpy(dtype=str)[both],
        )
    except InputError:  # too few cases of a class
        return None
    return auc_difference(name, found, 0, 1)
