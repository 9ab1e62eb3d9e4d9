"""Search with Optuna: points in generations for any space. No other module imports Optuna.

Points are asked in generations of fixed size, with the sampler seeded anew from (seed, generation),
and told in their order. What is asked therefore depends on the values of whole generations alone:
a study that was broken off at any trial and goes on asks the points of an unbroken one, and so does
one whose trials ran side by side. On the disk lies a journal of finished trials; a sampler's own
state, which may be a pickle, is never read but made again by telling those trials.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from filelock import AcquireReturnProxy, FileLock

from abl.errors import InputError, Problem, nearest

GENERATION = 20
JOURNAL_START = b'{"op_code":'  # of each line that Optuna writes

Direction = Literal["maximize", "minimize"]
SamplerName = Literal["tpe", "nsga2", "random", "cmaes", "gp"]
Point = dict[str, Any]
Values = tuple[float, ...] | None  # None: undefined there


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; `log` spaces them by their logarithm."""

    low: float
    high: float
    log: bool = False
    integer: bool = False


@dataclass(frozen=True)
class Choices:
    """Values without an order."""

    values: tuple[str | int | float | bool, ...]


Space = Mapping[str, Range | Choices]


@dataclass(frozen=True)
class Searched:
    """A finished trial: its number from 0, its point, and its values (None: undefined)."""

    number: int
    point: Point
    values: Values


class Generations:
    """The points of a search, a generation at a time. Nothing is written.

    Asking and telling in turn, with what was told before, leads anywhere in a study; a search whose
    trials are trainings uses this alone, and its values come from the store.

    Args:
        space: Name -> values it may take.
        directions: One an objective.
        sampler: tpe, nsga2, random, gp (slow, needs torch) or cmaes (needs the package cmaes).
        seed: With the number of the generation it seeds the sampler.
        start: Points that are asked first.
        size: Points in a generation.

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
    ):
        import optuna

        self._distributions = {name: _distribution(each) for name, each in space.items()}
        self._sampler, self._seed, self._size = sampler, seed, size
        self._asked: list[Any] = []
        self._generation = 0
        with _quiet():
            self._study = optuna.create_study(
                directions=list(directions), sampler=self._fresh_sampler()
            )
            for point in start:
                self._study.enqueue_trial(dict(point))

    def ask(self) -> list[Point]:
        """The points of the next generation; those of the one before must have been told."""
        if self._asked:
            raise ValueError("tell the values of this generation before asking for the next")
        with _quiet():
            self._study.sampler = self._fresh_sampler()
            self._asked = [self._study.ask(self._distributions) for _ in range(self._size)]
        self._generation += 1
        return [dict(trial.params) for trial in self._asked]

    def tell(self, values: Sequence[Values]) -> None:
        """The values of the generation asked last, in the order of its points."""
        from optuna.trial import TrialState

        with _quiet():
            for trial, value in zip(self._asked, values, strict=True):
                if value is None:
                    self._study.tell(trial, state=TrialState.FAIL)
                else:
                    self._study.tell(trial, list(value))
        self._asked = []

    def _fresh_sampler(self) -> Any:
        entropy = np.random.SeedSequence([self._seed, self._generation])
        return _sampler(self._sampler, int(entropy.generate_state(1)[0]), self._size)


def search(
    space: Space,
    directions: Sequence[Direction],
    evaluate: Callable[[Point], Values],
    *,
    trials: int,
    sampler: SamplerName = "tpe",
    seed: int = 0,
    start: Sequence[Point] = (),
    size: int = GENERATION,
    storage: Path | None = None,
    study: str = "",
) -> list[Searched]:
    """The first `trials` trials of a search, in order; those that the journal holds are not redone.

    Args:
        evaluate: Point -> one value an objective, or None where undefined.
        storage: File of the journal (Optuna's JournalStorage); None keeps nothing. It may hold many
            studies; one process at a time searches with it, others wait.
        study: What the values depend on, such as a digest of the data. The settings of the search
            are added to it, so that other settings are another study.
        space, directions, sampler, seed, start, size: As Generations.

    Raises:
        InputError: As Generations; the journal holds other points for this study, is another file,
            or cannot be written.
    """
    generations = Generations(space, directions, sampler=sampler, seed=seed, start=start, size=size)
    name = _study_name(study, space, directions, sampler, seed, start, size)
    found: list[Searched] = []
    with _journal(storage, name, space, directions) as journal:
        while len(found) < trials:
            points = generations.ask()
            # asked whole though not all run: a longer search later has the same points
            for point in points[: trials - len(found)]:
                number = len(found)
                if number < len(journal.done):
                    known = journal.done[number]
                    if known.point != point:
                        raise InputError(
                            f"{journal.file}: trial {number} of this study is another point than "
                            "this machine asks for: give another file"
                        )
                else:
                    known = Searched(number, point, evaluate(point))
                    journal.append(known)
                found.append(known)
            if len(found) % size == 0:
                generations.tell([each.values for each in found[-size:]])
    return found


def _distribution(values: Range | Choices) -> Any:
    from optuna import distributions

    if isinstance(values, Choices):
        return distributions.CategoricalDistribution(list(values.values))
    if values.integer:
        return distributions.IntDistribution(int(values.low), int(values.high), log=values.log)
    return distributions.FloatDistribution(values.low, values.high, log=values.log)


def _sampler(name: str, seed: int, size: int) -> Any:
    from optuna import samplers

    match name:
        case "tpe":
            # points of one generation are asked before any is told: they must keep their distance
            return samplers.TPESampler(seed=seed, n_startup_trials=size, constant_liar=True)
        case "nsga2":
            return samplers.NSGAIISampler(seed=seed, population_size=size)
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "gp":
            return samplers.GPSampler(seed=seed, deterministic_objective=True)
        case "cmaes":
            return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    raise InputError(f"unknown sampler '{name}': {nearest(name, get_args(SamplerName))}")


def _study_name(study: str, *settings: Any) -> str:
    import optuna

    said = json.dumps([study, optuna.__version__, settings], default=asdict, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


class _Journal:
    """Finished trials of one study on the disk, in order; without a file, none."""

    def __init__(self, file: Path | None, study: Any, distributions: Mapping[str, Any]):
        self.file = file.name if file else ""
        self._study, self._distributions = study, distributions
        trials = study.get_trials(deepcopy=False) if study is not None else []
        self.done = [
            Searched(number, trial.params, None if trial.values is None else tuple(trial.values))
            for number, trial in enumerate(trials)
        ]

    def append(self, trial: Searched) -> None:
        if self._study is None:
            return
        from optuna.trial import TrialState, create_trial

        state = TrialState.FAIL if trial.values is None else TrialState.COMPLETE
        values = None if trial.values is None else list(trial.values)
        self._study.add_trial(
            create_trial(
                state=state,
                values=values,
                params=trial.point,
                distributions=dict(self._distributions),
            )
        )


class _HeldByUs:
    """Optuna's journal asks for a lock at each line; ours is held all the while."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        """Nothing."""


@contextlib.contextmanager
def _journal(
    file: Path | None, name: str, space: Space, directions: Sequence[Direction]
) -> Iterator[_Journal]:
    if file is None:
        yield _Journal(None, None, {})
        return
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    _refuse_another_file(file)
    with _locked(file):
        _drop_broken_line(file)
        with _quiet():
            storage = JournalStorage(JournalFileBackend(str(file), lock_obj=cast(Any, _HeldByUs())))
            if name in optuna.get_all_study_names(storage):
                study = optuna.load_study(study_name=name, storage=storage)
            else:
                study = optuna.create_study(
                    study_name=name, storage=storage, directions=list(directions)
                )
            distributions = {key: _distribution(each) for key, each in space.items()}
            journal = _Journal(file, study, distributions)
        yield journal


def _locked(file: Path) -> AcquireReturnProxy:
    """The lock of a journal, held until its block ends. Raises InputError if it cannot be made."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.open("ab").close()  # a lock waits for ever where no file can be made
        return FileLock(f"{file}.lock").acquire()
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(Problem(f"cannot be written ({why})", file=str(file))) from None


def _refuse_another_file(file: Path) -> None:
    """Raises InputError unless it is a journal, or nothing yet: its last line may be cut off."""
    if not file.exists():
        return
    problem = Problem(
        "is not the journal of a search: give a new file, or one that --study made", file=str(file)
    )
    if not file.is_file():
        raise InputError(problem)
    *lines, last = file.read_bytes().split(b"\n")
    try:
        # Optuna 5 has ten operations; at another number it stops with an assertion
        journal = all(json.loads(line)["op_code"] in range(10) for line in lines)
    except (ValueError, TypeError, KeyError):
        journal = False
    if not journal or last[: len(JOURNAL_START)] != JOURNAL_START[: len(last)]:
        raise InputError(problem)


def _drop_broken_line(file: Path) -> None:
    """Cuts off what a killed process left of its last line; Optuna could not read past it."""
    if not file.exists():
        return
    data = file.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(file, whole)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
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
