"""Each rater by itself, and two raters against each other: clusters are patients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.agreement import gee_interval
from abl.decide.check import Bools, Floats
from abl.decide.intervals import FEW_PATIENTS, Interval
from abl.decide.readers.contrasts import ReaderContrast, contrast
from abl.decide.readers.rater_estimates import rater_estimates
from abl.decide.score_intervals import LEVEL, wilson
from abl.errors import InputError


@dataclass(frozen=True)
class RaterSummary:
    """What one reader did in one treatment, on the cases that they answered.

    Attributes:
        experience: As the file says, "" if it does not.
        tp, fn, fp, tn: Counts of answers; 0 where there are ratings alone.
        missing: Cases that others answered and this one did not.
        sen, spe, acc: With GEE intervals; None without answers (of a class).
        auc: Of ratings; None without.
    """

    reader: str
    treatment: str
    experience: str
    tp: int
    fn: int
    fp: int
    tn: int
    missing: int
    sen: Interval | None
    spe: Interval | None
    acc: Interval | None
    auc: Interval | None


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
        cases = rows["case"].nunique()
        for reader in answers.readers:
            mine = rows[rows["reader"] == reader]
            if not len(mine):
                continue
            truth = mine["truth"].to_numpy() == 1
            patients = mine["patient"].to_numpy(dtype=str)
            answer, rating = (mine[name].to_numpy() for name in ("answer", "rating"))
            said = ~np.isnan(answer)
            right = answer == truth
            rated = ~np.isnan(rating)
            found.append(
                RaterSummary(
                    reader,
                    treatment,
                    str(mine["experience"].iloc[0]),
                    int((said & truth & right).sum()),
                    int((said & truth & ~right).sum()),
                    int((said & ~truth & ~right).sum()),
                    int((said & ~truth & right).sum()),
                    cases - int((said | rated).sum()),
                    _share(right, said & truth, patients),
                    _share(right, said & ~truth, patients),
                    _share(right, said, patients),
                    _auc(rating[rated], truth[rated], patients[rated]),
                )
            )
    return tuple(found)


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
    reach = stats.t.ppf((1 + LEVEL) / 2, df)
    low, high = wilson(np.array([value]), np.array([units]), np.array([reach]))
    return Interval(value, float(low[0]), float(high[0]))


def gee_difference(
    name: str,
    first: ArrayLike,
    second: ArrayLike,
    first_patients: Sequence[str] | np.ndarray,
    second_patients: Sequence[str] | np.ndarray,
) -> ReaderContrast:
    """Two raters' shares of right answers, one row per case and rater, clusters = patients.

    P is that of Wald's test on the rater in a logistic regression by generalised estimating
    equations (Liang, Zeger 1986), independence working correlation, robust variance, which for one
    factor is a closed form. Under 50 patients the variance is the bias-reduced one (Mancl,
    DeRouen, Biometrics 57, 2001), with t at one degree of freedom less than there are patients. The
    interval is of the difference of the shares by the same variance. Where a rater is always or
    never right there is no logit: then P is of that difference too.

    Args:
        first, second: (N,), (M,) 0 or 1: whether each answer is right; missing ones are not there.
        first_patients, second_patients: (N,), (M,) of them.
    """
    one, other = (np.asarray(each, dtype=np.float64) for each in (first, second))
    if not len(one) or not len(other):
        return ReaderContrast(name, math.nan, why="no answers")
    names, code = np.unique(
        np.concatenate([first_patients, second_patients]).astype(str), return_inverse=True
    )
    groups = len(names)
    shares = np.array([one.mean(), other.mean()])
    apart = float(shares[0] - shares[1])
    if groups < 2:
        return ReaderContrast(name, apart, why="one patient")
    few = groups < FEW_PATIENTS
    df = groups - 1 if few else math.inf
    sums = np.array(
        [
            _scores(one - shares[0], code[: len(one)], groups, few=few),
            _scores(other - shares[1], code[len(one) :], groups, few=few),
        ]
    )
    plain = contrast(name, apart, float(((sums[0] - sums[1]) ** 2).sum()), df, tested=True)
    if plain.why:
        return plain
    spread = shares * (1 - shares)
    if (spread <= 0).any():
        return plain
    logits = np.log(shares / (1 - shares))
    on_logits = sums / spread[:, None]
    error = math.sqrt(float(((on_logits[0] - on_logits[1]) ** 2).sum()))
    t = float(logits[0] - logits[1]) / error if error > 0 else 0.0
    p = 2 * float(stats.t.sf(abs(t), df))
    return ReaderContrast(name, apart, plain.error, df, plain.low, plain.high, t, p)


def _scores(residuals: Floats, code: np.ndarray, groups: int, *, few: bool) -> Floats:
    """(patients,) what each adds to the error of a mean."""
    summed: Floats = np.bincount(code, weights=residuals, minlength=groups).astype(np.float64)
    if few:
        share = np.bincount(code, minlength=groups) / len(residuals)
        if (share >= 1).any():  # all answers are of one patient: nothing is known of others
            return np.zeros(groups)
        summed = summed / (1 - share)
    return summed / len(residuals)
