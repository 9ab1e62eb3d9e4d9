"""The question as one would first write it: a Ray Tune grid, a trial a cell, MLflow's callback.

Each trial trains its five selectors, O and T and reports one accuracy. Run on cells drawn at
random; the whole grid takes as many times longer as it has more cells.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from task import (
    CONSENSUS,
    ORIGINAL,
    PANEL,
    RULES,
    THRESHOLDS,
    accuracy,
    decided,
    load_task,
    trained,
    true_rows,
)


def trial(config: dict) -> None:
    cell = config["cell"]
    task = load_task(Path(config["folder"]))
    seed, everything = cell["seed"], task.rows["train"]
    selectors = [trained(task, name, seed, everything) for name in PANEL]
    original = trained(task, ORIGINAL, seed, everything)
    true = trained(task, ORIGINAL, seed, true_rows(task, selectors, cell["n"]))
    rule, threshold = cell["rule"], cell["threshold"]
    tune.report(
        {
            role: accuracy(task, role, decided(rule, original[role], true[role], threshold))
            for role in ("validation", "test")
        }
    )


def main() -> None:
    folder, out, count = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), int(sys.argv[3])
    seeds = json.loads((folder / "task.json").read_text())["seeds"]
    grid = [
        {"n": n, "threshold": threshold, "rule": rule, "seed": seed}
        for n, threshold, rule, seed in itertools.product(CONSENSUS, THRESHOLDS, RULES, seeds)
    ]
    drawn = np.random.default_rng(0).choice(len(grid), size=count, replace=False)
    space = {"folder": str(folder), "cell": tune.grid_search([grid[at] for at in drawn])}
    callback = MLflowLoggerCallback(
        tracking_uri=f"sqlite:///{out / 'mlflow.db'}", experiment_name="threshold"
    )
    tuner = tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space=space,
        run_config=tune.RunConfig(storage_path=str(out), callbacks=[callback], verbose=0),
    )
    results = tuner.fit()
    if results.num_errors:
        raise SystemExit(f"{results.num_errors} trials failed: {results.errors[0]}")
    print(json.dumps({"cells": len(grid), "run": count, "trainings": count * (len(PANEL) + 2)}))


if __name__ == "__main__":
    main()
