"""A search asks the same points in whatever order its trainings end, and spares hopeless ones."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searched_points import SPACE, Finished, accuracy, run, search_of, told

from abl.errors import InputError
from abl.plan.outcome import COMPLETE, FAILED, PRUNED
from abl.runner.protocols import Ended, Failure
from abl.search.kept import KeptStudies
from abl.search.space import within
from abl.studies.searching.search_run import best_point


def first(ready):
    return ready[0]


@pytest.fixture(scope="module")
def in_order():
    store = Finished()
    search = search_of(store)
    run(search, store, first)
    return told(search)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_the_order_in_which_trainings_end_changes_nothing(in_order, seed):
    store, draw = Finished(), random.Random(seed)
    search = search_of(store)
    run(search, store, draw.choice)
    assert told(search) == in_order


@settings(max_examples=10)
@given(st.integers(1, 60), st.integers(0, 10_000))
def test_a_search_broken_off_anywhere_asks_the_same_points(in_order, after, seed):
    store, draw = Finished(), random.Random(seed)
    run(search_of(store), store, draw.choice, most=after)
    again = search_of(store)
    run(again, store, draw.choice)
    assert told(again) == in_order


def test_pruning_spares_trainings_and_keeps_the_winner():
    stores = Finished(), Finished()
    pruned, whole = search_of(stores[0], trials=32), search_of(stores[1], trials=32, prune=None)
    for search, store in zip((pruned, whole), stores, strict=True):
        run(search, store, first)
    assert PRUNED not in {p.state for p in whole.points}
    assert PRUNED in {p.state for p in pruned.points}
    assert len(stores[0].digests) < len(stores[1].digests)
    best = best_point(pruned)
    # what was given up was worse than the best then known, on the replicates that it had
    for state in pruned.points:
        if state.state == PRUNED:
            assert len(state.scores) < 6
            assert best is not None
            seen = [each[0] for each in state.scores]
            assert sum(seen) < sum(each[0] for each in best.scores[: len(seen)])


def test_all_replicates_of_the_first_generation_run_side_by_side():
    store = Finished()
    search = search_of(store, folds=3)
    stages = search.advance(Ended()).stages
    assert sum(stage.kind == "train" for stage in stages.values()) == 4 * 3


def test_what_points_share_is_asked_for_once():
    store = Finished()
    search = search_of(store)
    ran = run(search, store, first)
    assert len(ran) == len(set(ran))


def dies_once(stage, times):
    return (
        Failure("its process died", final=False) if times == 1 and stage.kind == "train" else None
    )


def test_a_point_whose_process_died_is_tried_again(in_order):
    store = Finished()
    search = search_of(store, retries=10)
    run(search, store, first, fails=dies_once)
    assert told(search) == in_order


def always(stage, times):
    bad = stage.kind == "train" and stage.settings["optimizer"] == "adam"
    return Failure("its process died", final=False) if bad else None


def test_a_point_that_always_fails_is_tried_so_often_and_is_no_result():
    store = Finished()
    search = search_of(store, retries=2, prune=None)
    ran = run(search, store, first, fails=always)
    adam = [p for p in search.points if p.point["optimizer"] == "adam"]
    assert adam
    assert {p.state for p in adam} == {FAILED}
    assert all(p.values is None for p in adam)
    most = max(ran.count(digest) for digest in ran)
    assert most == 3
    assert best_point(search).point["optimizer"] == "sgd"


def foreseen(stage, times):
    return always(stage, times) and Failure("training diverged", final=True)


def test_what_would_only_happen_again_is_not_tried_again():
    store = Finished()
    search = search_of(store, retries=5)
    ran = run(search, store, first, fails=foreseen)
    assert max(ran.count(digest) for digest in ran) == 1


def test_a_failed_point_stays_failed_in_the_next_run(tmp_path):
    def study():
        return KeptStudies(tmp_path, "sweep")

    store, studies = Finished(), study()
    search = search_of(store, kept=studies.study("key", "t", ["maximize"]), retries=0)
    run(search, store, first, fails=always)
    studies.close()
    studies = study()
    again = search_of(store, kept=studies.study("key", "t", ["maximize"]), retries=0)
    ran = run(again, store, first)  # now nothing would fail
    studies.close()
    assert not ran
    assert told(again) == told(search)


def test_points_that_do_not_fit_are_failed_points():
    store = Finished()
    search = search_of(store, trials=40, sampler="random")
    run(search, store, first)
    wild = [p for p in search.points if p.point["lr"] > 0.09]
    assert all(p.state == FAILED and p.reason == "does not fit" for p in wild)


def test_a_search_finds_more_than_its_first_generation():
    store = Finished()
    search = search_of(store, trials=40)
    run(search, store, first)
    best = best_point(search)
    assert best is not None
    assert best.values[0] > max(p.so_far[0] for p in search.points[:4] if p.so_far)
    truth = [accuracy(best.point, fold) for fold in range(6)]
    assert sum(truth) / 6 == pytest.approx(best.values[0], abs=1e-3)


def test_it_stops_when_the_best_has_not_moved():
    store = Finished()
    search = search_of(store, trials=400, stagnation=6, score=lambda point, fold: 0.7)
    run(search, store, first)
    assert len(search.points) < 20
    assert "has not moved" in search.ended


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "nsga2", "gp"])
def test_every_sampler_asks_points_of_the_space_alike(sampler):
    points = []
    for _ in range(2):
        store = Finished()
        search = search_of(store, sampler=sampler, trials=12)
        run(search, store, first)
        points.append([p.point for p in search.points])
    assert points[0] == points[1]
    assert all(within(SPACE, point) == point for point in points[0])


def test_the_kept_study_opens_in_optuna_with_every_point(tmp_path):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    store, studies = Finished(), KeptStudies(tmp_path, "sweep")
    search = search_of(store, kept=studies.study("key", "sweep arm", ["maximize"]))
    run(search, store, first)
    studies.close()
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "sweep.journal")))
    study = optuna.load_study(study_name="sweep arm key", storage=storage)
    assert [t.params for t in study.trials] == [p.point for p in search.points]
    best = best_point(search)
    assert best is not None
    assert study.best_trial.number == best.number
    by_state = {t.number: t.state.name for t in study.trials}
    for point in search.points:
        assert by_state[point.number] == {COMPLETE: "COMPLETE", PRUNED: "PRUNED"}.get(
            point.state, "FAIL"
        )
        steps = list(study.trials[point.number].intermediate_values.values())
        assert steps == [each[0] for each in point.scores]


def test_the_kept_study_knows_which_points_keep_the_constraints(tmp_path):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    store, studies = Finished(), KeptStudies(tmp_path, "sweep")
    bound = [{"metric": "acc", "at_most": 0.8}]
    kept = studies.study("key", "sweep arm", ["maximize"])
    search = search_of(store, kept=kept, constraints=bound, prune=None)
    run(search, store, first)
    studies.close()
    best = best_point(search)
    assert best is not None
    assert best.values[0] < max(p.values[0] for p in search.points if p.values)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "sweep.journal")))
    study = optuna.load_study(study_name="sweep arm key", storage=storage)
    assert study.best_trial.number == best.number
    assert study.best_trial.user_attrs["constraints"] == pytest.approx([best.values[0] - 0.8])


def test_two_processes_ask_alike_and_one_writes(tmp_path, in_order):
    writer, other = KeptStudies(tmp_path, "s"), KeptStudies(tmp_path, "s")
    assert writer.writes
    assert not other.writes
    store = Finished()
    search = search_of(store, kept=other.study("key", "t", ["maximize"]))
    run(search, store, first)
    writer.close()
    assert told(search) == in_order


def test_a_storage_that_cannot_be_reached_is_told_without_its_password(tmp_path):
    with pytest.raises(InputError) as caught:
        KeptStudies(tmp_path, "s", "postgresql://abl:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


def test_sqlite_holds_the_same_study(tmp_path, in_order):
    url = f"sqlite:///{tmp_path}/studies.db"
    store = Finished()
    for _ in range(2):
        studies = KeptStudies(tmp_path, "s", url)
        search = search_of(store, kept=studies.study("key", "t", ["maximize"]))
        run(search, store, first)
        studies.close()
        assert told(search) == in_order


def test_the_dashboard_opens_the_study(tmp_path):
    from wsgiref.util import setup_testing_defaults

    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna_dashboard import wsgi

    store, studies = Finished(), KeptStudies(tmp_path, "sweep")
    search = search_of(store, kept=studies.study("key", "sweep arm", ["maximize"]), trials=4)
    run(search, store, first)
    studies.close()
    app = wsgi(JournalStorage(JournalFileBackend(str(tmp_path / "sweep.journal"))))
    environ = {"PATH_INFO": "/api/studies/0"}
    setup_testing_defaults(environ)
    page = json.loads(b"".join(app(environ, lambda *given: None)))
    assert page["name"] == "sweep arm key"
    assert len(page["trials"]) == 4
