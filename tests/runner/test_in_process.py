"""A whole plan in this process: what fails blocks its readers alone, and nothing runs twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from abl.plan.stage import Stage
from abl.record.store import Store
from abl.runner.engine import expected_seconds, run_plan
from abl.runner.protocols import RunReport
from tiny_sweeps import Heard, by_digest, double, nap


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def run(store: Store, *stages: Stage) -> tuple[RunReport, Heard]:
    heard = Heard()
    return run_plan(by_digest(*stages), Store(store.root), heard, executor="local"), heard


def diamond(local: bool = False) -> list[Stage]:
    top = nap("top")
    left, right = double("nap", "left", top, local=local), nap("right", top)
    return [top, left, right, nap("bottom", left, right)]


@pytest.mark.parametrize("local", [False, True])
def test_inputs_come_before_their_readers(store: Store, local: bool) -> None:
    stages = diamond(local)
    report, heard = run(store, *stages)
    assert sorted(report.ran) == sorted(by_digest(*stages))
    assert heard.finished_labels[0] == "nap top"
    assert heard.finished_labels[-1] == "nap bottom"
    assert store.file(stages[-1].digest, "nap.txt").read_text() == "toplefttoprightbottom"


def test_again_everything_is_reused_and_nothing_started(store: Store) -> None:
    run(store, *diamond())
    report, heard = run(store, *diamond())
    assert report.ran == []
    assert len(report.reused) == 4
    assert heard.started_labels == []


def test_a_failure_blocks_and_names_its_readers_and_the_rest_goes_on(store: Store) -> None:
    bad = double("fail", "boom")
    reader = nap("reader", bad)
    last = double("nap", "last", reader, local=True)
    other = nap("other")
    report, heard = run(store, bad, reader, last, other)
    assert report.failed == {bad.digest: "boom"}
    assert set(report.blocked) == {reader.digest, last.digest}
    assert report.blocked[reader.digest] == "blocked: needs fail boom, which failed"
    assert report.ran == [other.digest]
    assert heard.failures == {"fail boom": "boom"}
    assert heard.blocked_by == {"nap reader": "fail boom", "nap last": "fail boom"}


def test_a_failed_local_stage_is_a_failure_too(store: Store) -> None:
    bad = double("fail", "boom", local=True)
    report, _ = run(store, bad, nap("reader", bad), nap("other"))
    assert report.failed == {bad.digest: "boom"}
    assert len(report.blocked) == len(report.ran) == 1


def test_only_what_is_missing_is_computed(store: Store) -> None:
    stages = diamond()
    run(store, *stages[:2])
    report, _ = run(store, *stages)
    assert set(report.ran) == {stage.digest for stage in stages[2:]}


def test_a_damaged_stage_is_made_again_and_said_but_not_its_readers(store: Store) -> None:
    stages = diamond()
    run(store, *stages)
    (store.folder(stages[0].digest) / "nap.txt").write_text("")
    report, heard = run(store, *stages)
    assert report.ran == [stages[0].digest]
    assert heard.messages == ["nap top: damaged in the store, computed again"]


def test_damage_found_while_running_is_mended_in_the_same_run(store: Store) -> None:
    stages = diamond()
    run(store, *stages[:3])
    (store.folder(stages[0].digest) / "nap.txt").write_text("tOp")
    (store.folder(stages[1].digest) / "nap.txt").write_text("topLeft")
    report, heard = run(store, *stages)
    assert report.failed == report.blocked == {}
    assert store.file(stages[-1].digest, "nap.txt").read_text() == "toplefttoprightbottom"
    assert "nap left: damaged in the store, computed again" in heard.messages


def test_an_input_that_came_out_differently_makes_its_readers_run_again_at_once(
    store: Store,
) -> None:
    stages = diamond()
    run(store, *stages)
    # as a training on a GPU might: the same stage with other bytes
    store.discard(stages[0].digest)
    with store.claim(stages[0].digest) as attempt:
        (attempt.folder / "nap.txt").write_text("TOP")
        store.commit(attempt, stages[0], {}, {})
    report, heard = run(store, *stages)
    assert set(report.ran) == {stage.digest for stage in stages[1:]}
    assert set(report.reused) == {stages[0].digest}
    assert store.file(stages[-1].digest, "nap.txt").read_text() == "TOPleftTOPrightbottom"
    assert sum("an input has changed since" in line for line in heard.messages) == 3
    assert run(store, *stages)[0].ran == []


def test_times_are_expected_as_recorded_by_shape_or_kind(store: Store) -> None:
    known, like, other = nap("a", seconds=0.05), nap("a", nap("x"), seconds=0.05), nap("b")
    assert expected_seconds(by_digest(known), store) == {}
    run(store, known)
    expected = expected_seconds(by_digest(known, like, other, double("fail", "x")), store)
    assert set(expected) == {known.digest, like.digest, other.digest}
    assert expected[like.digest] >= 0.05


def test_a_listener_that_raises_does_not_hang_the_run(store: Store) -> None:
    class Bad(Heard):
        def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
            raise ValueError("no terminal")

    with pytest.raises(ValueError, match="no terminal"):
        run_plan(by_digest(nap("a")), store, Bad(), executor="local")
    assert store.has(nap("a").digest)


@pytest.mark.parametrize("before_reader", [1, 2])
def test_what_is_made_of_a_file_that_changed_after_its_check_does_not_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch, before_reader: int
) -> None:
    stages = diamond()
    plainly, read = Path.read_text, []

    def read_text(path: Path) -> str:
        if path.parent.name == stages[0].digest:
            read.append(path)
            if len(read) == before_reader:
                path.write_text("to")
        return plainly(path)

    monkeypatch.setattr(Path, "read_text", read_text)
    report, heard = run(store, *stages)
    monkeypatch.undo()

    assert not report.failed
    assert store.file(stages[-1].digest, "nap.txt").read_text() == "toplefttoprightbottom"
    assert heard.finished_labels.count("nap top") == 2
