"""Intervals of cells and of paired differences by resampling patients; Wilson; DeLong."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from abl.decide.check import Floats
from abl.decide.metrics import Metric, metric_named
from abl.decide.replicates import (
    ArmScores,
    Patients,
    checked_arm,
    checked_pair_of_arms,
    patients_of,
)
from abl.decide.resampling import OfWeights, WeightedArm, bootstrap_weights, draw_counts

FEW_PATIENTS = 50
FEWEST_PATIENTS = 3  # of one or two, resampling knows no spread
SEEDS_TO_RESAMPLE = 3
RESAMPLES = 2000
LEVEL = 0.95  # of every interval


@dataclass(frozen=True)
class Interval:
    """An estimate with its ends: nan where undefined, the ends also of fewer than three patients
    where patients are resampled.
    """

    estimate: float
    low: float
    high: float


def patient_interval(
    arm: ArmScores, metric: str | Metric, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Interval of a cell: patients resampled within classes and, with three or more, seeds.

    Patients are drawn for the mean over seeds. To that comes what seeds differ by beyond what the
    same patients make them differ; resampling both at once would count that part three times, and
    cover up to 98 %. A seed is drawn for all folds at once. Percentile ends; under 50
    patients bias-corrected and accelerated (Efron 1987; acceleration from the jackknife over
    patients, stratum by stratum).

    Raises:
        InputError: No replicate, or an unknown metric.
    """
    ordered = checked_arm(arm)
    patients = patients_of(ordered)
    chosen = metric_named(metric) if isinstance(metric, str) else metric
    weighted = WeightedArm(ordered, chosen, patients)
    return _bootstrap(weighted.values, patients, weighted.seeds, resamples, seed)


def difference_interval(
    arm: ArmScores, base: ArmScores, metric: str, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Interval of arm - base, the same patients and seeds drawn for both; see patient_interval."""
    first, second = checked_pair_of_arms(arm, base)
    patients = patients_of(first)
    chosen = metric_named(metric)
    of_arm, of_base = (WeightedArm(each, chosen, patients) for each in (first, second))

    def difference(weights: Floats) -> Floats:
        return of_arm.values(weights) - of_base.values(weights)

    return _bootstrap(difference, patients, of_arm.seeds, resamples, seed)


def wilson_interval(successes: int, total: int) -> Interval:
    """Wilson score interval of a proportion, valid where each patient has one image."""
    low, high = proportion_confint(successes, total, alpha=1 - LEVEL, method="wilson")
    return Interval(successes / total if total else math.nan, float(low), float(high))


def _bootstrap(
    values: OfWeights, patients: Patients, seeds: int, resamples: int, seed: int
) -> Interval:
    rng = np.random.default_rng([seed, len(patients), seeds])
    by_seed = values(bootstrap_weights(patients.strata, resamples, rng))
    observed = values(np.ones((1, len(patients))))[0]
    estimate, drawn = float(observed[0]), by_seed[:, 0]
    if seeds >= SEEDS_TO_RESAMPLE:
        drawn = drawn + _seed_deviations(observed[1:], by_seed[:, 1:], rng)
    drawn = drawn[~np.isnan(drawn)]
    if math.isnan(estimate) or not drawn.size or len(patients) < FEWEST_PATIENTS:
        return Interval(estimate, math.nan, math.nan)
    # the tails of t, not of the normal, as patients are few (Hesterberg, Am. Stat. 2015)
    freedom = max(1, len(patients) - len(np.unique(patients.strata)))
    reach = stats.t.ppf((1 + LEVEL) / 2, freedom)
    tails = stats.norm.cdf([-reach, reach])
    if len(patients) < FEW_PATIENTS:
        leave_one_out = values(1 - np.eye(len(patients)))[:, 0]
        tails = _bca_tails(tails, drawn, estimate, leave_one_out, patients)
    low, high = np.quantile(drawn, tails)
    return Interval(estimate, float(low), float(high))


def _seed_deviations(observed: Floats, by_seed: Floats, rng: np.random.Generator) -> Floats:
    """(B,) what drawing other seeds adds to the mean over seeds.

    Seeds differ on these patients (variance between them) partly because patients and seeds
    interact, which the patients' resamples already hold. The deviations of the seeds are shrunk to
    the rest, by moments, and widened by S / (S - 1), as S draws of S seeds vary too little.

    Args:
        observed: (S,) value of each seed.
        by_seed: (B, S) the same in each resample of patients.
    """
    known = ~np.isnan(observed)
    if np.count_nonzero(known) < SEEDS_TO_RESAMPLE:
        return np.zeros(len(by_seed))
    deviation = observed[known] - observed[known].mean()
    resampled = by_seed[:, known]
    seeds = len(deviation)
    between = float(deviation @ deviation) / (seeds - 1)
    centred = resampled - resampled.mean(axis=1, keepdims=True)
    interaction = float(np.nanvar(centred, axis=0).sum()) / (seeds - 1)
    shrunk = math.sqrt(max(0.0, 1 - interaction / between)) if between > 0 else 0.0
    drawn = draw_counts(seeds, len(by_seed), rng) @ deviation / seeds
    return shrunk * math.sqrt(seeds / (seeds - 1)) * drawn


def _bca_tails(
    tails: Floats, drawn: Floats, estimate: float, leave_one_out: Floats, patients: Patients
) -> Floats:
    """The quantiles of the resampled values that BCa reads, instead of the nominal ones."""
    below = np.mean(drawn < estimate) + np.mean(drawn == estimate) / 2
    # an estimate at the edge of its resamples has no finite correction
    edge = 1 / (len(drawn) + 1)
    bias = stats.norm.ppf(np.clip(below, edge, 1 - edge))
    cubes, squares = 0.0, 0.0
    for stratum in np.unique(patients.strata):
        left = leave_one_out[(patients.strata == stratum) & ~np.isnan(leave_one_out)]
        size = len(left)
        if size > 1:
            influence = (size - 1) * (left.mean() - left)
            cubes += float(np.sum(influence**3)) / size**3
            squares += float(np.sum(influence**2)) / size**2
    acceleration = cubes / (6 * squares**1.5) if squares > 0 else 0.0
    z = bias + stats.norm.ppf(tails)
    with np.errstate(divide="ignore", invalid="ignore"):  # tails of very few patients are infinite
        corrected = stats.norm.cdf(bias + z / (1 - acceleration * z))
    # two or three patients can have an acceleration that turns the tails round
    return np.where(np.isfinite(corrected), corrected, tails)
