"""All that test predictions say of the labels of a data set: rates, order, flags, pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from abl.decide.audit.appearances import Appearances
from abl.decide.audit.error_rates import ErrorRates, error_rates
from abl.decide.audit.expected_flags import ExpectedFlags, expected_flags
from abl.decide.audit.label_order import JudgedLabels, judged_labels, without_gaps
from abl.decide.check import Bools, Floats, Ints, largest_class
from abl.decide.consensus import more_than_share
from abl.errors import InputError, nearest

FlagRule = Literal["score", "posterior", "share"]
FLAG_RULES: tuple[str, ...] = get_args(FlagRule)
# of the default flag; docs/audit.md says how they were chosen
CUT = 0.7
CUT_OF_ONE = 0.1  # of q, where an image has one test appearance


@dataclass(frozen=True, eq=False)
class LabelAudit:
    """Of N images.

    Attributes:
        found, rates: What was counted, and the posterior of the error rates.
        score: (N,) higher: look first; nan where an image was in no test set.
        said: (N,) class that the networks' mean holds most probable; -1 where none saw the image.
        flagged: (N,) by `flag`.
        expected: Numbers of images with E / O > theta, against both nulls.
    """

    found: Appearances
    rates: ErrorRates
    score: Floats
    said: Ints
    flagged: Bools
    flag: FlagRule
    expected: ExpectedFlags

    @property
    def order(self) -> Ints:
        """(N,) positions, the highest score first, equal ones by name; images unseen last."""
        found: Ints = np.argsort(-np.nan_to_num(self.score, nan=-1.0), kind="stable")
        return found

    def frame(self) -> pd.DataFrame:
        """image, label, error_rate, low, high, score, flagged, above (probability that the rate is
        more than theta), said (nullable), seen, wrong; in this order of columns and of `order`.
        """
        found, rates = self.found, self.rates
        table = pd.DataFrame(
            {
                "image": found.images, "label": found.labels, "error_rate": rates.mean,
                "low": rates.low, "high": rates.high, "score": self.score,
                "flagged": self.flagged, "above": rates.above,
                "said": pd.array(np.where(self.said < 0, 0, self.said), dtype="Int64"),
                "seen": found.times_seen, "wrong": found.times_wrong,
            }
        )  # fmt: skip
        table.loc[self.said < 0, "said"] = pd.NA
        return table.iloc[self.order].reset_index(drop=True)

    def confused_pairs(self) -> pd.DataFrame:
        """label, said, images, flagged: pairs of classes, those of most flagged images first."""
        apart = (self.said >= 0) & (self.said != self.found.labels)
        table = pd.DataFrame(
            {"label": self.found.labels[apart], "said": self.said[apart],
             "flagged": self.flagged[apart].astype(np.int64)}
        )  # fmt: skip
        pairs = table.groupby(["label", "said"])["flagged"].agg(["size", "sum"]).reset_index()
        pairs.columns = pd.Index(["label", "said", "images", "flagged"])
        by = ["flagged", "images", "label", "said"]
        return pairs.sort_values(by, ascending=[False, False, True, True], ignore_index=True)


def audit_of(
    found: Appearances, *, theta: float = 0.9, flag: FlagRule = "score", seed: int = 0
) -> LabelAudit:
    """The whole audit.

    Args:
        theta: An error rate; that of `flag` posterior and share, and of the numbers expected.
        flag: `score`: the mean of E / O and of 1 - q, what the networks together hold against the
            label, is more than CUT: at 5 of 5 wrong q is less than 0.6, at 4 of 5 less than 0.4.
            Of a single appearance E / O says nothing that q does not: q is less than CUT_OF_ONE;
            `posterior`: the probability that the error rate exceeds theta is more than one half;
            `share`: E / O > theta, as the paper has it.
        seed: Of the numbers expected.

    Raises:
        InputError: theta outside [0, 1]; no such flag; no image was in a test set.
    """
    if not 0 <= theta <= 1:
        raise InputError(f"theta: {theta} is outside [0, 1]")
    if flag not in FLAG_RULES:
        raise InputError(f"flag '{flag}': {nearest(flag, FLAG_RULES)}")
    rates = error_rates(found, theta)
    judged = judged_labels(found)
    return LabelAudit(
        found=found,
        rates=rates,
        score=judged.score,
        said=_said(found),
        flagged=flags_of(found, rates, judged, flag),
        flag=flag,
        expected=expected_flags(found, rates, seed=seed),
    )


def flags_of(found: Appearances, rates: ErrorRates, judged: JudgedLabels, flag: FlagRule) -> Bools:
    """(N,) as audit_of; never an image that was in no test set."""
    if flag == "share":
        return more_than_share(found.times_wrong, found.times_seen, rates.theta)
    with np.errstate(invalid="ignore"):
        if flag == "posterior":
            often: Bools = rates.above > 0.5
            return often
        suspect = (found.share_wrong + 1 - judged.pooled) / 2 > CUT
        alone: Bools = (found.times_wrong == 1) & (judged.pooled < CUT_OF_ONE)
        return np.where(found.times_seen == 1, alone, suspect)


def _said(found: Appearances) -> Ints:
    seen = found.times_seen > 0
    said = np.full(len(seen), -1, dtype=np.int64)
    said[seen] = largest_class(without_gaps(found.p[seen]).mean(axis=1))
    return said
