"""How far readers agree: with each other, with the arms, and with themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.intervals import Interval
from abl.decide.readers.contrasts import ReaderContrast
from abl.decide.readers.rater_pairs import RaterPair, rater_pairs
from abl.decide.readers.reader_agreement import group_agreements, session_agreements
from abl.studies.readers.joined import Compared

ALL = "all readers"
WITHIN, OF_GROUP, OF_PAIR = "sessions", "group", "pair"
COHEN = "Cohen's kappa"
COEFFICIENTS = {
    "fleiss": "Fleiss' kappa", "ac1": "Gwet's AC1", "alpha_nominal": "Krippendorff's alpha",
    "alpha_ordinal": "alpha of ratings, ordinal", "alpha_interval": "alpha of ratings, interval",
}  # fmt: skip
_NAN = float("nan")


def agreement_rows(compared: Compared) -> pd.DataFrame:
    """A row a coefficient of a group, pair or reader: what (group, pair, or a reader's sessions),
    first, second, treatment, statistic, value, low, high, images and same (of pairs and sessions:
    on how many both answered, and in how many alike).

    Groups are all readers and those of one experience; pairs are of readers and of arms.
    """
    return pd.DataFrame(
        [*_groups(compared.answers), *_pairs(compared), *_sessions(compared.answers)]
    )


def told_pairs(compared: Compared) -> Iterator[RaterPair]:
    """Every two raters of a treatment, with the arms in each; two arms once, in none."""
    frame = compared.together.frame
    is_arm = frame["reader"].isin(compared.arms).to_numpy()
    treatments = compared.answers.treatments
    arms = [frame[is_arm].assign(treatment=name) for name in treatments]
    beside = replace(compared.together, frame=pd.concat([frame[~is_arm], *arms], ignore_index=True))
    # readers first, arms in the order of the table
    order = {name: at for at, name in enumerate([*compared.answers.readers, *compared.arms])}
    for pair in rater_pairs(beside.of_first_session()):
        if pair.first in compared.arms and pair.second in compared.arms:
            if pair.treatment != treatments[0]:
                continue
            pair = replace(pair, treatment="")
        yield pair if order[pair.first] < order[pair.second] else _turned(pair)


def _turned(pair: RaterPair) -> RaterPair:
    """Second minus first."""

    def turned(found: ReaderContrast | None) -> ReaderContrast | None:
        if found is None:
            return None
        return replace(
            found,
            name=f"{pair.second} - {pair.first}",
            estimate=-found.estimate,
            low=-found.high,
            high=-found.low,
            t=-found.t,
        )

    return replace(
        pair,
        first=pair.second,
        second=pair.first,
        sen=turned(pair.sen),
        spe=turned(pair.spe),
        acc=turned(pair.acc),
        auc=turned(pair.auc),
    )


def _groups(answers: ReaderAnswers) -> Iterator[dict[str, Any]]:
    for each in group_agreements(answers, answers.readers):
        for name, found in each.coefficients.items():
            if name == "alpha_ordinal" and math.isnan(found.estimate):
                continue  # of ratings with more values than it counts
            yield {
                "what": OF_GROUP, "first": each.group or ALL, "second": "",
                "treatment": each.treatment, "statistic": COEFFICIENTS[name], **_ends(found),
                "images": _NAN, "same": _NAN,
            }  # fmt: skip


def _pairs(compared: Compared) -> Iterator[dict[str, Any]]:
    for pair in told_pairs(compared):
        if pair.kappa is not None:
            yield {
                "what": OF_PAIR, "first": pair.first, "second": pair.second,
                "treatment": pair.treatment, "statistic": COHEN, **_ends(pair.kappa),
                "images": pair.cases, "same": pair.same,
            }  # fmt: skip


def _sessions(answers: ReaderAnswers) -> Iterator[dict[str, Any]]:
    for each in session_agreements(answers):
        for name, found in ((COHEN, each.kappa), (COEFFICIENTS["alpha_ordinal"], each.alpha)):
            if found is not None:
                yield {
                    "what": WITHIN, "first": each.reader, "second": " and ".join(each.sessions),
                    "treatment": each.treatment, "statistic": name, **_ends(found),
                    "images": each.cases, "same": each.same if name == COHEN else _NAN,
                }  # fmt: skip


def _ends(found: Interval) -> dict[str, float]:
    return {"value": found.estimate, "low": found.low, "high": found.high}
