"""Points asked in generations, so that what is asked depends on nothing but earlier values.

The sampler is seeded anew from (seed, generation), and values are told in the order of the points.
What is asked therefore depends on the values of whole generations alone: a search that was broken
off anywhere and goes on asks the points of an unbroken one, and so does one whose trials ran side
by side. A sampler's own state, which may be a pickle, is never read but made again by telling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from abl.search.samplers import CONSTRAINTS, Direction, SamplerName, quiet, sampler_named
from abl.search.space import Choices, Point, Range, Space

GENERATION = 20
Values = tuple[float, ...] | None  # None: undefined there


@dataclass(frozen=True)
class Told:
    """How a point ended.

    Attributes:
        values: One an objective; None if it failed or was given up.
        steps: The first objective on each replicate that was scored, in their fixed order.
        given_up: Whether it was given up as hopeless.
        constraints: Numbers above 0 are violated.
    """

    values: Values
    steps: tuple[float, ...] = ()
    given_up: bool = False
    constraints: tuple[float, ...] = ()


class Generations:
    """The points of a search, a generation at a time. Nothing is written.

    Asking and telling in turn, with what was told before, leads anywhere in a study; a search whose
    trials are trainings uses this alone, and its values come from the store.

    Args:
        space: Name -> values it may take.
        directions: One an objective.
        sampler: tpe, nsga2, random, gp (slow, needs torch) or cmaes (needs the package cmaes).
        seed: With the number of the generation it seeds the sampler.
        start: Points that are asked first; one that names not all is completed by the sampler.
        size: Points in a generation.
        constrained: Whether what is told has constraints.

    Raises:
        InputError: Unknown sampler, or a package it needs is not there.
    """

    def __init__(
        self,
        space: Space,
        directions: Sequence[Direction],
        *,
        sampler: SamplerName = "tpe",
        seed: int = 0,
        start: Sequence[Point] = (),
        size: int = GENERATION,
        constrained: bool = False,
    ):
        import optuna

        self._space = space
        self._sampler, self._seed, self._size = sampler, seed, size
        self._constrained = constrained
        self._single = len(directions) == 1
        self._asked: list[Any] = []
        self._generation = 0
        with quiet():
            self._study = optuna.create_study(
                directions=list(directions), sampler=self._fresh_sampler()
            )
            for point in start:
                self._study.enqueue_trial(dict(point))

    def ask(self) -> list[Point]:
        """The points of the next generation; those of the one before must have been told."""
        if self._asked:
            raise ValueError("tell the values of this generation before asking for the next")
        points = []
        with quiet():
            self._study.sampler = self._fresh_sampler()
            for _ in range(self._size):
                trial = self._study.ask()
                self._asked.append(trial)
                points.append(suggested(trial, self._space))
        self._generation += 1
        return points

    def tell(self, ends: Sequence[Values | Told]) -> None:
        """How the points of the generation asked last ended, in their order."""
        from optuna.trial import TrialState

        with quiet():
            for trial, end in zip(self._asked, ends, strict=True):
                told = end if isinstance(end, Told) else Told(end)
                if told.constraints:
                    trial.set_user_attr(CONSTRAINTS, list(told.constraints))
                if self._single:
                    for step, value in enumerate(told.steps):
                        trial.report(value, step)
                if told.values is not None:
                    self._study.tell(trial, list(told.values))
                elif told.given_up and self._single:
                    self._study.tell(trial, state=TrialState.PRUNED)
                else:
                    # Optuna knows no pruned trial of several objectives
                    self._study.tell(trial, state=TrialState.FAIL)
        self._asked = []

    def is_hopeless(self, steps: Sequence[float], p: float, least: int) -> bool:
        """Whether a point of this generation is worse than the best of those before.

        Optuna's WilcoxonPruner: a signed-rank test over the replicates that both have.

        Args:
            steps: Its first objective on the replicates scored so far, in their fixed order.
            p: Chance at which it counts as worse.
            least: Replicates that it is given in any case.
        """
        from optuna.pruners import WilcoxonPruner
        from optuna.trial import TrialState, create_trial

        if not self._single:
            return False
        trial = create_trial(
            state=TrialState.RUNNING, intermediate_values=dict(enumerate(map(float, steps)))
        )
        with quiet():
            pruner = WilcoxonPruner(p_threshold=p, n_startup_steps=least)
            return bool(pruner.prune(self._study, trial))

    def has_stagnated(self, trials: int) -> bool:
        """Whether the best value has not moved for so many points (Optuna's terminator)."""
        from optuna.terminator import (
            BestValueStagnationEvaluator,
            StaticErrorEvaluator,
            Terminator,
        )
        from optuna.trial import TrialState

        done = [t for t in self._study.trials if t.state == TrialState.COMPLETE]
        if not self._single or not done:
            return False
        with quiet():
            terminator = Terminator(
                BestValueStagnationEvaluator(max_stagnation_trials=trials),
                StaticErrorEvaluator(constant=0.0),
                min_n_trials=1,
            )
            return bool(terminator.should_terminate(self._study))

    def _fresh_sampler(self) -> Any:
        entropy = np.random.SeedSequence([self._seed, self._generation])
        number = int(entropy.generate_state(1)[0])
        return sampler_named(self._sampler, number, self._size, constrained=self._constrained)


def suggested(trial: Any, space: Space) -> Point:
    """The values that an Optuna trial takes in a space, conditions followed."""
    point: Point = {}
    for name, dimension in space.items():
        point[name] = trial._suggest(name, distribution_of(dimension))
        if isinstance(dimension, Choices):
            point |= suggested(trial, dimension.inner.get(point[name], {}))
    return point


def distribution_of(values: Range | Choices) -> Any:
    """What Optuna calls a dimension."""
    from optuna import distributions

    if isinstance(values, Choices):
        return distributions.CategoricalDistribution(list(values.values))
    if values.integer:
        return distributions.IntDistribution(int(values.low), int(values.high), log=values.log)
    return distributions.FloatDistribution(values.low, values.high, log=values.log)


def distributions_of(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the names that a point has."""
    found: dict[str, Any] = {}
    for name, dimension in space.items():
        if name in point:
            found[name] = distribution_of(dimension)
            if isinstance(dimension, Choices):
                found |= distributions_of(dimension.inner.get(point[name], {}), point)
    return found
