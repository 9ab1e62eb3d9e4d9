"""What a killed process leaves of a finished stage goes with the next run; what is alive stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from abl.plan.stage import Stage
from abl.processes import machine
from abl.record.lease import FilePlace, Lease
from abl.record.store import Store
from abl.runner.engine import run_plan
from tiny_sweeps import Heard, by_digest, nap


def left_by_a_dead_process(store: Store, digest: str) -> None:
    holder = {"owner": "x", "machine": machine(), "pid": 2**22 + 1, "start": "1", "beat": 0}
    lease = store.lease_path(digest)
    lease.parent.mkdir(parents=True, exist_ok=True)
    lease.write_text(json.dumps(holder))
    lease.with_name(f"{digest}.x").write_text("half a beat")
    attempt = store.root / "work" / digest / "x"
    attempt.mkdir(parents=True)
    (attempt / "half.bin").touch()


def names(store: Store) -> set[str]:
    return {path.name for part in ("lease", "work") for path in (store.root / part).iterdir()}


def names_of_leases(store: Store) -> set[str]:
    return {path.name for path in (store.root / "lease").iterdir()}


def test_the_dead_are_cleared_of_finished_stages_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    left_by_a_dead_process(store, "finished")
    left_by_a_dead_process(store, "begun")
    store.clear_leftovers({"finished"})
    assert names(store) == {"begun", "begun.x"}
    assert (tmp_path / "work" / "begun" / "x" / "half.bin").exists()


def test_what_another_is_at_work_on_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    left_by_a_dead_process(store, "a")
    store.lease_path("a").unlink()
    lease = Lease(FilePlace(store.lease_path("a")), "me")
    assert lease.take()
    store.clear_leftovers({"a"})
    assert names(store) == {"a", "a.x"}


def test_what_could_not_be_removed_beside_a_lease_goes_when_its_process_is_dead(
    tmp_path: Path,
) -> None:
    # an unlink that failed left them: by a process that lives, and by one that is no more
    left = """
import sys
from pathlib import Path
from abl.record.lease import FilePlace
for what in ("new", "dead"):
    FilePlace(Path(sys.argv[1]))._beside(what).write_text("")
"""
    store = Store(tmp_path)
    lease = store.lease_path("a")
    lease.parent.mkdir()
    subprocess.run([sys.executable, "-c", left, str(lease)], check=True)
    alive = {FilePlace(lease)._beside("new")}
    for path in alive:
        path.write_text("")
    assert len(names_of_leases(store)) == 3
    store.clear_leftovers({"a"})
    assert names_of_leases(store) == {path.name for path in alive}


def test_a_store_without_folders_has_none(tmp_path: Path) -> None:
    Store(tmp_path / "new").clear_leftovers({"a"})
    assert not (tmp_path / "new").exists()


def test_a_run_leaves_nothing_of_workers_that_died_after_a_commit(tmp_path: Path) -> None:
    store = Store(tmp_path)

    class Dying(Heard):
        def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
            left_by_a_dead_process(store, stage.digest)

    report = run_plan(by_digest(nap("a"), nap("b")), store, Dying(), executor="local")
    assert len(report.ran) == 2
    assert names(store) == set()
