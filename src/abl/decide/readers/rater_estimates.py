"""AUC, sensitivity, specificity or accuracy of several raters on the same cases, and their
covariance over samples of cases.

Where patients have several cases, the patient is what is sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from abl.decide.check import Bools, Floats, Ints
from abl.errors import InputError, nearest

ReaderStatistic = Literal["auc", "sen", "spe", "acc"]
CovarianceMethod = Literal["delong", "jackknife", "unbiased"]
READER_STATISTICS: tuple[ReaderStatistic, ...] = get_args(ReaderStatistic)
COVARIANCE_METHODS: tuple[CovarianceMethod, ...] = get_args(CovarianceMethod)
_BLOCK = 4_000_000  # pairs of cases, over all raters, that are held at once


class TooFewUnitsError(InputError):
    """A class has fewer than two cases or patients, so that no spread over cases is known."""


@dataclass(frozen=True, eq=False)
class RaterEstimates:
    """Values of raters on the same cases.

    Attributes:
        statistic, method: As asked for.
        values: (R,) float64 in [0, 1].
        covariance: (R, R) float64 over samples of cases (of patients, where they have several).
        positives, negatives: How many cases of class 1 and of others there are.
        units: How many independent units the statistic was estimated on: cases, or patients, of the
            classes that enter it.
        clustered: Whether patients have several cases.
    """

    statistic: ReaderStatistic
    method: CovarianceMethod
    values: Floats
    covariance: Floats
    positives: int
    negatives: int
    units: int
    clustered: bool

    def subset(self, raters: Sequence[int]) -> RaterEstimates:
        """Those of some of the raters, by position."""
        at = np.asarray(raters, dtype=np.int64)
        return RaterEstimates(
            self.statistic,
            self.method,
            self.values[at],
            self.covariance[np.ix_(at, at)],
            self.positives,
            self.negatives,
            self.units,
            self.clustered,
        )


def rater_estimates(
    scores: ArrayLike,
    truth: ArrayLike,
    statistic: ReaderStatistic = "auc",
    method: CovarianceMethod = "delong",
    *,
    patients: Sequence[Any] | NDArray | None = None,
) -> RaterEstimates:
    """Values of raters, and their covariance over samples of cases.

    delong: of the structural components (DeLong, DeLong, Clarke-Pearson, Biometrics 44, 1988), with
    patients of several cases by Obuchowski (Biometrics 53, 1997). jackknife: one case, or patient,
    left out at a time; of those classes that enter the statistic. unbiased: the U-statistic of
    pairs (Gallas, Acad. Radiol. 13, 2006; Hillis, Stat. Med. 33, 2014, appendix). Of sensitivity,
    specificity and accuracy, which are means over cases, the three are one: the covariance of the
    mean.

    Args:
        scores: (R, N); ratings for auc, answers 0 and 1 for sen and spe, positions of any classes
            for acc. None is missing.
        truth: (N,) 0 or 1; for acc as the scores.
        patients: (N,) names or codes; None: each case is a patient of its own.

    Raises:
        TooFewUnitsError: A class with fewer than two units.
        InputError: Shapes that do not fit, missing or other values, unbiased with patients of
            several cases.
    """
    given, labels = _checked(scores, truth, statistic, method)
    codes = _codes(patients, len(labels))
    clustered = len(np.unique(codes)) < len(codes)
    positive = labels == 1
    sides = {"sen": positive, "spe": ~positive, "acc": np.ones(len(labels), dtype=bool)}
    counts = int(positive.sum()), int((~positive).sum())
    if statistic != "auc":
        used = sides[statistic]
        right = given == labels
        names = {"sen": "positive ", "spe": "negative "}
        _check_units(statistic, codes[used], names.get(statistic, ""))
        values, covariance, units = _means(right[:, used].astype(np.float64), codes[used])
    else:
        if clustered and method == "unbiased":
            raise InputError(
                "the unbiased covariance takes cases as independent, and here patients have "
                "several: ask for delong or jackknife"
            )
        for side, name in ((positive, "positive "), (~positive, "negative ")):
            _check_units(statistic, codes[side], name)
        values, first, second = _components(given, positive)
        units = len(np.unique(codes))
        if method == "unbiased":
            covariance = _unbiased(given, positive, values)
        elif method == "delong":
            covariance = _delong(values, first, second, codes, positive)
        else:
            covariance = _jackknife(given, values, first, second, codes, positive)
    return RaterEstimates(statistic, method, values, covariance, *counts, units, clustered)


def _checked(scores: ArrayLike, truth: ArrayLike, statistic: str, method: str) -> Any:
    for asked, known in ((statistic, READER_STATISTICS), (method, COVARIANCE_METHODS)):
        if asked not in known:
            raise InputError(f"'{asked}' is not known: {nearest(asked, known)}")
    given = np.asarray(scores, dtype=np.float64)
    labels = np.asarray(truth, dtype=np.float64)
    if given.ndim != 2 or labels.shape != given.shape[1:] or not given.size:
        raise InputError(f"scores of shape {given.shape} for truth of shape {labels.shape}")
    if np.isnan(given).any():
        raise InputError(f"scores: {int(np.isnan(given).sum())} are missing")
    if statistic == "acc":
        return given, labels
    if not np.isin(labels, (0, 1)).all():
        raise InputError("truth: values other than 0 and 1")
    if statistic != "auc" and not np.isin(given, (0, 1)).all():
        raise InputError(f"{statistic} is of answers 0 and 1, and these are others")
    return given, labels


def _codes(patients: Sequence[Any] | NDArray | None, cases: int) -> Ints:
    if patients is None:
        return np.arange(cases)
    names = np.asarray(patients)
    if names.shape != (cases,):
        raise InputError(f"{len(names)} patients for {cases} cases")
    return np.unique(names.astype(str), return_inverse=True)[1].astype(np.int64)


def _check_units(statistic: str, codes: Ints, name: str = "") -> None:
    units = len(np.unique(codes))
    if units < 2:
        raise TooFewUnitsError(
            f"{statistic}: only {units} {name}case or patient: a spread over cases needs two or "
            "more; --statistic names others"
        )


def _means(values: Floats, codes: Ints) -> tuple[Floats, Floats, int]:
    """Mean of each rater (R,), their covariance, units; of patients the ratio estimator."""
    groups, code = np.unique(codes, return_inverse=True)
    units = len(groups)
    mean = values.mean(axis=1)
    off = _summed(values - mean[:, None], code, units)
    return mean, off @ off.T * units / (units - 1) / values.shape[1] ** 2, units


def _summed(values: Floats, code: Ints, groups: int) -> Floats:
    """(R, groups): values of each patient's cases added."""
    summed = np.zeros((groups, len(values)))
    np.add.at(summed, code, values.T)
    return summed.T


def _components(scores: Floats, positive: Bools) -> tuple[Floats, Floats, Floats]:
    """AUC (R,), and structural components of positives (R, n1) and negatives (R, n0), by ranks."""
    high, low = scores[:, positive], scores[:, ~positive]
    together = scipy.stats.rankdata(np.hstack([high, low]), axis=1)
    n1, n0 = high.shape[1], low.shape[1]
    first = (together[:, :n1] - scipy.stats.rankdata(high, axis=1)) / n0
    second = 1 - (together[:, n1:] - scipy.stats.rankdata(low, axis=1)) / n1
    return first.mean(axis=1), first, second


def _delong(values: Floats, first: Floats, second: Floats, codes: Ints, positive: Bools) -> Floats:
    n1, n0 = first.shape[1], second.shape[1]
    off1, off0 = first - values[:, None], second - values[:, None]
    groups, code = np.unique(codes, return_inverse=True)
    if len(groups) == len(codes):
        return off1 @ off1.T / (n1 - 1) / n1 + off0 @ off0.T / (n0 - 1) / n0
    sum1 = _summed(off1, code[positive], len(groups))
    sum0 = _summed(off0, code[~positive], len(groups))
    units1, units0 = (len(np.unique(code[side])) for side in (positive, ~positive))
    both = len(groups)
    part1 = units1 / (units1 - 1) * (sum1 @ sum1.T) / n1**2
    part0 = units0 / (units0 - 1) * (sum0 @ sum0.T) / n0**2
    cross = both / (both - 1) * (sum1 @ sum0.T) / (n1 * n0)
    return part1 + part0 + cross + cross.T


def _jackknife(
    scores: Floats, values: Floats, first: Floats, second: Floats, codes: Ints, positive: Bools
) -> Floats:
    n1, n0 = first.shape[1], second.shape[1]
    groups, code = np.unique(codes, return_inverse=True)
    units = len(groups)
    lost1 = np.bincount(code[positive], minlength=units)
    lost0 = np.bincount(code[~positive], minlength=units)
    if (lost1 == n1).any() or (lost0 == n0).any():
        raise InputError("jackknife: one patient has all cases of a class")
    # pairs that go with a patient: those of its positives and of its negatives, its own once
    gone = _summed(first * n0, code[positive], units) + _summed(second * n1, code[~positive], units)
    for at in np.flatnonzero((lost1 > 0) & (lost0 > 0)):
        mine = code == at
        gone[:, at] -= _wins(scores[:, mine & positive], scores[:, mine & ~positive]).sum((1, 2))
    left = (values[:, None] * n1 * n0 - gone) / ((n1 - lost1) * (n0 - lost0))
    off = left - left.mean(axis=1, keepdims=True)
    return off @ off.T * (units - 1) / units


def _wins(high: Floats, low: Floats) -> Floats:
    """(R, n1, n0): 1 where the positive has the higher score, 1/2 where both are equal."""
    difference = high[:, :, None] - low[:, None, :]
    return (np.sign(difference) + 1) / 2


def _unbiased(scores: Floats, positive: Bools, values: Floats) -> Floats:
    """Covariance of AUCs by unbiased estimates of its moments.

    With psi_r(i, j) whether rater r ranks positive i above negative j, cov(A_r, A_s) is (M1 +
    (n1 - 1) M2 + (n0 - 1) M3 + (n1 - 1)(n0 - 1) M4) / (n1 n0) - M4, M1 to M4 the expectations of
    psi_r psi_s over the same pair, pairs that share a negative, that share a positive, and neither.
    """
    high, low = scores[:, positive], scores[:, ~positive]
    n1, n0, raters = high.shape[1], low.shape[1], len(scores)
    rows, columns = np.zeros((raters, n1)), np.zeros((raters, n0))
    same = np.zeros((raters, raters))
    step = max(1, _BLOCK // (raters * n0))
    for start in range(0, n1, step):
        wins = _wins(high[:, start : start + step], low)
        rows[:, start : start + step] = wins.sum(axis=2)
        columns += wins.sum(axis=1)
        flat = wins.reshape(raters, -1)
        same += flat @ flat.T
    of_positive, of_negative = rows @ rows.T - same, columns @ columns.T - same
    total = np.outer(values, values) * (n1 * n0) ** 2
    apart = total - of_positive - of_negative - same
    m1 = same / (n1 * n0)
    m2 = of_negative / (n1 * (n1 - 1) * n0)
    m3 = of_positive / (n1 * n0 * (n0 - 1))
    m4 = apart / (n1 * (n1 - 1) * n0 * (n0 - 1))
    return (m1 + (n1 - 1) * m2 + (n0 - 1) * m3 + (n1 - 1) * (n0 - 1) * m4) / (n1 * n0) - m4
