"""Ray Tune runs the plan: the same bytes as in-process, whatever dies on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import abl
from abl.errors import InputError
from abl.plan.stage import Stage, StageResources
from abl.record.done import DONE
from abl.record.lease import Lease
from abl.record.store import Store
from abl.runner.engine import run_plan
from tiny_sweeps import Heard, by_digest, double, nap, write_sweep

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("two_cpu_ray")]


def run(root: Path, *stages: Stage, executor: str = "tune"):
    heard = Heard()
    report = run_plan(by_digest(*stages), Store(root), heard, executor=executor)
    return report, heard


def done_files(root: Path) -> dict[str, bytes]:
    """Every committed file; of DONE.json what is no fact of the run."""
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for path in (root / "done").rglob("*")
        if path.is_file() and path.name != DONE
    }
    contents = {digest: Store(root).done(digest) for digest in Store(root).digests()}
    return files | {
        digest: repr((done.files, done.content, done.inputs, done.stage)).encode()
        for digest, done in contents.items()
    }


def graph() -> list[Stage]:
    first = [nap(f"first {n}") for n in range(4)]
    middle = [double("nap", f"middle {n}", *first[n : n + 2], local=n == 1) for n in range(3)]
    return [*first, *middle, nap("last", *middle), double("nap", "large", first[0], cpus=2)]


def test_the_same_plan_gives_the_same_bytes_as_in_process(tmp_path: Path) -> None:
    report, _ = run(tmp_path / "tune", *graph())
    assert len(report.ran) == 9
    run(tmp_path / "local", *graph(), executor="local")
    assert done_files(tmp_path / "tune") == done_files(tmp_path / "local")
    report, heard = run(tmp_path / "tune", *graph())
    assert report.ran == heard.started_labels == []


def test_a_worker_that_waits_for_a_lease_says_so(tmp_path: Path) -> None:
    store, stage = Store(tmp_path), nap("held by another run")
    lease = Lease(store.lease_place(stage.digest), "another")
    assert lease.take()

    class Releasing(Heard):
        def message(self, text: str) -> None:
            super().message(text)
            if text.startswith("waiting for "):
                lease.place.remove(lease.place.read() or "")

    heard = Releasing()
    report = run_plan(by_digest(stage), store, heard, executor="tune")
    assert report.ran == [stage.digest]
    began, ended = heard.messages
    assert began.startswith(f"waiting for {stage.label}, held by pid {os.getpid()} on ")
    assert ended.startswith(f"{stage.label} goes on after ")


def test_a_training_gives_the_same_bytes_as_in_process(tiny_folder: Path) -> None:
    changes = {
        "train.network": "plain4",
        "options.panel": ["plain4"],
        "axes": {"rule": ["original"]},
        "base": None,
    }
    path = write_sweep(tiny_folder, changes)
    tables = []
    for executor in ("tune", "local"):
        sweep = abl.load(path, root=tiny_folder / executor)
        result = abl.run(sweep, executor=executor, record=False)
        assert len(result.report.ran) == 1, result.report
        tables.append(abl.table(result))
    assert tables[0] == tables[1]
    tune, local = (done_files(tiny_folder / each / "store") for each in ("tune", "local"))
    assert tune == local


def test_failures_and_deaths_stop_their_readers_alone(tmp_path: Path) -> None:
    bad, once, always = double("fail", "boom"), double("die", "once", once=True), nap("fine")
    readers = [nap("reads bad", bad), nap("reads fine", always)]
    report, heard = run(tmp_path, bad, once, always, *readers)
    assert report.failed == {bad.digest: "boom"}
    assert report.blocked == {readers[0].digest: "blocked: needs fail boom, which failed"}
    assert set(report.ran) == {once.digest, always.digest, readers[1].digest}
    assert heard.messages == ["die once: its process died, started again"]


def test_three_deaths_are_a_failure(tmp_path: Path) -> None:
    dead = double("die", "always")
    report, _ = run(tmp_path, dead, nap("reader", dead), nap("other"))
    assert "died 3 times" in report.failed[dead.digest]
    assert len(report.blocked) == len(report.ran) == 1
    # the next command tries again
    (Store(tmp_path).cache).mkdir(parents=True, exist_ok=True)
    (Store(tmp_path).cache / "alive").touch()
    report, _ = run(tmp_path, dead, nap("reader", dead), nap("other"))
    assert report.failed == report.blocked == {}
    assert len(report.ran) == 2


def test_a_stage_that_no_node_can_hold_is_refused_before_anything_runs(tmp_path: Path) -> None:
    large = Stage("nap", 1, {}, resources=StageResources(cpus=64), label="large")
    with pytest.raises(InputError, match="large asks for 64 CPUs"):
        run(tmp_path, nap("a"), large)
    assert Store(tmp_path).digests() == []
