"""A small two-step sweep with its predictions, as a study would return them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.decide.curves import choose_threshold, threshold_curve
from abl.decide.intervals import cell_of, patient_interval
from abl.decide.metrics import METRICS
from abl.decide.rules import RULES, confidence
from abl.plan.facts import Facts
from abl.plan.outcome import ArmOutcome, Comparison, Outcome
from abl.report.figures.arms import replicates_in
from ruled import apply_rule

KEYS = ["repeat", "fold", "seed"]
METRIC_NAMES = ("acc", "auc")
THRESHOLDS = [round(0.1 * at, 1) for at in range(11)]

SWEEP = """
name: threshold
study: two_step
title: Two-step decision
data:
  phantom: {patients: 60, size: 64, seed: 7}
train: {network: plain4, epochs: 3}
splits: {seed: 5}
replicates: {seeds: [0, 1, 2]}
axes:
  consensus: [1, 3]
  rule: [original, average, model1]
  threshold: {from: 0, to: 1, steps: 11, curve: true}
metrics: [acc, auc]
primary: acc
base: {rule: original}
"""


@dataclass(frozen=True)
class Made:
    """An outcome and the frames kept beside it."""

    outcome: Outcome
    predictions: pd.DataFrame
    networks: pd.DataFrame


def made_sweep(
    *,
    consensus: tuple[int, ...] = (1, 3),
    rules: tuple[str, ...] = ("average", "model1"),
    seeds: int = 3,
    units: int = 60,
    classes: int = 2,
    facts: dict[str, object] | None = None,
) -> Made:
    """Original and True networks on `seeds` replicates; two units a patient."""
    names = ["original plain4", *(f"True-{n} plain4" for n in consensus)]
    networks = pd.concat(
        [
            _network(name, at, seed, role, units, classes)
            for at, name in enumerate(names)
            for seed in range(seeds)
            for role in ("train", "validation", "test")
        ],
        ignore_index=True,
    )
    params: list[dict[str, str | int | float]] = [{"rule": "original"}]
    params += [{"consensus": n, "rule": r} for n, r in itertools.product(consensus, rules)]
    rows, frames = [], []
    for each in params:
        arm, frame = _arm(each, networks, seeds)
        rows.append(arm)
        frames.append(frame)
    best = max(range(len(rows)), key=lambda at: rows[at].cells["acc"].mean)
    rows[best] = ArmOutcome(**{**vars(rows[best]), "best": True})
    outcome = Outcome(
        name="threshold",
        key="f" * 64,
        study="two_step",
        title="Two-step decision",
        axes=("consensus", "rule"),
        metrics=METRIC_NAMES,
        primary="acc",
        curve_axis="threshold",
        arms=tuple(rows),
        facts=Facts.from_flat(facts or {}),
    )
    return Made(outcome, pd.concat(frames, ignore_index=True), networks)


def _network(name: str, at: int, seed: int, role: str, units: int, classes: int) -> pd.DataFrame:
    # the cases of a role are the same for every network and seed, what they answer is not
    cases = np.random.default_rng(["train", "validation", "test"].index(role))
    label = np.arange(units) // 2 % classes
    hard = cases.normal(size=units)
    draw = np.random.default_rng([at, seed, len(role)])
    logits = 0.9 * np.eye(classes)[label] + 0.4 * hard[:, None] * np.eye(classes)[0]
    logits = (1 + (role == "train")) * logits + draw.normal(size=(units, classes)) * 0.8
    p = np.exp(2 * logits)
    p /= p.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "network": name,
            "repeat": 0,
            "fold": 0,
            "seed": seed,
            "role": role,
            "unit": [f"{role}{unit:03d}" for unit in range(units)],
            "label": label,
            "patient": [f"{role}-p{unit // 2}" for unit in range(units)],
            **{f"p_{column}": p[:, column] for column in range(classes)},
        }
    )


def _arm(
    params: dict[str, str | int | float], networks: pd.DataFrame, seeds: int
) -> tuple[ArmOutcome, pd.DataFrame]:
    rule = RULES[str(params["rule"])]
    key = "-".join(str(value) for value in params.values()).ljust(16, "0")
    of_role = {"original": "original plain4", "true": f"True-{params.get('consensus')} plain4"}
    frames, curves, rows = [], [], []
    for seed in range(seeds):
        parts = {
            role: {
                name: networks[
                    (networks["network"] == of_role[name])
                    & (networks["seed"] == seed)
                    & (networks["role"] == role)
                ]
                for name in rule.uses
            }
            for role in ("validation", "test")
        }
        arrays = {role: {n: _p(frame) for n, frame in of.items()} for role, of in parts.items()}
        labels = parts["validation"]["original"]["label"].to_numpy()
        threshold = None
        if rule.has_threshold:
            curve = threshold_curve(
                labels, arrays["validation"], rule.name, THRESHOLDS, METRIC_NAMES
            )
            curves.append(curve)
            threshold = choose_threshold(curve, "acc").threshold
        for role in ("validation", "test"):
            p = apply_rule(rule.name, arrays[role], threshold)
            sent = np.full(len(p), len(rule.uses) > 1)
            if threshold is not None:
                sent = confidence(arrays[role]["original"]) < threshold
            frame = parts[role]["original"].drop(columns="network").assign(arm=key, sent=sent)
            frames.append(frame.assign(**{f"p_{at}": p[:, at] for at in range(p.shape[1])}))
        row = {"repeat": 0, "fold": 0, "seed": seed, "share": float(sent.mean())}
        row |= {} if threshold is None else {"threshold": threshold}
        test_labels = frames[-1]["label"].to_numpy()
        rows.append(row | {name: METRICS[name](test_labels, p) for name in METRIC_NAMES})
    frame, replicates = pd.concat(frames, ignore_index=True), pd.DataFrame(rows)
    scores = replicates_in(frame[frame["role"] == "test"])
    cells = {}
    for name in METRIC_NAMES:
        interval = patient_interval(scores, name, resamples=50)
        values = replicates[KEYS].assign(value=replicates[name])
        cells[name] = cell_of(values, low=interval.low, high=interval.high)
    mean = None
    if curves:
        mean = sum(each[[*METRIC_NAMES, "share"]] for each in curves) / seeds
        mean = mean.assign(threshold=THRESHOLDS, acc_sd=0.02, auc_sd=0.01)
    comparison = Comparison("original", 0.02, -0.01, 0.05, 0.2, 0.3, "undecided")
    return (
        ArmOutcome(
            key,
            params,
            cells,
            replicates,
            mean,
            ("a" * 64, key.ljust(64, "b")),
            None if params == {"rule": "original"} else comparison,
        ),
        frame,
    )


def _p(frame: pd.DataFrame) -> np.ndarray:
    return frame[[name for name in frame if name.startswith("p_")]].to_numpy(np.float64)
