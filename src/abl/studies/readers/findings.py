"""What a reader study says: each rater, pairs of raters, arms against readers, treatments,
agreement.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from abl.data.annotations.mask_names import natural_order
from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.intervals import Interval
from abl.decide.multiple_testing import holm_p
from abl.decide.readers.contrast_tests import contrast_tests
from abl.decide.readers.contrasts import ReaderContrast
from abl.decide.readers.rater_estimates import CovarianceMethod, ReaderStatistic
from abl.decide.readers.rater_summaries import rater_summaries
from abl.decide.readers.reader_study import compare_algorithm, compare_treatments
from abl.errors import InputError
from abl.studies.readers.agreeing import ALL, told_pairs
from abl.studies.readers.joined import Compared

ARM, READER = "arm", "reader"
SHARES: tuple[ReaderStatistic, ...] = ("sen", "spe", "acc")
_NAN = float("nan")
_NOTHING = Interval(_NAN, _NAN, _NAN)


@dataclass(frozen=True, eq=False)
class ReaderFindings:
    """Frames of a reader study.

    Attributes:
        raters: A row a rater and treatment: rater, kind (reader or arm), treatment, experience,
            tp, fn, fp, tn, missing, and sen, spe, acc, auc with _low and _high.
        differences: A row a pair of raters and statistic: first, second, kinds, treatment,
            statistic, difference, low, high, p, holm (P adjusted within kinds and statistic).
        against: A row an arm, group of readers, treatment, statistic and what is random: arm_value,
            readers_value, difference, low, high, df, p, noninferior (one-sided P), why;
            holm and noninferior_holm are these P adjusted within the arms.
        treatments: A row a pair of treatments, group of readers, statistic and what is random; holm
            is P adjusted within the pairs.
        notes: Comparisons that could not be made, and why.
    """

    raters: pd.DataFrame
    differences: pd.DataFrame
    against: pd.DataFrame
    treatments: pd.DataFrame
    notes: tuple[str, ...]


def reader_findings(
    compared: Compared,
    method: CovarianceMethod,
    margin: float | None,
    base: str | None = None,
) -> ReaderFindings:
    """Every comparison that the answers allow.

    Args:
        method: Of the covariance of AUCs.
        margin: Of non-inferiority, a share; None: not asked.
        base: The treatment that others are compared with.
    """
    notes: dict[str, str] = {}  # one fault each: other arms and statistics have the same
    differences = _adjusted(pd.DataFrame(_pairs(compared)), ["kinds", "statistic"], {"p": "holm"})
    against = _adjusted(
        pd.DataFrame(_against(compared, method, margin, notes)),
        ["group", "treatment", "statistic", "effects"],
        {"p": "holm", "noninferior": "noninferior_holm"},
    )
    return ReaderFindings(
        _rater_rows(compared),
        differences,
        against,
        pd.DataFrame(_treatments(compared.answers, method, base, notes)),
        tuple(f"{what}: {why}." for what, why in notes.items()),
    )


def _adjusted(frame: pd.DataFrame, family: list[str], of: dict[str, str]) -> pd.DataFrame:
    """The frame with columns of P adjusted (Holm) within rows that are alike in some columns.

    Args:
        of: Column of P -> that of the adjusted one.
    """
    if frame.empty:
        return frame
    frame = frame.assign(**dict.fromkeys(of.values(), _NAN))
    for _, part in frame.groupby(family):
        for own, adjusted in of.items():
            frame.loc[part.index, adjusted] = holm_p(part[own])
    return frame


def statistics_of(answers: ReaderAnswers) -> tuple[ReaderStatistic, ...]:
    """What answers allow: AUC of ratings; sensitivity, specificity, accuracy of answers."""
    return (
        *(("auc",) if answers.has_ratings else ()),
        *(SHARES if answers.has_answers else ()),
    )


def reader_groups(answers: ReaderAnswers) -> dict[str, tuple[str, ...]]:
    """Groups of readers: all, and those of each experience where there are several of each."""
    frame = answers.frame.drop_duplicates("reader")
    found = {ALL: answers.readers}
    named = frame[(frame["experience"] != "").to_numpy()]
    if named["experience"].nunique() > 1:
        for name in sorted(named["experience"].unique(), key=natural_order):
            members = set(named["reader"][(named["experience"] == name).to_numpy()])
            if len(members) > 1:
                found[str(name)] = tuple(each for each in answers.readers if each in members)
    return found


def _rater_rows(compared: Compared) -> pd.DataFrame:
    rows = []
    for each in rater_summaries(compared.together):
        kind = ARM if each.reader in compared.arms else READER
        row: dict[str, Any] = {
            "rater": each.reader, "kind": kind, "treatment": each.treatment,
            "experience": each.experience, "tp": each.tp, "fn": each.fn, "fp": each.fp,
            "tn": each.tn, "missing": each.missing,
        }  # fmt: skip
        for name in ("sen", "spe", "acc", "auc"):
            found = getattr(each, name) or _NOTHING
            row |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
        rows.append(row)
    frame = pd.DataFrame(rows)
    # readers first, arms in the order of the table
    order = [*compared.answers.readers, *compared.arms]
    place = {name: at for at, name in enumerate(order)}
    return frame.iloc[frame["rater"].map(place).argsort(kind="stable")].reset_index(drop=True)


def _pairs(compared: Compared) -> Iterator[dict[str, Any]]:
    """Raters of one treatment, and arms against each of these; what arms answer is one thing in all
    treatments, so that two arms are compared once.
    """
    for pair in told_pairs(compared):
        kinds = [ARM if name in compared.arms else READER for name in (pair.first, pair.second)]
        for statistic in statistics_of(compared.answers):
            found = getattr(pair, statistic)
            if found is not None:
                yield {
                    "first": pair.first, "second": pair.second, "kinds": " - ".join(kinds),
                    "treatment": pair.treatment, "statistic": statistic,
                    **{name: value for name, value in _of(found).items() if name != "df"},
                }  # fmt: skip


def _against(
    compared: Compared, method: CovarianceMethod, margin: float | None, notes: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Obuchowski and Rockette's form of an algorithm against readers, of every arm."""
    groups = reader_groups(compared.answers)
    for arm in compared.arms:
        beside = _with_arm(compared, arm)
        for (group, readers), statistic in itertools.product(
            groups.items(), statistics_of(compared.answers)
        ):
            try:
                parts = compare_algorithm(beside, arm, statistic, method, readers=readers)
            except InputError as error:
                notes.setdefault(f"Arms against {group} are not compared", str(error))
                continue
            for part in parts:
                for effects, found in part.analyses.items():
                    yield {
                        "arm": arm, "group": group, "readers": len(part.readings.raters) - 1,
                        "treatment": part.treatment, "statistic": statistic, "effects": effects,
                        "arm_value": found.algorithm.estimate,
                        "readers_value": found.readers.estimate,
                        "readers_low": found.readers.low, "readers_high": found.readers.high,
                        **_of(found.difference),
                        "noninferior": _NAN if margin is None
                        else found.difference.p_above(-margin),
                    }  # fmt: skip


def _with_arm(compared: Compared, arm: str) -> ReaderAnswers:
    frame = compared.together.frame
    others = [name for name in compared.arms if name != arm]
    kept = frame[~frame["reader"].isin(others).to_numpy()].reset_index(drop=True)
    return replace(compared.together, frame=kept)


def _treatments(
    answers: ReaderAnswers, method: CovarianceMethod, base: str | None, notes: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Treatments by all readers and by groups."""
    if len(answers.treatments) < 2:
        return
    for (group, readers), statistic in itertools.product(
        reader_groups(answers).items(), statistics_of(answers)
    ):
        try:
            whole = compare_treatments(answers, statistic, method, readers=readers, base=base)
        except InputError as error:
            notes.setdefault(f"Treatments are not compared by {group}", str(error))
            continue
        for effects, found in whole.analyses.items():
            names = itertools.combinations(found.treatments, 2)
            tests = contrast_tests(found.differences)
            for (one, other), apart, test in zip(names, found.differences, tests, strict=True):
                yield {
                    "first": one.name, "second": other.name, "group": group,
                    "statistic": statistic, "effects": effects,
                    "first_value": one.estimate, "second_value": other.estimate, **_of(apart),
                    "holm": test.p,
                }  # fmt: skip


def _of(found: ReaderContrast) -> dict[str, Any]:
    return {
        "difference": found.estimate, "low": found.low, "high": found.high, "df": found.df,
        "p": found.p, "why": found.why,
    }  # fmt: skip
