"""Intervals by patients, and the cells of a table that have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from abl.decide.check import Floats
from abl.decide.metrics import Metric, metric_named
from abl.decide.replicates import (
    KEYS,
    ArmScores,
    OfWeights,
    Patients,
    Scores,
    WeightedArm,
    bootstrap_weights,
    checked_arm,
    checked_pair_of_arms,
    draw_counts,
    patients_of,
    replicate_scores,
)
from abl.errors import InputError, nearest
from abl.plan.outcome import Cell

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


def cell_of(values: pd.DataFrame, *, low: float = math.nan, high: float = math.nan) -> Cell:
    """The cell of one metric.

    Args:
        values: Columns repeat, fold, seed, value: one row a replicate, nan where undefined.

    Returns:
        Seeds averaged within (repeat, fold), then splits; sd over replicates (ddof = 1); undefined
        replicates counted and left out of both.
    """
    missing = [column for column in [*KEYS, "value"] if column not in values.columns]
    if missing:
        raise InputError(f"a cell needs the columns {', '.join(missing)}")
    value = values["value"].to_numpy(dtype=np.float64)
    defined = values[~np.isnan(value)]
    count = len(defined)
    return Cell(
        mean=float(split_means(values).mean()) if count else math.nan,
        sd=float(defined["value"].std(ddof=1)) if count > 1 else math.nan,
        low=low,
        high=high,
        count=count,
        undefined=len(values) - count,
    )


def split_means(values: pd.DataFrame) -> pd.Series:
    """Mean over seeds of each (repeat, fold) that has a defined value, in order."""
    return values.dropna(subset="value").groupby(["repeat", "fold"], sort=True)["value"].mean()


External = Literal["averaged", "ensemble"]
WAYS = ("averaged", "ensemble")


def external_cells(
    arm: ArmScores,
    metrics: Sequence[str],
    *,
    how: External = "averaged",
    resamples: int = RESAMPLES,
) -> dict[str, Cell]:
    """Metrics of an arm on an external set, with 95 % intervals by patient.

    Args:
        arm: Predictions of each replicate's network on the external units.
        how: averaged: the metric of each replicate's network, averaged. ensemble: the metric of the
            mean of their probabilities, which is another, usually better predictor, and must be
            labelled so.

    Raises:
        InputError: Replicates that were scored on different units; an unknown way.
    """
    if how not in WAYS:
        raise InputError(f"external: '{how}' is not known: {nearest(how, WAYS)}")
    scored = [ensemble_of(arm)] if how == "ensemble" else _on_the_same_units(arm)
    table = replicate_scores(scored, metrics)
    cells = {}
    for name in table.columns.drop(KEYS):
        interval = patient_interval(scored, name, resamples=resamples)
        values = table[KEYS].assign(value=table[name])
        cells[str(name)] = cell_of(values, low=interval.low, high=interval.high)
    return cells


def ensemble_of(arm: ArmScores) -> Scores:
    """One predictor of all replicates: the mean of their probabilities on the same units."""
    replicates = _on_the_same_units(arm)
    first = replicates[0]
    mean = np.mean([each.p for each in replicates], axis=0)
    return Scores(0, 0, 0, first.labels, first.patients, mean)


def _on_the_same_units(arm: ArmScores) -> list[Scores]:
    replicates = checked_arm(arm)
    first = replicates[0]
    for each in replicates[1:]:
        if not each.is_of_the_same_images(first):
            raise InputError(
                f"external: replicates {first.key} and {each.key} were scored on different units"
            )
    return replicates
