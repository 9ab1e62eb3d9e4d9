"""Intervals of the validation curves over T*, from the networks' own predictions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from abl.decide.check import Floats
from abl.decide.intervals import patient_interval
from abl.decide.metrics import METRICS
from abl.decide.replicates import Scores
from abl.decide.rules import RULES, apply_rule
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import DRAWS, frames_by, replicates_in

# intervals are computed at this many points of a curve, and drawn straight between them
MOST_POINTS = 21
MOST_CURVES = 40
_SAME = 1e-6


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
    scores: dict[str, list[Scores]] = {}
    arms = []
    for arm in outcome.arms:
        names = _networks_of(arm, list(frames))
        for name in names.values():
            if name not in scores:
                scores[name] = replicates_in(frames[name])
        found = {role: scores[name] for role, name in names.items()}
        arms.append(_with_interval(arm, found, metric.name))
    return replace(outcome, arms=tuple(arms))


def _with_interval(arm: ArmOutcome, networks: dict[str, list[Scores]], metric: str) -> ArmOutcome:
    rule = str(arm.params.get("rule"))
    if arm.curve is None or metric not in arm.curve or rule not in RULES:
        return arm
    if set(RULES[rule].uses) != set(networks) or not _paired(list(networks.values())):
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
    low, high = (_between(at, values, len(known)) for values in ends)
    return replace(arm, curve=arm.curve.assign(**{f"{metric}_low": low, f"{metric}_high": high}))


def _decided(networks: dict[str, list[Scores]], rule: str, threshold: float) -> list[Scores]:
    """The rule's final probabilities on every replicate."""
    first = next(iter(networks.values()))
    return [
        replace(
            each,
            p=apply_rule(rule, {role: rows[i].p for role, rows in networks.items()}, threshold),
        )
        for i, each in enumerate(first)
    ]


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


def _paired(networks: list[list[Scores]]) -> bool:
    keys = {tuple(each.key for each in rows) for rows in networks}
    sizes = {tuple(each.p.shape for each in rows) for rows in networks}
    return len(keys) == 1 and len(sizes) == 1


def _between(at: np.ndarray, values: Floats, count: int) -> Floats:
    return np.interp(np.arange(count), at, values)
