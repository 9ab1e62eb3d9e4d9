"""Made searches of hyperparameters: frames and facts as a sweep keeps them, no training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from abl.plan.facts import Facts
from abl.plan.outcome import (
    COMPLETE,
    FAILED,
    PARAM,
    PRUNED,
    STOPPED,
    ArmOutcome,
    Cell,
    Outcome,
    Searches,
)

REPLICATES, EPOCHS, POINTS = 4, 8, 24
LR, DROP, KIND, MOMENTUM = (
    "train.optimizer.lr", "train.dropout", "train.optimizer.name", "train.optimizer.momentum"
)  # fmt: skip
KINDS = ("adamw", "sgd", "lion_with_a_long_name")
PARAMETERS: tuple[dict[str, Any], ...] = (
    {"name": LR, "kind": "float", "low": 1e-5, "high": 1e-1, "log": True},
    {"name": DROP, "kind": "float", "low": 0.0, "high": 0.6, "log": False},
    {"name": KIND, "kind": "choices", "choices": list(KINDS)},
    {"name": MOMENTUM, "kind": "float", "low": 0.5, "high": 0.99, "log": False},
)


@dataclass(frozen=True)
class MadeSearch:
    """An outcome with facts.searches, and the frames kept beside it."""

    outcome: Outcome
    searches: Searches


def made_search(
    names: Sequence[str] = ("",),
    *,
    points: int = POINTS,
    states: Sequence[str] | None = None,
    objectives: Sequence[tuple[str, str]] = (("auc", "maximize"),),
    parameters: Sequence[dict[str, Any]] = PARAMETERS,
    constant: bool = False,
    folds: int = 1,
) -> MadeSearch:
    """One search a name; the best learning rate is 0.003, and sgd alone has momentum."""
    parts = [
        _frames(name, at, points, states, objectives, parameters, constant)
        for at, name in enumerate(names)
    ]
    searches = Searches(*(pd.concat(each, ignore_index=True) for each in zip(*parts, strict=True)))
    facts = [
        _facts(name, at, searches, objectives, parameters, folds) for at, name in enumerate(names)
    ]
    return MadeSearch(_outcome(names, objectives[0][0], facts), searches)


def _frames(
    name: str,
    at: int,
    points: int,
    states: Sequence[str] | None,
    objectives: Sequence[tuple[str, str]],
    parameters: Sequence[dict[str, Any]],
    constant: bool,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng([at, points])
    names = {str(each["name"]) for each in parameters}
    cycle = states or (
        *[COMPLETE] * 3,
        PRUNED,
        COMPLETE,
        STOPPED,
        COMPLETE,
        PRUNED,
        *[COMPLETE] * 3,
        FAILED,
    )
    easy = rng.normal(0, 0.01, REPLICATES)
    rows, scores, curves = [], [], []
    for number in range(points):
        given, quality = _point(rng, names)
        state = cycle[number % len(cycle)]
        # what is hopeless is what is given up
        quality -= {PRUNED: 0.12, STOPPED: 0.2}.get(state, 0.0)
        scored = {COMPLETE: REPLICATES, PRUNED: 2, STOPPED: 1, FAILED: 0}[state]
        signs = [1.0 if direction == "maximize" else -1.0 for _, direction in objectives]
        quality = 0.8 if constant else quality
        noise = np.zeros(REPLICATES) if constant else easy + rng.normal(0, 0.01, REPLICATES)
        first = (quality if signs[0] > 0 else 1 - quality) + noise
        values = [first[:scored]]
        if len(objectives) > 1:
            values.append((0.3 + 0.5 * quality**2 + rng.normal(0, 0.05, REPLICATES))[:scored])
        means = [float(each.mean()) if scored else math.nan for each in values]
        done = state == COMPLETE
        rows.append(
            {
                "search": name, "number": number, "generation": number // 8, "state": state,
                "replicates": scored,
                **{f"value_{i}": mean if done else math.nan for i, mean in enumerate(means)},
                **{f"so_far_{i}": mean for i, mean in enumerate(means)},
                "feasible": done and (number % 7 != 2), "front": False, "chosen": False,
                **{f"{PARAM}{key}": given.get(key) for key in given if key in names},
            }
        )  # fmt: skip
        for replicate in range(scored):
            scores.append(
                {
                    "search": name, "number": number, "at": replicate, "repeat": 0,
                    "fold": replicate, "seed": 0,
                    **{f"value_{i}": float(each[replicate]) for i, each in enumerate(values)},
                }
            )  # fmt: skip
        for replicate in range(max(scored, state == STOPPED)):
            last = EPOCHS // 2 if state == STOPPED else EPOCHS
            for epoch in range(last):
                loss = 0.3 + (0.9 - quality) + 0.5 * math.exp(-epoch / 2) + rng.normal(0, 0.02)
                curves.append(
                    {
                        "search": name, "number": number, "at": replicate, "role": "original",
                        "epoch": epoch, "validation_loss": loss, "validation_accuracy": quality,
                    }
                )  # fmt: skip
    frame = pd.DataFrame(rows)
    for each in names:
        frame[PARAM + each] = (
            frame[PARAM + each].astype(object).where(frame[PARAM + each].notna(), None)
        )
    _mark(frame, objectives)
    return frame, pd.DataFrame(scores), pd.DataFrame(curves)


def _point(rng: np.random.Generator, names: set[str]) -> tuple[dict[str, Any], float]:
    lr, drop = 10 ** rng.uniform(-5, -1), rng.uniform(0, 0.6)
    kind = str(rng.choice(KINDS))
    momentum = float(rng.uniform(0.5, 0.99)) if kind == "sgd" else None
    quality = 0.85 - 0.03 * (math.log10(lr) + 2.5) ** 2 - 0.1 * (drop - 0.25) ** 2
    given = {LR: float(lr), DROP: float(drop), KIND: kind, MOMENTUM: momentum}
    for other in sorted(names - set(given)):
        given[other] = int(rng.integers(1, 9))
    return given, quality + 0.01 * (kind == "sgd")


def _mark(frame: pd.DataFrame, objectives: Sequence[tuple[str, str]]) -> None:
    """The front, and the chosen point: the best feasible one of the first objective."""
    signs = [1.0 if direction == "maximize" else -1.0 for _, direction in objectives]
    values = np.column_stack([sign * frame[f"value_{i}"] for i, sign in enumerate(signs)])
    good = frame["feasible"].to_numpy(bool)
    for at in np.flatnonzero(good):
        others = values[good]
        beaten = (others >= values[at]).all(axis=1) & (others > values[at]).any(axis=1)
        frame.loc[at, "front"] = not beaten.any()
    if good.any():
        frame.loc[int(np.argmax(np.where(good, values[:, 0], -np.inf))), "chosen"] = True


def _facts(
    name: str,
    at: int,
    searches: Searches,
    objectives: Sequence[tuple[str, str]],
    parameters: Sequence[dict[str, Any]],
    folds: int,
) -> dict[str, Any]:
    points = searches.points[searches.points["search"] == name]
    counts = points["state"].value_counts()
    chosen = points[points["chosen"]]
    best = float(chosen["value_0"].iloc[0]) if len(chosen) else None
    test = None if best is None else best - 0.02
    trainings = int(points["replicates"].sum()) + int(counts.get(FAILED, 0))
    named = [str(each["name"]) for each in parameters]
    return {
        "search": name,
        "arm": f"arm{at:013d}",
        "objectives": [{"metric": m, "direction": d} for m, d in objectives],
        "constraints": [{"metric": "sen", "at_least": 0.95}],
        "parameters": list(parameters),
        "points": len(points),
        **{state: int(counts.get(state, 0)) for state in (COMPLETE, PRUNED, STOPPED, FAILED)},
        "trainings": trainings,
        "trainings_without": REPLICATES * len(points),
        "best": best,
        "expected_by_chance": None if best is None else best - 0.012,
        "p_by_chance": 0.0312,
        "test": test,
        "test_low": None if test is None else test - 0.04,
        "test_high": None if test is None else test + 0.04,
        "optimism": 0.02 if best is not None else None,
        "chosen": [
            {
                "repeat": None if folds == 1 else 0,
                "fold": None if folds == 1 else fold,
                "number": int(row["number"]),
                "values": {
                    key: row[PARAM + key] * (1 + fold) if key == LR else row[PARAM + key]
                    for key in named
                },
            }
            for fold in range(folds)
            for _, row in chosen.iterrows()
        ],
        "importance": [
            {"name": key, "mean": 0.6 / (2**i), "sd": 0.05 + 0.01 * i}
            for i, key in enumerate(named)
        ],
        "terms": "Choice and score share patients of validation.",
    }


def _outcome(names: Sequence[str], metric: str, facts: list[dict[str, Any]]) -> Outcome:
    """A tuned arm a search, the last the best on test."""
    arms = []
    for at, name in enumerate(names):
        mean = 0.8 + 0.01 * at
        cells = {metric: Cell(mean, 0.01, mean - 0.05, mean + 0.05, REPLICATES)}
        replicates = pd.DataFrame({"repeat": 0, "fold": range(REPLICATES), "seed": 0, metric: mean})
        best = at == len(names) - 1
        params: dict[str, str | int | float] = {"network": name or "tuned"}
        arms.append(ArmOutcome(f"arm{at:013d}", params, cells, replicates, best=best))
    return Outcome(
        "tune", "f" * 64, "hyper", "Tuning", ("network",), (metric,), metric, "", tuple(arms),
        facts=Facts(searches=facts),
    )  # fmt: skip
