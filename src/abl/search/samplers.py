"""Optuna's samplers by name, quiet and seeded."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

from abl.errors import InputError, nearest

Direction = Literal["maximize", "minimize"]
SamplerName = Literal["tpe", "nsga2", "random", "cmaes", "gp"]
USING_CONSTRAINTS = frozenset({"tpe", "nsga2", "gp"})  # random and cmaes do not look at them


def sampler_named(name: str, seed: int, size: int, objectives: int) -> Any:
    """An Optuna sampler.

    Args:
        size: Points of a generation, of which none is told before all are asked.
        objectives: How many values a trial has.

    Raises:
        InputError: Unknown name.
    """
    from optuna import samplers

    match name:
        case "tpe":
            return samplers.TPESampler(seed=seed, n_startup_trials=size, **tpe_settings(objectives))
        case "nsga2":
            return samplers.NSGAIISampler(seed=seed, population_size=size)
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "gp":
            return samplers.GPSampler(
                seed=seed, deterministic_objective=True, warn_independent_sampling=False
            )
        case "cmaes":
            return samplers.CmaEsSampler(
                seed=seed, warn_independent_sampling=False, consider_pruned_trials=True
            )
    raise InputError(f"unknown sampler '{name}': {nearest(name, get_args(SamplerName))}")


def tpe_settings(objectives: int) -> dict[str, bool]:
    """What TPE is told though Optuna has a default: a newer default changes no search."""
    # points of one generation are asked before any is told: they must keep their distance
    return {"multivariate": objectives == 1, "constant_liar": True}


def settings_in_digest(name: str, objectives: int) -> dict[str, bool]:
    """A sampler's settings by which a digest tells searches apart.

    Those of Optuna 5 are left out: searches that were kept before they were said had them.
    """
    before = {"multivariate": objectives == 1, "constant_liar": True}
    said = tpe_settings(objectives) if name == "tpe" else {}
    return {setting: value for setting, value in said.items() if value != before[setting]}


def set_constraints(trial: Any, violations: Sequence[float]) -> None:
    """Says of a trial how far each constraint is broken (above 0); what was said stays."""
    for at, value in enumerate(violations):
        if str(at) not in trial.constraints:
            trial.set_constraint(str(at), value)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's lines of each trial and its warnings that a feature may change."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
