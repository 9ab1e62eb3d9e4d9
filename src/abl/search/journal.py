"""A search whose values are computed at once, kept in a journal of Optuna's.

On the disk lies a journal of finished trials; points come from Generations, so that a search that
was broken off at any trial and goes on asks the points of an unbroken one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from filelock import AcquireReturnProxy, FileLock

from abl.errors import InputError, Problem
from abl.search.generations import Asking, Generations, Values
from abl.search.samplers import Direction, quiet, settings_in_digest
from abl.search.space import Point, Space, distributions_of

JOURNAL_START = b'{"op_code":'  # of each line that Optuna writes


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
        self.file = file.name if file else ""
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
    _refuse_another_file(file)
    with _locked(file):
        with quiet():
            study, _ = study_in(journal_storage(file), name, asking.directions)
            journal = _Journal(file, study, asking.space)
        yield journal


class _HeldByUs:
    """Optuna's journal asks for a lock at each line; ours is held all the while."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        """Nothing."""


def journal_storage(file: Path) -> Any:
    """Optuna's storage in a file that this process has locked."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    _drop_broken_line(file)
    return JournalStorage(JournalFileBackend(str(file), lock_obj=cast(Any, _HeldByUs())))


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
