"""Made-up searches of a recorded sweep, for the tests of the record."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd
from recorded_outcomes import threshold_outcome

from abl.plan.outcome import Outcome, Searches

LR, DEPTH, KIND, MOMENTUM = "train.lr", "train.depth", "train.optimizer", "train.momentum"
STATES = ("complete", "pruned", "stopped", "failed", "complete")
EPOCHS, CHOSEN = 3, 4


def searched(names: tuple[str, ...] = ("",), objectives: tuple[str, ...] = ("auc",)) -> Outcome:
    """A recorded sweep with the facts of searches."""
    facts = [
        {
            "search": name,
            "objectives": [{"metric": metric, "direction": "maximize"} for metric in objectives],
            "parameters": [
                {"name": LR, "kind": "float"},
                {"name": DEPTH, "kind": "int"},
                {"name": KIND, "kind": "choices", "choices": ["adam", "sgd"]},
                {"name": MOMENTUM, "kind": "float"},
            ],
        }
        for name in names
    ]
    outcome = threshold_outcome(networks=1)
    return dataclasses.replace(outcome, facts=dataclasses.replace(outcome.facts, searches=facts))


def frames(
    names: tuple[str, ...] = ("",), *, objectives: int = 1, roles: tuple[str, ...] = ("original",)
) -> Searches:
    """Five points a search, of two replicates each; sgd alone has momentum and a depth."""
    points, scores, curves = [], [], []
    for name in names:
        for number, state in enumerate(STATES):
            place = {"search": name, "number": number}
            values = {
                f"value_{at}": 0.7 + number / 100 + at if state == "complete" else math.nan
                for at in range(objectives)
            }
            sgd = number % 2 == 1
            points.append(
                {**place, "generation": 0, "state": state, "chosen": number == CHOSEN}
                | {"reason": "" if state == "complete" else f"after point {number}"}
                | values
                | {f"param:{LR}": 10.0**-number, f"param:{DEPTH}": 2 + number if sgd else None}
                | {f"param:{KIND}": "sgd" if sgd else "adam"}
                | {f"param:{MOMENTUM}": 0.9 if sgd else None}
            )
            for at in range(0 if state == "failed" else 1 if state == "pruned" else 2):
                row = {**place, "at": at, "repeat": 0, "fold": at, "seed": 0}
                scores.append(row | {f"value_{i}": 0.6 + at / 10 + i for i in range(objectives)})
            for role in roles:
                curves += [
                    {**place, "at": at, "role": role, "epoch": epoch + 1}
                    | {"validation_loss": 1.0 / (epoch + 1), "validation_auc": math.nan}
                    for at in range(2)
                    for epoch in range(EPOCHS)
                ]
    return Searches(*(pd.DataFrame(rows) for rows in (points, scores, curves)))
