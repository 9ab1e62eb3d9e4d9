"""Reports come in from workers; the driver's own small stages run in a thread of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from abl.record.store import Store
from abl.runner.dispatch import Dispatcher
from abl.runner.execute import Report, run_stage
from tiny_sweeps import Heard, by_digest, double, nap


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_report_of_success_without_a_stage_in_the_store_is_a_failure(store: Store) -> None:
    stage, reader = nap("a"), nap("b", nap("a"))
    heard = Heard()
    dispatcher = Dispatcher(by_digest(stage, reader), store, heard, set(), {})
    dispatcher.start(stage, "here")
    dispatcher.take(Report(stage.digest, "done", 1.0))
    dispatcher.close()
    assert heard.failures == {"nap a": "not in the store afterwards"}
    assert dispatcher.finished


def test_a_stage_put_back_is_ready_again(store: Store) -> None:
    stage = nap("a")
    dispatcher = Dispatcher(by_digest(stage), store, Heard(), set(), {})
    dispatcher.start(stage, "here")
    assert list(dispatcher.each_ready()) == []
    dispatcher.again(stage)
    assert list(dispatcher.each_ready()) == [stage]
    dispatcher.start(stage, "here")
    dispatcher.take(run_stage(store, stage))
    dispatcher.close()
    assert dispatcher.report.ran == [stage.digest]


def test_small_stages_run_without_a_worker_even_beside_long_ones(store: Store) -> None:
    small, after = (
        double("nap", "small", local=True),
        nap("after", double("nap", "small", local=True)),
    )
    long = nap("long")
    dispatcher = Dispatcher(by_digest(small, after, long), store, Heard(), set(), {})
    dispatcher.start(long, "worker")
    deadline = time.monotonic() + 20
    while after not in dispatcher.each_ready() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(dispatcher.each_ready()) == [after]
    assert not dispatcher.finished
    dispatcher.close()


def test_closing_ends_after_the_small_stage_under_way(store: Store) -> None:
    stages = [double("nap", str(n), local=True, seconds=0.3) for n in range(50)]
    dispatcher = Dispatcher(by_digest(*stages), store, Heard(), set(), {})
    started = time.monotonic()
    dispatcher.close()
    assert time.monotonic() - started < 10
    assert len(store.digests()) < 50
