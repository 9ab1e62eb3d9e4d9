"""What figures are drawn from: mean ROC, reliability, risk over coverage, intervals of curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from abl.decide.check import Bools, Floats, largest_class
from abl.decide.decision import Decision, decide
from abl.decide.intervals import patient_interval
from abl.decide.metrics import METRICS
from abl.decide.reliability import ECE_BINS
from abl.decide.replicates import Patients, Scores, patients_of
from abl.decide.resampling import bootstrap_weights
from abl.decide.rules import RULES
from abl.decide.selective import risk_steps
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import DRAWS, frames_by, replicates_in

ROC_GRID = np.linspace(0.0, 1.0, 101)
COVERAGE_GRID = np.linspace(0.02, 1.0, 99)
_ENDS = (0.025, 0.975)
# intervals are computed at this many points of a curve, and drawn straight between them
MOST_POINTS = 21
MOST_CURVES = 40
_SAME = 1e-6


def mean_roc(arm: Sequence[Scores], draws: int) -> pd.DataFrame:
    """ROC averaged over replicates at equal false positive rates, with a band over patients.

    Vertical averaging (Fawcett, Pattern Recognition Letters 2006, section 8); for K > 2 also over
    the classes, each against the rest, as AUC is. The band is pointwise: 95 % of the mean curves
    of `draws` samples of patients.

    Returns:
        Columns fpr, tpr, low, high; nan where a class is missing in every replicate.
    """
    patients, weights = _resampled(arm, draws)
    total = np.zeros((draws + 1, len(ROC_GRID)))
    count = np.zeros((draws + 1, 1))
    for each in arm:
        of_images = weights[:, patients.positions(each)]
        for column in [1] if each.p.shape[1] == 2 else range(each.p.shape[1]):
            curve = tpr_at(each.labels == column, each.p[:, column], of_images, ROC_GRID)
            defined = ~np.isnan(curve[:, :1])
            total += np.where(defined, curve, 0.0)
            count += defined
    curves = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    low, high = _ends(curves[1:])
    return pd.DataFrame({"fpr": ROC_GRID, "tpr": curves[0], "low": low, "high": high})


def tpr_at(positive: Bools, score: Floats, weights: Floats, grid: Floats) -> Floats:
    """(B, G) true positive rate at false positive rates, for each row of image weights (B, N).

    One sort serves all rows; a library's ROC would sort anew for each resample.
    """
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.diff(score[order]) != 0, True)
    hits = np.cumsum(weights[:, order] * positive[order], axis=1)[:, last_of_tie]
    false = np.cumsum(weights[:, order] * ~positive[order], axis=1)[:, last_of_tie]
    found = np.full((len(weights), len(grid)), np.nan)
    for row in np.flatnonzero((hits[:, -1] > 0) & (false[:, -1] > 0)):
        fpr = np.append(0.0, false[row] / false[row, -1])
        found[row] = np.interp(grid, fpr, np.append(0.0, hits[row] / hits[row, -1]))
    return found


def reliability_bins(arm: Sequence[Scores], draws: int) -> pd.DataFrame:
    """Predicted and observed frequency in the ten bins of the calibration error.

    Units of all replicates together. K = 2: of p_1 against class 1; K > 2: of the final class's
    probability against being correct.

    Returns:
        Columns predicted, observed, low, high (nan in empty bins), share of the units.
    """
    patients, weights = _resampled(arm, draws)
    sums = np.zeros((3, len(patients), ECE_BINS))
    for each in arm:
        predicted, observed = _frequencies(each)
        bins = np.minimum((predicted * ECE_BINS).astype(np.int64), ECE_BINS - 1)
        cell = patients.positions(each) * ECE_BINS + bins
        for at, values in enumerate((np.ones(len(cell)), predicted, observed)):
            flat = np.bincount(cell, weights=values, minlength=sums[at].size)
            sums[at] += flat.reshape(sums[at].shape)
    count, predicted, observed = weights @ sums
    empty = np.full_like(count, np.nan)
    rates = np.divide(observed, count, out=empty.copy(), where=count > 0)
    low, high = _ends(rates[1:])
    return pd.DataFrame(
        {
            "predicted": np.divide(predicted[0], count[0], out=empty[0], where=count[0] > 0),
            "observed": rates[0],
            "low": low,
            "high": high,
            "share": count[0] / count[0].sum(),
        }
    )


def risk_over_coverage(replicate: Scores) -> tuple[Floats, float]:
    """Error rate among the most confident share of units, at COVERAGE_GRID, and its area (AURC).

    Confidence and area are those of the metric `aurc`.
    """
    covered, errors = risk_steps(replicate.labels, replicate.p)
    at = COVERAGE_GRID * covered[-1]
    return np.interp(at, covered, errors) / at, METRICS["aurc"](replicate.labels, replicate.p)


def _frequencies(replicate: Scores) -> tuple[Floats, Floats]:
    p, labels = replicate.p, replicate.labels
    if p.shape[1] == 2:
        return p[:, 1], labels.astype(np.float64)
    final = largest_class(p)
    return p[np.arange(len(p)), final], (final == labels).astype(np.float64)


def _resampled(arm: Sequence[Scores], draws: int) -> tuple[Patients, Floats]:
    """Patients, and (1 + draws, P) weights of which the first row is the sample itself."""
    patients = patients_of(arm)
    rng = np.random.default_rng([0, len(patients)])
    # as the intervals of a table: how many of each class come varies too
    drawn = bootstrap_weights(patients.strata, draws, rng)
    return patients, np.vstack([np.ones((1, len(patients))), drawn])


def _ends(values: Floats) -> tuple[Floats, Floats]:
    """2.5 and 97.5 % of each column; nan where it has no value."""
    known = ~np.isnan(values).all(axis=0)
    ends = np.full((2, values.shape[1]), np.nan)
    if known.any():
        ends[:, known] = np.nanquantile(values[:, known], _ENDS, axis=0)
    return ends[0], ends[1]


def with_curve_intervals(outcome: Outcome, networks: pd.DataFrame) -> Outcome:
    """The outcome with `<metric>_low` and `<metric>_high` in its curves of the primary metric.

    95 %, resampling the validation patients. A curve is left as it is where the networks behind it
    are not found in the frame (known by giving the recorded curve again), or the metric is one
    whose resamples would take minutes.
    """
    metric = METRICS.get(outcome.primary)
    if metric is None or outcome.curve_axis != "threshold":
        return outcome
    if metric.of_confusion is None and metric.name != "auc":
        return outcome
    frames = frames_by(networks, "network", "validation")
    curves = sum(arm.curve is not None for arm in outcome.arms)
    if not frames or curves > MOST_CURVES:
        return outcome
    scores = cache(lambda name: replicates_in(frames[name]))
    arms = []
    for arm in outcome.arms:
        found = {role: scores(name) for role, name in _networks_of(arm, list(frames)).items()}
        arms.append(_with_interval(arm, found, metric.name))
    return replace(outcome, arms=tuple(arms))


def _with_interval(arm: ArmOutcome, networks: dict[str, list[Scores]], metric: str) -> ArmOutcome:
    rule = str(arm.params.get("rule"))
    if arm.curve is None or metric not in arm.curve or rule not in RULES:
        return arm
    alike = {tuple((each.key, each.p.shape) for each in rows) for rows in networks.values()}
    if set(RULES[rule].uses) != set(networks) or len(alike) != 1:
        return arm
    thresholds = arm.curve["threshold"].to_numpy(np.float64)
    known = np.where(thresholds > 1, math.inf, thresholds)
    recorded = arm.curve[metric].to_numpy(np.float64)
    steps = min(len(known), MOST_POINTS)
    at = np.unique(np.linspace(0, len(known) - 1, steps).round().astype(int))
    ends = np.full((2, len(at)), np.nan)
    for column, step in enumerate(at):
        final = _decided(networks, rule, float(known[step]))
        interval = patient_interval(final, metric, resamples=DRAWS)
        # other networks than the arm's own would give another curve
        if not abs(interval.estimate - recorded[step]) <= _SAME:
            return arm
        ends[:, column] = interval.low, interval.high
    if np.isnan(ends).any():
        return arm
    low, high = (np.interp(np.arange(len(known)), at, values) for values in ends)
    return replace(arm, curve=arm.curve.assign(**{f"{metric}_low": low, f"{metric}_high": high}))


def _decided(networks: dict[str, list[Scores]], rule: str, threshold: float) -> list[Scores]:
    """The rule's final probabilities on every replicate."""
    decided = []
    for each in zip(*networks.values(), strict=True):
        p = {role: scores.p for role, scores in zip(networks, each, strict=True)}
        decided.append(replace(each[0], p=decide(Decision(rule, threshold), p)[0]))
    return decided


def _networks_of(arm: ArmOutcome, names: list[str]) -> dict[str, str]:
    """Role -> name of the networks that an arm of the two-step study decides with."""
    wanted = {"original": "original", "true": f"True-{arm.params.get('consensus')}"}
    found = {}
    for role, first in wanted.items():
        alike = [name for name in names if name.split(" ")[0] == first]
        if "network" in arm.params:
            alike = [name for name in alike if name.split(" ")[-1] == str(arm.params["network"])]
        if len(alike) == 1:
            found[role] = alike[0]
    return found
