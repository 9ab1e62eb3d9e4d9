"""Optuna's samplers by name, quiet and seeded."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, Literal, get_args

from abl.errors import InputError, nearest

Direction = Literal["maximize", "minimize"]
SamplerName = Literal["tpe", "nsga2", "random", "cmaes", "gp"]
CONSTRAINTS = "constraints"  # user attribute of a trial: numbers above 0 are violated


def sampler_named(name: str, seed: int, size: int, *, constrained: bool = False) -> Any:
    """An Optuna sampler.

    Args:
        size: Points of a generation, of which none is told before all are asked.
        constrained: Whether trials carry CONSTRAINTS; random and cmaes do not look at them.

    Raises:
        InputError: Unknown name.
    """
    from optuna import samplers

    rules: dict[str, Any] = {"constraints_func": _violations} if constrained else {}
    match name:
        case "tpe":
            # points of one generation are asked before any is told: they must keep their distance
            return samplers.TPESampler(
                seed=seed, n_startup_trials=size, constant_liar=True, **rules
            )
        case "nsga2":
            return samplers.NSGAIISampler(seed=seed, population_size=size, **rules)
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "gp":
            return samplers.GPSampler(
                seed=seed, deterministic_objective=True, warn_independent_sampling=False, **rules
            )
        case "cmaes":
            return samplers.CmaEsSampler(
                seed=seed, warn_independent_sampling=False, consider_pruned_trials=True
            )
    raise InputError(f"unknown sampler '{name}': {nearest(name, get_args(SamplerName))}")


def _violations(trial: Any) -> tuple[float, ...]:
    return tuple(trial.user_attrs.get(CONSTRAINTS, ()))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's lines of each trial and its warnings that a feature may change."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", category=FutureWarning, module="optuna")
            warnings.filterwarnings("ignore", message="`?constraints_func", category=FutureWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
