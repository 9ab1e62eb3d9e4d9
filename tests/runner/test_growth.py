"""A plan that grows while it runs, in this process and on Ray Tune."""

from __future__ import annotations

from pathlib import Path

import pytest

from abl.errors import Stopped
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.runner.engine import run_plan
from abl.runner.protocols import Change, Ended
from abl.stages.kind import KINDS
from tiny_sweeps import Heard, by_digest, nap


class Chain:
    """Adds one stage after another, each reading the last."""

    def __init__(self, store: Store, links: int, make=nap):
        self.store, self.links, self.make = store, links, make
        self.stages: list[Stage] = []
        self.ended: list[Ended] = []
        self.closed = False

    def advance(self, ended: Ended) -> Change:
        self.ended.append(ended)
        change = Change()
        while len(self.stages) < self.links and all(self.store.has(s.digest) for s in self.stages):
            stage = self.make(f"link {len(self.stages)}", *self.stages[-1:])
            self.stages.append(stage)
            change.stages[stage.digest] = stage
        return change

    def awaits(self, digest: str) -> bool:
        return any(stage.digest == digest for stage in self.stages)

    def forgives(self, digest: str) -> bool:
        return self.awaits(digest)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_what_a_plan_grows_by_is_run_to_its_end(store: Store) -> None:
    growth, heard = Chain(store, 5), Heard()
    report = run_plan(by_digest(nap("a")), store, heard, executor="local", growth=growth)
    assert all(store.has(stage.digest) for stage in growth.stages)
    assert len(growth.stages) == 5
    assert len(report.ran) == 6
    assert heard.grown_labels == [f"nap link {at}" for at in range(5)]
    assert growth.closed


def test_what_is_there_already_grows_without_a_run(store: Store) -> None:
    for _ in range(2):
        growth = Chain(store, 4)
        report = run_plan({}, store, Heard(), executor="local", growth=growth)
    assert len(growth.stages) == 4
    assert not report.ran


@pytest.mark.cluster
def test_a_plan_grows_on_ray_tune(store: Store, two_cpu_ray: None) -> None:
    growth = Chain(store, 4)
    report = run_plan(by_digest(nap("a")), store, Heard(), executor="tune", growth=growth)
    assert len(report.ran) == 5


def test_a_failure_that_growth_forgives_fails_no_run(store: Store, monkeypatch) -> None:
    def fails(work):
        raise RuntimeError("no luck")

    monkeypatch.setitem(KINDS, "nap", fails)
    growth, heard = Chain(store, 3), Heard()
    report = run_plan({}, store, heard, executor="local", growth=growth)
    assert not report.failed
    assert not heard.failures
    failure = growth.ended[-1].failed[growth.stages[0].digest]
    assert "no luck" in failure.reason
    assert not failure.final  # it was not foreseen: another time it may go well


def test_a_stage_that_stops_itself_is_not_finished_and_tells_how_far_it_was(
    store: Store, monkeypatch
) -> None:
    def stops(work):
        raise Stopped("stopped in epoch 2", {"history": [1.0, 2.0]})

    monkeypatch.setitem(KINDS, "nap", stops)
    growth = Chain(store, 3)
    report = run_plan({}, store, Heard(), executor="local", growth=growth)
    digest = growth.stages[0].digest
    assert not store.has(digest)
    assert report.stopped == {digest}
    assert not report.failed
    assert growth.ended[-1].stopped[digest] == {"history": [1.0, 2.0]}


class Retrying(Chain):
    def advance(self, ended: Ended) -> Change:
        change = super().advance(ended)
        change.again += [digest for digest in ended.failed if len(self.ended) < 4]
        return change


def test_a_failed_stage_that_growth_asks_for_again_is_run_again(store: Store, monkeypatch) -> None:
    times = []

    def fails_twice(work):
        times.append(1)
        if len(times) < 3:
            raise RuntimeError("not yet")
        (work.out / "text").write_text("done", encoding="utf-8")
        return {}

    monkeypatch.setitem(KINDS, "nap", fails_twice)
    growth = Retrying(store, 1)
    report = run_plan({}, store, Heard(), executor="local", growth=growth)
    assert len(times) == 3
    assert report.ran == [growth.stages[0].digest]


class Broken(Chain):
    def advance(self, ended: Ended) -> Change:
        if self.stages:
            raise ValueError("the search broke")
        return super().advance(ended)


def test_a_search_that_breaks_ends_the_run_with_its_error(store: Store) -> None:
    growth = Broken(store, 3)
    with pytest.raises(ValueError, match="the search broke"):
        run_plan(by_digest(nap("a")), store, Heard(), executor="local", growth=growth)
    assert growth.closed
