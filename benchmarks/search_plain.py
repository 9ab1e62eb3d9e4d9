"""The same search as one would write it: Optuna alone, and Ray Tune with Optuna."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from abl.search.space import Choices, Space

SLOTS = 2
STORE_MIB = 100
Mean = Callable[[Mapping[str, Any]], float]  # a point -> its mean over the folds


def suggest_from(space: Space, trial: Any) -> dict[str, Any]:
    """A point by what Optuna offers everyone, conditions followed."""
    point: dict[str, Any] = {}
    for name, each in space.items():
        if isinstance(each, Choices):
            point[name] = trial.suggest_categorical(name, list(each.values))
            point |= suggest_from(each.inner.get(point[name], {}), trial)
        else:
            point[name] = trial.suggest_float(name, each.low, each.high, log=each.log)
    return point


def with_optuna(
    space: Space, mean: Mean, points: int, seed: int, start: Mapping[str, Any] | None = None
) -> tuple[list[tuple[dict[str, Any], float]], float]:
    """(point, mean) of each trial in order, and seconds. TPE with Optuna's defaults.

    Args:
        start: A point tried first.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    began = time.perf_counter()
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    if start is not None:
        study.enqueue_trial(dict(start))
    study.optimize(lambda trial: mean(suggest_from(space, trial)), n_trials=points)
    found = [(dict(trial.params), float(trial.value or 0.0)) for trial in study.trials]
    return found, time.perf_counter() - began


def with_tune(
    space: Space, mean: Mean, points: int, seed: int, start: Mapping[str, Any] | None = None
) -> tuple[list[tuple[dict[str, Any], float]], float]:
    """(point, mean) of each trial in the order in which they ended, and seconds. Ray must run.

    OptunaSearch with its defaults; a trial computes all folds; actors are reused, without which
    every trial starts a process.
    """
    import optuna
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def trial(config: Mapping[str, Any]) -> dict[str, float]:
        return {"mean": mean(config), "ended": time.time()}

    began = time.perf_counter()
    first = None if start is None else [dict(start)]
    define = partial(_defined, space)
    searcher = OptunaSearch(define, metric="mean", mode="max", seed=seed, points_to_evaluate=first)
    settings = tune.TuneConfig(
        search_alg=searcher, num_samples=points, max_concurrent_trials=SLOTS, reuse_actors=True
    )
    with tempfile.TemporaryDirectory() as folder:
        run = tune.RunConfig(storage_path=folder, verbose=0)
        results = tune.Tuner(trial, tune_config=settings, run_config=run).fit()
        if results.errors:
            raise results.errors[0]
        ended = [(each.metrics["ended"], each.config, each.metrics["mean"]) for each in results]
    ended.sort(key=lambda each: each[0])
    return [(config, mean) for _, config, mean in ended], time.perf_counter() - began


def _defined(space: Space, trial: Any) -> None:
    suggest_from(
        space, trial
    )  # Tune takes what was suggested from the trial, and pickles this function


class RayOnTwoCpus(AbstractContextManager[float]):
    """Ray while it is entered, without its dashboard; gives the seconds that its start took."""

    def __enter__(self) -> float:
        os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
        os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
        began = time.perf_counter()
        import ray

        ray.init(
            num_cpus=SLOTS,
            object_store_memory=STORE_MIB * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
        )
        return time.perf_counter() - began

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()
