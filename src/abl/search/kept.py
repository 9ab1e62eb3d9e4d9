"""The study of a search where people can open it (optuna-dashboard): journal, SQLite or a server.

It tells how points ended that left nothing in the store (failed, stopped), and holds every point
with its values for whoever browses it. What is asked next never depends on a sampler's state there.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from abl.answering import check_database, patient_url
from abl.errors import InputError
from abl.redaction import redacted
from abl.search.generations import Told, end_trial
from abl.search.journal import study_in
from abl.search.journal_file import damage_told, journal_storage
from abl.search.samplers import Direction, quiet, set_constraints
from abl.search.space import Point, Space, distributions_of

STORAGE = "ABL_SEARCH_STORAGE"  # environment: a database URL, which may hold a password
# a database server that restarts is back by then
PATIENCE_S = 60.0


@dataclass
class KeptPoint:
    """A point as it was left: its state (running, complete, pruned, fail) and what was noted."""

    point: Point
    state: str
    notes: dict[str, Any] = field(default_factory=dict)


class KeptStudies:
    """The studies of a sweep; only one process writes, another one keeps nothing.

    Args:
        folder: Of the store's searches.
        name: Of the sweep.
        url: Of a database; default a journal in the folder.

    Raises:
        InputError: The storage cannot be used.
    """

    def __init__(self, folder: Path, name: str, url: str | None = None):
        self._url, self._where = url, url or str(folder / f"{name}.journal")
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / f"{name}.lock")
        self._storage: Any = None
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return
        with self._opened():
            if url:
                from optuna.storages import RDBStorage

                check_database(url)
                # a server that was restarted has cut its connections: they are tried before use
                self._storage = RDBStorage(patient_url(url), engine_kwargs={"pool_pre_ping": True})
            else:
                self._storage = journal_storage(folder / f"{name}.journal")

    @property
    def writes(self) -> bool:
        """Whether this process keeps the studies."""
        return self._storage is not None

    def study(self, key: str, title: str, directions: Sequence[Direction]) -> KeptStudy:
        """The study of this key, made if it is not there."""
        if self._storage is None:
            return KeptStudy(None, key)
        import optuna

        with self._opened():
            study, new = study_in(self._storage, _name_of(key, title), directions)
            if new:
                count = len(optuna.get_all_study_names(self._storage))
                study.set_user_attr("abl.title", title)
                study.set_user_attr("abl.number", count)
            return KeptStudy(study, key, self._where)

    def older(self, key: str, title: str) -> list[Point]:
        """Points of the last study of this title with another key, in their order."""
        if self._storage is None:
            return []
        import optuna

        with self._opened():
            studies = [
                optuna.load_study(study_name=name, storage=self._storage)
                for name in optuna.get_all_study_names(self._storage)
                if name != _name_of(key, title)
            ]
            ours = [each for each in studies if each.user_attrs.get("abl.title") == title]
            if not ours:
                return []
            last = max(ours, key=lambda study: study.user_attrs.get("abl.number", 0))
            return [dict(trial.params) for trial in last.get_trials(deepcopy=False)]

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        """What Optuna stops at as InputError: a storage that cannot be used, a damaged journal."""
        damaged = contextlib.nullcontext() if self._url else damage_told(Path(self._where))
        with _told(self._where), damaged, quiet():
            yield

    def close(self) -> None:
        """Lets another process write."""
        self._storage = None
        self._lock.release()


def _name_of(key: str, title: str) -> str:
    return f"{title} {key[:12]}".strip()


class KeptStudy:
    """One study of a storage; without one, nothing is kept."""

    def __init__(self, study: Any, key: str, where: str = ""):
        self.key = key
        self._where = where
        self._study = study
        self.points: list[KeptPoint] = []
        for trial in study.get_trials(deepcopy=False) if study is not None else []:
            state = trial.state.name.lower()
            self.points.append(KeptPoint(dict(trial.params), state, dict(trial.user_attrs)))

    def noted(self, name: str, default: Any = None) -> Any:
        """What was noted of the whole study."""
        return default if self._study is None else self._study.user_attrs.get(name, default)

    def note(self, name: str, value: Any) -> None:
        """Notes something of the whole study."""
        self._write(lambda: self._study.set_user_attr(name, value))

    def begin(self, number: int, point: Point, generation: int, space: Space) -> None:
        """Writes a point before it runs.

        Raises:
            InputError: Another point was written under this number.
        """
        if number < len(self.points):
            if self.points[number].point != point:
                raise InputError(
                    f"search: point {number} of the study {self.key[:12]} is another one than is "
                    "asked for now: set another search.seed, which begins a new study"
                )
            return
        self.points.append(KeptPoint(point, "running"))

        def add() -> None:
            from optuna.trial import TrialState, create_trial

            if len(self._study.get_trials(deepcopy=False)) > number:
                return  # written, though the answer was lost
            self._study.add_trial(
                create_trial(
                    state=TrialState.RUNNING,
                    params=point,
                    distributions=distributions_of(space, point),
                    user_attrs={"generation": generation},
                )
            )

        self._write(add)

    def note_point(self, number: int, notes: Mapping[str, Any]) -> None:
        """Notes something of a point that has not ended."""
        self.points[number].notes |= dict(notes)
        if self.points[number].state != "running":
            return

        def add() -> None:
            trial = self._trial(number)
            for name, value in notes.items():
                trial.set_user_attr(name, value)

        self._write(add)

    def end(self, number: int, told: Told) -> None:
        """Writes how a point ended: complete, pruned or fail; once."""
        if self.points[number].state != "running":
            return
        given_up = "pruned" if told.given_up else "fail"
        self.points[number].state = given_up if told.values is None else "complete"

        def tell() -> None:
            if self._study.get_trials(deepcopy=False)[number].state.is_finished():
                return  # written, though the answer was lost
            trial = self._trial(number)
            set_constraints(trial, told.constraints)
            if told.constraints:
                # optuna-dashboard 0.21 shows no constraints of Optuna 5, but what is noted
                trial.set_user_attr("constraints", list(told.constraints))
            end_trial(self._study, trial, told)

        self._write(tell)

    def _write(self, action: Callable[[], None]) -> None:
        """Does what may be done twice, again while a server is away."""
        if self._study is None:
            return
        from optuna.exceptions import StorageInternalError

        deadline = time.monotonic() + PATIENCE_S
        with _told(self._where), quiet():
            while True:
                try:
                    return action()
                except StorageInternalError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.5)

    def _trial(self, number: int) -> Any:
        import optuna

        storage, study_id = self._study._storage, self._study._study_id
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
        return optuna.trial.Trial(self._study, trial_id)


@contextlib.contextmanager
def _told(where: str) -> Iterator[None]:
    """A storage that cannot be used is bad input; a URL's password is not repeated."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        named = f"{where}, which {STORAGE} names," if "://" in where else where
        line = f"search: the study at {named} cannot be used ({_why(error)})"
        raise InputError(redacted(line, where)) from None


def _why(error: Exception) -> str:
    if isinstance(error, ImportError):
        lacking = error if error.name else error.__cause__
        name = getattr(lacking, "name", None) or "of its driver"
        return f"the package {name} is not installed: pip install 'abl[postgres]'"
    cause = getattr(error, "orig", None) or error  # SQLAlchemy's own text holds the statement
    first = next(iter(str(cause).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}"[:200]


def check_storage() -> None:
    """Raises InputError if a database cannot be used: asked before anything is read or trained."""
    url = storage_url()
    if url is None:
        return
    with _told(url):
        check_database(url)


def storage_url() -> str | None:
    """The database that the environment names."""
    return os.environ.get(STORAGE) or None
