"""How far readers agree: with each other, with the arms, and with themselves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.agreement import cohen_kappa, fleiss_kappa_interval
from abl.decide.intervals import Interval
from abl.errors import InputError
from abl.studies.readers.findings import groups_of
from abl.studies.readers.joined import Compared

RESAMPLES = 1000  # as published
FLEISS, COHEN = "Fleiss' kappa", "Cohen's kappa"
WITHIN, OF_GROUP, OF_PAIR = "reader with themselves", "group", "pair"
LEAST_SHARED = 2  # images of two raters without which kappa says nothing
_NAN = float("nan")


def agreement_rows(compared: Compared) -> pd.DataFrame:
    """A row a group or pair of raters and treatment: what (group, pair, or a reader with
    themselves), first, second, treatment, statistic, value, low, high, images, agree (share).

    Groups are all readers and those of one experience; pairs are of readers and of arms. Images
    that one of them did not answer are left out of that row. Intervals: 1000 bootstrap resamples of
    patients.
    """
    answers, rows = compared.answers, []
    first = answers.of_first_session().frame
    patients = answers.truth_of()["patient"]
    for treatment in answers.treatments:
        wide = _wide(first[(first["treatment"] == treatment).to_numpy()])
        for group, readers in groups_of(answers).items():
            there = [name for name in readers if name in wide]
            if len(there) >= 2:
                rows.append(_row(OF_GROUP, group, "", treatment, wide[there], patients))
    together = compared.together.of_first_session().frame
    arms = _wide(together[together["reader"].isin(compared.arms).to_numpy()])
    for treatment in answers.treatments:
        wide = _wide(first[(first["treatment"] == treatment).to_numpy()]).join(arms, how="left")
        for one, other in itertools.combinations(wide.columns, 2):
            if one in compared.arms and treatment != answers.treatments[0]:
                continue  # two arms have no treatment: told once
            told = "" if one in compared.arms else treatment
            rows.append(_row(OF_PAIR, one, other, told, wide[[one, other]], patients))
    rows += _within(answers, patients)
    return pd.DataFrame(rows)


def _within(answers: ReaderAnswers, patients: pd.Series) -> list[dict[str, Any]]:
    """A reader's first session against each later one of the same treatment."""
    rows = []
    for (treatment, reader), own in answers.frame.groupby(["treatment", "reader"], sort=False):
        wide = own.pivot(index="case", columns="session", values="answer")
        sessions = [name for name in answers.sessions if name in wide]
        for later in sessions[1:]:
            both = wide[[sessions[0], later]]
            second = f"session {later}"
            rows.append(_row(WITHIN, str(reader), second, str(treatment), both, patients))
    return rows


def _wide(frame: pd.DataFrame) -> pd.DataFrame:
    """(images, raters) answers, nan where there is none; raters without one are left out."""
    wide = frame.pivot(index="case", columns="reader", values="answer")
    return wide.dropna(axis=1, how="all")


def _row(
    what: str, first: str, second: str, treatment: str, wide: pd.DataFrame, patients: pd.Series
) -> dict[str, Any]:
    whole = wide.dropna()
    found = _kappa(whole, patients.reindex(whole.index).to_numpy(str), pair=what != OF_GROUP)
    same = (whole.to_numpy() == whole.to_numpy()[:, :1]).all(axis=1) if len(whole) else np.array([])
    return {
        "what": what, "first": first, "second": second, "treatment": treatment,
        "raters": wide.shape[1], "statistic": COHEN if what != OF_GROUP else FLEISS,
        "value": found.estimate, "low": found.low, "high": found.high, "images": len(whole),
        "agree": float(same.mean()) if len(whole) else _NAN,
    }  # fmt: skip


def _kappa(whole: pd.DataFrame, patients: Sequence[str] | np.ndarray, *, pair: bool) -> Interval:
    if len(whole) < LEAST_SHARED:
        return Interval(_NAN, _NAN, _NAN)
    values = whole.to_numpy(np.int64)
    try:
        if pair:
            return cohen_kappa(values[:, 0], values[:, 1], patients=patients, resamples=RESAMPLES)
        return fleiss_kappa_interval(values, patients=patients, resamples=RESAMPLES)
    except InputError:
        return Interval(_NAN, _NAN, _NAN)


def kappa_words(kappa: float) -> str:
    """The band of a kappa: Landis, Koch, Biometrics 33, 1977; "" where it is undefined."""
    if math.isnan(kappa):
        return ""
    bands = ((0.0, "poor"), (0.20, "slight"), (0.40, "fair"), (0.60, "moderate"))
    for top, word in (*bands, (0.80, "substantial")):
        if kappa <= top:
            return word
    return "almost perfect"
