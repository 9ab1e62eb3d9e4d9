"""Patient-level permutation tests of paired arms, and their correction over a family.

Under the null hypothesis the two arms' predictions for a patient, over all its images and seeds,
could have been exchanged, for AUC their ranks. Sign s_p = -1 exchanges them for patient p.

For additive metrics the difference is then sum_p s_p d_p. So it is for AUC: U is quadratic in s,
and in the difference of the exchanged arms only the linear part is left (Bandos, Rockette, Gur,
Statistics in Medicine 2005). Metrics of the confusion matrix are computed from exchanged counts;
any other is computed anew for each permutation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from abl.decide.check import Bools, Floats, Ints
from abl.decide.metrics import METRICS, Metric, metric_named
from abl.decide.replicates import (
    ArmScores,
    Patients,
    Scores,
    checked_pair_of_arms,
    confusions_by_patient,
    mean_over_splits,
    patients_of,
)
from abl.errors import InputError

PERMUTATIONS = 10_000
CHUNK = 1000

# signs (B, P) in {-1, 1} -> difference of the exchanged arms (B,)
OfSigns = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Permutation:
    """A paired test.

    Attributes:
        difference: Arm - base; nan if the metric is undefined in every replicate.
        p: Two-sided, (b + 1) / (B + 1); nan with the difference.
        p_corrected: Within the family, by max-T (Westfall, Young 1993, step-down).
    """

    difference: float
    p: float
    p_corrected: float


def family_test(
    contrasts: Sequence[tuple[ArmScores, ArmScores]],
    metric: str,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> list[Permutation]:
    """Patient-level test of the seed-averaged difference of each (arm, base), corrected over all.

    Raises:
        InputError: Arms that were not scored on the same images, or an unknown metric.
    """
    if not contrasts:
        return []
    if permutations < 1:
        raise InputError(f"permutations: {permutations} is not a positive number")
    chosen = metric_named(metric)
    paired = [checked_pair_of_arms(arm, base) for arm, base in contrasts]
    patients = patients_of(*(arm for arm, _ in paired))
    statistics = [_difference_of_signs(arm, base, chosen, patients) for arm, base in paired]
    unexchanged = np.ones((1, len(patients)))
    observed = np.array([of(unexchanged)[0] for of in statistics], dtype=np.float64)
    rng = np.random.default_rng([seed, len(patients)])
    drawn = np.empty((permutations, len(statistics)))
    for start in range(0, permutations, CHUNK):
        size = min(CHUNK, permutations - start)
        flipped = rng.integers(0, 2, size=(size, len(patients)), dtype=np.int8)
        signs = 1.0 - 2.0 * flipped.astype(np.float64)
        for column, of in enumerate(statistics):
            drawn[start : start + size, column] = of(signs)
    p, corrected = _p_values(observed, drawn)
    rows = np.column_stack([observed, p, corrected])
    return [Permutation(*row) for row in rows.tolist()]


def _p_values(observed: Floats, drawn: Floats) -> tuple[Floats, Floats]:
    """Two-sided P and step-down max-T P, (F,) each, from (F,) and (B, F) differences."""
    count = len(drawn)
    p, corrected = np.full(len(observed), math.nan), np.full(len(observed), math.nan)
    tested = np.flatnonzero(~np.isnan(observed))
    # an exchange that leaves the metric undefined counts against the arm
    distances = np.abs(np.where(np.isnan(drawn), math.inf, drawn))[:, tested]
    distance = np.abs(observed[tested])
    scale = np.sqrt(np.mean(np.square(np.nan_to_num(drawn[:, tested])), axis=0))
    scale[scale == 0] = 1.0
    # contrasts on one scale; a tie that rounding broke is a tie
    t, drawn_t = distance / scale - 1e-9, distances / scale
    p[tested] = (1 + np.sum(drawn_t >= t, axis=0)) / (count + 1)
    order = np.argsort(-t, kind="stable")
    from_least = np.maximum.accumulate(drawn_t[:, order[::-1]], axis=1)[:, ::-1]
    stepped = (1 + np.sum(from_least >= t[order], axis=0)) / (count + 1)
    corrected[tested[order]] = np.maximum.accumulate(stepped)
    return p, corrected


def _difference_of_signs(
    arm: list[Scores], base: list[Scores], metric: Metric, patients: Patients
) -> OfSigns:
    if metric.terms is not None or metric is METRICS["auc"]:
        gains = np.array(
            [_gain_by_patient(a, b, metric, patients) for a, b in zip(arm, base, strict=True)]
        ).T
        # a replicate without a value is left out whole
        by_patient = mean_over_splits(gains, arm, np.where(np.isnan(gains), 0.0, 1.0))
        return lambda signs: signs @ by_patient
    exchanged = [_exchanged(a, b, metric, patients) for a, b in zip(arm, base, strict=True)]

    def difference(signs: Floats) -> Floats:
        kept = np.column_stack([of(signs) - of(-signs) for of in exchanged])
        return mean_over_splits(kept, arm, np.ones_like(kept))

    return difference


def _gain_by_patient(arm: Scores, base: Scores, metric: Metric, patients: Patients) -> Floats:
    """(P,) terms d_p of the difference in one replicate; all nan where it is undefined."""
    if metric.terms is not None:
        gain = metric.terms(arm.labels, arm.p) - metric.terms(base.labels, base.p)
    else:
        size = arm.p.shape[1]
        columns = [1] if size == 2 else range(size)
        gains = [
            _auc_gain(arm.labels == at, rankdata(arm.p[:, at]), rankdata(base.p[:, at]))
            for at in columns
        ]
        gain = np.mean(gains, axis=0)
    if np.isnan(gain).any():
        return np.full(len(patients), math.nan)
    by_patient = np.bincount(patients.positions(arm), weights=gain, minlength=len(patients))
    return by_patient.astype(np.float64)


def _auc_gain(positive: Bools, a: Floats, b: Floats) -> Floats:
    """(N,) terms of AUC(a) - AUC(b), the linear part in the signs of the images.

    a and b are ranks within their arm: AUC is blind to the scale of the scores, and exchanging
    scores of two scales would drown the difference (Venkatraman, Begg, Biometrika 1996; Bandos,
    Rockette, Gur, Stat. Med. 2005).
    """
    gain = np.full(len(positive), math.nan)
    pairs = 2 * int(positive.sum()) * int((~positive).sum())
    if pairs == 0:
        return gain
    for own, other, sign in ((positive, ~positive, 1), (~positive, positive, -1)):
        # twice the opposite images below, against the scores of both arms
        below = np.zeros(int(own.sum()), dtype=np.int64)
        for rivals in (np.sort(a[other]), np.sort(b[other])):
            below += _twice_below(rivals, a[own]) - _twice_below(rivals, b[own])
        gain[own] = sign * below / (2 * pairs)
    return gain


def _twice_below(ordered: Floats, value: Floats) -> Ints:
    below = np.searchsorted(ordered, value, "left") + np.searchsorted(ordered, value, "right")
    return below.astype(np.int64)


def _exchanged(arm: Scores, base: Scores, metric: Metric, patients: Patients) -> OfSigns:
    """The metric of the first arm after exchanging, for signs (B, P)."""
    position = patients.positions(arm)
    if metric.of_confusion is not None:
        of_confusion, size = metric.of_confusion, arm.p.shape[1]
        present, local = np.unique(position, return_inverse=True)
        kept = confusions_by_patient(arm, local, len(present))
        swapped = confusions_by_patient(base, local, len(present))
        middle, half = (kept + swapped).sum(axis=0) / 2, (kept - swapped) / 2

        def of_signs(signs: Floats) -> Floats:
            return of_confusion((middle + signs[:, present] @ half).reshape(-1, size, size))

        return of_signs
    return lambda signs: np.array(
        [metric(arm.labels, np.where(row[position][:, None] > 0, arm.p, base.p)) for row in signs]
    )
