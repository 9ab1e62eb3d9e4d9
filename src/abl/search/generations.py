"""Points asked in generations, so that what is asked depends on nothing but earlier values.

The sampler is seeded anew from (seed, generation), and values are told in the order of the points.
What is asked therefore depends on the values of whole generations alone: a search that was broken
off anywhere and goes on asks the points of an unbroken one, and so does one whose trials ran side
by side. A sampler's own state, which may be a pickle, is never read but made again by telling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from abl.search.samplers import (
    Direction,
    SamplerName,
    quiet,
    sampler_named,
    set_constraints,
    uses_constraints,
)
from abl.search.space import Point, Space, suggested

GENERATION = 20
Values = tuple[float, ...] | None  # None: undefined there


@dataclass(frozen=True)
class Asking:
    """What decides the points of a search, beside the values that it is told.

    Attributes:
        space: Name -> values it may take.
        directions: One an objective.
        sampler: tpe, nsga2, random, gp (slow, needs torch) or cmaes (needs the package cmaes).
        seed: With the number of the generation it seeds the sampler.
        start: Points that are asked first; one that names not all is completed by the sampler.
        size: Points in a generation.
    """

    space: Space
    directions: Sequence[Direction]
    sampler: SamplerName = "tpe"
    seed: int = 0
    start: Sequence[Point] = ()
    size: int = GENERATION


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

    Raises:
        InputError: Unknown sampler, or a package it needs is not there.
    """

    def __init__(self, asking: Asking):
        import optuna

        self._asking = asking
        self._single = len(asking.directions) == 1
        self._asked: list[Any] = []
        self._generation = 0
        with quiet():
            self._study = optuna.create_study(
                directions=list(asking.directions), sampler=self._fresh_sampler()
            )
            for point in asking.start:
                self._study.enqueue_trial(dict(point))

    def ask(self) -> list[Point]:
        """The points of the next generation; those of the one before must have been told."""
        if self._asked:
            raise ValueError("tell the values of this generation before asking for the next")
        points = []
        with quiet():
            self._study.sampler = self._fresh_sampler()
            for _ in range(self._asking.size):
                trial = self._study.ask()
                self._asked.append(trial)
                points.append(suggested(trial, self._asking.space))
        self._generation += 1
        return points

    def tell(self, ends: Sequence[Values | Told]) -> None:
        """How the points of the generation asked last ended, in their order."""
        with quiet():
            for trial, end in zip(self._asked, ends, strict=True):
                told = end if isinstance(end, Told) else Told(end)
                # what a sampler does not look at must not decide who is hopeless either
                if uses_constraints(self._asking.sampler):
                    set_constraints(trial, told.constraints)
                end_trial(self._study, trial, told)
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
        """Whether the best value, of one objective, has not moved for more than so many points."""
        from optuna.trial import TrialState

        done = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not self._single or not done:
            return False
        values = [each.values[0] for each in done]
        best = max(values) if self._asking.directions[0] == "maximize" else min(values)
        return len(values) - 1 - values.index(best) > trials

    def _fresh_sampler(self) -> Any:
        asking = self._asking
        entropy = np.random.SeedSequence([asking.seed, self._generation])
        number = int(entropy.generate_state(1)[0])
        return sampler_named(asking.sampler, number, asking.size, len(asking.directions))


def end_trial(study: Any, trial: Any, told: Told) -> None:
    """Writes into a study of Optuna's how a trial that runs has ended."""
    from optuna.trial import TrialState

    single = len(study.directions) == 1
    for step, value in enumerate(told.steps) if single else ():
        trial.report(value, step)
    if told.values is not None:
        study.tell(trial, list(told.values))
    else:
        # Optuna knows no pruned trial of several objectives
        pruned = told.given_up and single
        study.tell(trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)
