"""One stage: claimed, computed, committed; whatever goes wrong is its report."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from abl.plan.stage import Stage
from abl.record.lease import Lease
from abl.record.store import Store
from abl.runner.execute import run_stage
from abl.stages.kind import KINDS, Work, kind
from tiny_sweeps import double, nap


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_stage_reads_its_inputs_and_is_committed(store: Store) -> None:
    first = nap("a")
    reader = nap("b", first)
    assert run_stage(store, first).status == "done"
    report = run_stage(store, reader)
    assert report.status == "done"
    assert store.file(reader.digest, "nap.txt").read_text() == "ab"
    done = store.done(reader.digest)
    assert done.inputs == store.content([first.digest])
    assert done.facts["seconds"] == pytest.approx(report.seconds, abs=0.5)


def test_a_finished_stage_is_not_computed_again(store: Store) -> None:
    stage = nap("a", seconds=0.2)
    run_stage(store, stage)
    started = time.perf_counter()
    assert run_stage(Store(store.root), stage).status == "reused"
    assert time.perf_counter() - started < 0.2


def test_a_foreseen_failure_is_a_sentence(store: Store) -> None:
    report = run_stage(store, double("fail", "no image of class 1"))
    assert (report.status, report.reason, report.trace) == ("failed", "no image of class 1", "")
    assert not store.has(report.digest)


def test_any_other_failure_keeps_its_trace_and_first_line(store: Store) -> None:
    @kind("break")
    def broken(work: Work) -> dict:
        raise ValueError("first\nsecond")

    try:
        report = run_stage(store, Stage("break", 1, {}))
    finally:
        del KINDS["break"]
    assert (report.status, report.reason) == ("failed", "ValueError: first")
    assert "in broken" in report.trace


def test_an_unknown_kind_and_a_missing_input_fail(store: Store) -> None:
    assert run_stage(store, Stage("nothing", 1, {})).status == "failed"
    assert "has no nap.txt" in run_stage(store, nap("b", nap("a"))).reason


def test_a_failed_stage_can_be_tried_again(store: Store) -> None:
    first = nap("a")
    reader = nap("b", first)
    assert run_stage(store, reader).status == "failed"
    run_stage(store, first)
    assert run_stage(store, reader).status == "done"


def test_an_attempt_held_up_beyond_its_lease_does_not_undo_the_one_that_finished(
    tmp_path: Path,
) -> None:
    held, stage = Store(tmp_path), nap("a", seconds=0.6)
    reports = []
    slow = threading.Thread(target=lambda: reports.append(run_stage(held, stage)))
    slow.start()
    while not held.lease_path(stage.digest).exists():
        time.sleep(0.01)
    held.lease_path(stage.digest).unlink()
    quick = run_stage(Store(tmp_path), stage)
    slow.join()
    assert {quick.status, reports[0].status} <= {"done", "reused"}
    assert Store(tmp_path).file(stage.digest, "nap.txt").read_text() == "a"


def test_an_interrupt_leaves_no_lease(store: Store) -> None:
    @kind("interrupted")
    def interrupted(work: Work) -> dict:
        (work.out / "half.txt").write_text("x")
        raise KeyboardInterrupt

    stage = Stage("interrupted", 1, {})
    try:
        with pytest.raises(KeyboardInterrupt):
            run_stage(store, stage)
    finally:
        del KINDS["interrupted"]
    assert not store.lease_path(stage.digest).exists()
    assert not list((store.root / "work").rglob("half.txt"))


def test_waiting_for_anothers_lease_is_no_work(tmp_path: Path) -> None:
    stage = nap("a")
    place = Store(tmp_path).lease_place(stage.digest)
    lease = Lease(place, "another")
    assert lease.take()
    threading.Timer(1.5, lambda: place.remove(place.read() or "")).start()
    began = time.monotonic()
    report = run_stage(Store(tmp_path), stage)
    waited = time.monotonic() - began
    assert report.status == "done"
    assert waited > 1.4
    assert report.seconds < waited - 1
