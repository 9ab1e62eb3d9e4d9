"""Optuna's samplers by name, quiet and seeded."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from abl.errors import InputError, nearest
from abl.signatures import called, check_signature, placed
from abl.spec.search import SAMPLERS

Direction = Literal["maximize", "minimize"]
SamplerName = str  # one of SAMPLERS
Builder = Callable[[int, int, int], Any]


def sampler(
    name: str,
    *,
    constraints: bool = False,
    several: bool = True,
    lists: bool = False,
    version: int = 1,
) -> Callable[[Builder], Builder]:
    """Registers `build(seed, size, objectives)`, which gives an Optuna sampler.

    `size` is the number of points of a generation, of which none is told before all are asked,
    `objectives` how many values a trial has.

    Args:
        constraints: Whether it looks at constraints.
        several: Whether it can have several objectives.
        lists: Whether the points of the space are listed and it only completes them.
    """
    adding = SAMPLERS.registering(
        name, version=version, constraints=constraints, several=several, lists=lists
    )

    def register(build: Builder) -> Builder:
        registered = adding(build)
        check_signature(f"sampler '{name}'", build, ("seed", "size", "objectives"))
        return registered

    return register


@sampler("tpe", constraints=True)
def tpe(seed: int, size: int, objectives: int) -> Any:
    """Tree-structured Parzen estimator: a density of good points over one of the others."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, n_startup_trials=size, **tpe_settings(objectives))


@sampler("gp", constraints=True)
def gaussian_process(seed: int, size: int, objectives: int) -> Any:
    """Gaussian process; slow, needs torch."""
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, deterministic_objective=True, warn_independent_sampling=False)


@sampler("cmaes", several=False)
def cmaes(seed: int, size: int, objectives: int) -> Any:
    """CMA-ES, an evolution strategy: one objective, numbers alone; looks at no constraint."""
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=seed, warn_independent_sampling=False, consider_pruned_trials=True)


@sampler("nsga2", constraints=True)
def nsga2(seed: int, size: int, objectives: int) -> Any:
    """NSGA-II, a genetic algorithm for fronts."""
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(seed=seed, population_size=size)


@sampler("random")
def random(seed: int, size: int, objectives: int) -> Any:
    """Points drawn at random; looks at no constraint."""
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


@sampler("grid", lists=True)
def grid(seed: int, size: int, objectives: int) -> Any:
    """Every point of the space once; for `search:` alone."""
    return random(seed, size, objectives)


def sampler_named(name: str, seed: int, size: int, objectives: int) -> Any:
    """An Optuna sampler; arguments as in `sampler`. Raises InputError for an unknown name."""
    if name not in SAMPLERS:
        raise InputError(f"unknown sampler '{name}': {nearest(name, SAMPLERS)}")
    made = SAMPLERS[name](seed, size, objectives)
    if not hasattr(made, "sample_relative"):  # Optuna's base class takes a second to import
        given = f"{called(SAMPLERS[name])} gives {made!r}, not an Optuna sampler"
        raise InputError(f"sampler {name}: {given}{placed(SAMPLERS[name])}")
    return made


def uses_constraints(name: str) -> bool:
    """Whether a sampler looks at constraints."""
    entry = SAMPLERS.entry(name)
    return entry is not None and bool(entry.facts.get("constraints", False))


def asking_samplers() -> list[str]:
    """Names of those that ask points of any space: all but those that list them."""
    return [each.name for each in SAMPLERS.entries() if not each.facts.get("lists", False)]


def tpe_settings(objectives: int) -> dict[str, Any]:
    """What TPE is told though Optuna has a default: a newer default changes no search."""
    # points of one generation are asked before any is told: they must keep their distance
    return {"multivariate": objectives == 1, "constant_liar": True}


def settings_in_digest(name: str, objectives: int) -> dict[str, Any]:
    """What of a sampler tells searches apart in a digest: settings, version, a user's source.

    Settings of Optuna 5 are left out: searches that were kept before they were said had them.
    """
    before = {"multivariate": objectives == 1, "constant_liar": True}
    said = tpe_settings(objectives) if name == "tpe" else {}
    other = {setting: value for setting, value in said.items() if value != before[setting]}
    return other | SAMPLERS.identity(name)


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
