"""Intervals by patients, and the cells of a table that have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from abl.decide.contributions import DRAWS
from abl.decide.measured import Measured
from abl.decide.metric_names import metric_named
from abl.decide.metric_registry import Metric
from abl.decide.replicates import (
    KEYS,
    ArmScores,
    Scores,
    checked_arm,
    checked_pair_of_arms,
    replicate_scores,
)
from abl.decide.score_intervals import LEVEL as LEVEL
from abl.errors import InputError, nearest
from abl.plan.outcome import Cell

FEW_PATIENTS = 50
FEWEST_PATIENTS = 3  # one or two know no spread
RESAMPLES = 2000  # of what is resampled


@dataclass(frozen=True)
class Interval:
    """An estimate with its ends: nan where undefined, the ends also of under three patients."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class DifferenceInterval(Interval):
    """A difference of two arms, with what it is over.

    Attributes:
        defined, base_defined, both_defined: Replicates in which that arm, its base, or both have a
            value; the difference is over the last.
        of_networks: Whether it takes the trained networks as given, as `Comparison` has it.
    """

    defined: int
    base_defined: int
    both_defined: int
    of_networks: bool


def patient_interval(
    arm: ArmScores, metric: str | Metric, *, resamples: int = DRAWS, seed: int = 0
) -> Interval:
    """Interval of a cell: other patients of each class and, from three trainings on, of these.

    A score interval (Wilson, JASA 1927) of the effective number of independent units, on the scale
    of the metric's bounds, with the quantile of t: its ends lie within the bounds and do not meet
    where every image is right. An AUC is a probability too, and so taken (Kottas, Kuss, Zapf, BMC
    Med. Res. Methodol. 2014). What varies, and how much: `spread`.

    Args:
        resamples: Bootstrap draws, of metrics without a derivative; at most 500 are used.

    Raises:
        InputError: No replicate, or an unknown metric.
    """
    chosen = metric_named(metric) if isinstance(metric, str) else metric
    measured = Measured([checked_arm(arm)], chosen, draws=min(resamples, DRAWS), seed=seed)
    found = measured.means()
    return _shown(measured, found.mean[0], found.low[0], found.high[0])


def difference_interval(
    arm: ArmScores, base: ArmScores, metric: str, *, resamples: int = DRAWS, seed: int = 0
) -> DifferenceInterval:
    """Interval of arm - base, over the replicates in which both are defined; see `measured`."""
    first, second = checked_pair_of_arms(arm, base)
    chosen = metric_named(metric)
    measured = Measured([first, second], chosen, draws=min(resamples, DRAWS), seed=seed)
    found = measured.differences([0], [1])
    low, high = found.interval()
    shown = _shown(measured, found.difference[0], low[0], high[0])
    defined = ~np.isnan(measured.values)
    own, of_base = defined.sum(axis=1).tolist()
    return DifferenceInterval(
        shown.estimate,
        shown.low,
        shown.high,
        defined=own,
        base_defined=of_base,
        both_defined=int(defined.all(axis=0).sum()),
        of_networks=not bool(found.recipes[0]),
    )


def _shown(measured: Measured, estimate: float, low: float, high: float) -> Interval:
    if len(measured.tests.patients) < FEWEST_PATIENTS:
        low = high = math.nan
    return Interval(float(estimate), float(low), float(high))


def wilson_interval(successes: int, total: int) -> Interval:
    """Wilson score interval of a proportion, valid where each patient has one image."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, total, alpha=1 - LEVEL, method="wilson")
    return Interval(successes / total if total else math.nan, float(low), float(high))


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
    resamples: int = DRAWS,
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
