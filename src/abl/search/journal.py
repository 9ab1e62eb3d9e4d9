"""A search whose values are computed at once, kept in a journal of Optuna's.

On the disk lies a journal of finished trials; points come from Generations, so that a search that
was broken off at any trial and goes on asks the points of an unbroken one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from filelock import AcquireReturnProxy, FileLock, Timeout

from abl.errors import InputError, Problem
from abl.search.generations import Asking, Generations, Values
from abl.search.journal_file import damage_told, journal_storage, refuse_another_file
from abl.search.samplers import Direction, quiet, settings_in_digest
from abl.search.space import Point, Space, distributions_of

TOLD_S = 5.0  # a longer wait for another process is told


@dataclass(frozen=True)
class Searched:
    """A finished trial: its number from 0, its point, and its values (None: undefined)."""

    number: int
    point: Point
    values: Values


def search(
    asking: Asking,
    evaluate: Callable[[Point], Values],
    *,
    trials: int,
    storage: Path | None = None,
    study: str = "",
) -> list[Searched]:
    """The first `trials` trials of a search, in order; those that the journal holds are not redone.

    Args:
        evaluate: Point -> one value an objective, or None where undefined.
        storage: File of the journal (Optuna's JournalStorage); None keeps nothing. It may hold many
            studies; one process at a time searches with it, others wait.
        study: What the values depend on, such as a digest of the data. What decides the points is
            added to it, so that other settings are another study.

    Raises:
        InputError: As Generations; the journal holds other points for this study, is another file,
            or cannot be written.
    """
    generations = Generations(asking)
    found: list[Searched] = []
    with _journal(storage, _study_name(study, asking), asking) as journal:
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
            if len(found) % asking.size == 0:
                generations.tell([each.values for each in found[-asking.size :]])
    return found


def _study_name(study: str, asking: Asking) -> str:
    import optuna

    settings: list[Any] = [getattr(asking, each.name) for each in fields(asking)]
    if own := settings_in_digest(asking.sampler, len(asking.directions)):
        settings.append(own)
    said = json.dumps([study, optuna.__version__, settings], default=asdict, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


class _Journal:
    """Finished trials of one study on the disk, in order; without a file, none."""

    def __init__(self, file: Path | None, study: Any, space: Space):
        self.file = str(file or "")
        self._study, self._space = study, space
        trials = study.get_trials(deepcopy=False) if study is not None else []
        self.done = [
            Searched(number, trial.params, None if trial.values is None else tuple(trial.values))
            for number, trial in enumerate(trials)
        ]

    def append(self, trial: Searched) -> None:
        if self._study is None:
            return
        from optuna.trial import TrialState, create_trial

        undefined = trial.values is None
        self._study.add_trial(
            create_trial(
                state=TrialState.FAIL if undefined else TrialState.COMPLETE,
                values=trial.values,
                params=trial.point,
                distributions=distributions_of(self._space, trial.point),
            )
        )


@contextlib.contextmanager
def _journal(file: Path | None, name: str, asking: Asking) -> Iterator[_Journal]:
    if file is None:
        yield _Journal(None, None, asking.space)
        return
    refuse_another_file(file)
    with _locked(file):
        with damage_told(file), quiet():
            study, _ = study_in(journal_storage(file), name, asking.directions)
            journal = _Journal(file, study, asking.space)
        yield journal


def study_in(storage: Any, name: str, directions: Sequence[Direction]) -> tuple[Any, bool]:
    """A study of a storage, made if it is not there; whether it is new."""
    import optuna

    if name in optuna.get_all_study_names(storage):
        return optuna.load_study(study_name=name, storage=storage), False
    made = optuna.create_study(study_name=name, storage=storage, directions=list(directions))
    return made, True


def _locked(file: Path) -> AcquireReturnProxy:
    """The lock of a journal, held until its block ends. Raises InputError if it cannot be made."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.open("ab").close()  # a lock waits for ever where no file can be made
        lock = FileLock(f"{file}.lock")
        try:
            return lock.acquire(timeout=TOLD_S)
        except Timeout:
            print(f"abl: waiting for {file}: another process searches with it", file=sys.stderr)
        return lock.acquire()
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(Problem(f"cannot be written ({why})", file=str(file))) from None
