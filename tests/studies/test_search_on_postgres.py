"""The study of a search on a PostgreSQL server, also one that restarts meanwhile."""

from __future__ import annotations

import threading
import time

import optuna
import pytest
from searched_points import Finished, run, search_of, told
from searched_sweeps import written

import abl
from abl.errors import InputError
from abl.search import kept
from abl.search.kept import STORAGE, KeptStudies
from servers import running_postgres
from tiny_sweeps import write_tiny_set

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def postgres():
    with running_postgres() as server:
        yield server


def first(ready):
    return ready[0]


def trials(url: str, title: str) -> list[optuna.trial.FrozenTrial]:
    names = [name for name in optuna.get_all_study_names(url) if name.startswith(title)]
    assert len(names) == 1
    return optuna.load_study(study_name=names[0], storage=url).trials


def test_a_sweep_searches_on_a_server_as_in_its_journal(tmp_path, postgres, monkeypatch):
    write_tiny_set(tmp_path / "images")
    path = written(tmp_path)
    plain = abl.run(abl.load(path, root=tmp_path / "plain"), executor="local", record=False)
    monkeypatch.setenv(STORAGE, postgres.url)
    for _ in range(2):
        result = abl.run(abl.load(path, root=tmp_path / "kept"), executor="local", record=False)
        assert abl.table(result) == abl.table(plain)
    assert not list((tmp_path / "kept" / "store" / "searches").glob("*.journal"))
    found = trials(postgres.url, "tiny")
    assert len(found) == 6
    assert {trial.state.name for trial in found} <= {"COMPLETE", "PRUNED"}
    for path in (tmp_path / "kept").rglob("*"):
        # the table of a run is read by many, the database by few
        assert not path.is_file() or postgres.password.encode() not in path.read_bytes()


def test_a_server_that_restarts_costs_a_search_nothing(tmp_path, postgres):
    store, unbroken = Finished(), Finished()
    whole = search_of(unbroken)
    run(whole, unbroken, first)
    studies = KeptStudies(tmp_path, "s", postgres.url)
    search = search_of(store, kept=studies.study("restart", "restart", ["maximize"]))
    restarts = []

    def restarting(ready):
        if len(store.digests) == 20 and not restarts:
            postgres.stop()
            restarts.append(threading.Timer(1.5, postgres.start))
            restarts[0].start()
        return ready[0]

    began = time.monotonic()
    run(search, store, restarting)
    restarts[0].join()
    studies.close()
    assert time.monotonic() - began > 1.5, "nobody waited for the server"
    assert told(search) == told(whole)
    kept_trials = trials(postgres.url, "restart")
    assert [trial.params for trial in kept_trials] == [state.point for state in search.points]
    assert all(trial.state.is_finished() for trial in kept_trials)


def test_a_server_that_is_away_is_told_without_its_password(tmp_path, postgres, monkeypatch):
    monkeypatch.setattr(kept, "PATIENCE_S", 0.5)
    store, studies = Finished(), KeptStudies(tmp_path, "s", postgres.url)
    search = search_of(store, kept=studies.study("lost", "lost", ["maximize"]))

    def stopping(ready):
        if len(store.digests) == 2:
            postgres.stop()
        return ready[0]

    try:
        with pytest.raises(InputError) as caught:
            run(search, store, stopping)
        with pytest.raises(InputError) as refused:
            KeptStudies(tmp_path / "new", "s", postgres.url)
    finally:
        postgres.start()
        studies.close()
    for said in (str(caught.value), str(refused.value)):
        assert "cannot be used" in said
        assert str(postgres.port) in said
        assert postgres.password not in said
