"""A lease keeps others away while its holder lives, and no longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from abl.processes import machine, process_start
from abl.record.lease import FilePlace, Lease, Watch, is_held


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def written_by_another_machine(path: Path, beat: int = 0) -> None:
    holder = {"owner": "x", "machine": "elsewhere", "pid": os.getpid(), "start": "1", "beat": beat}
    path.write_text(json.dumps(holder))


def test_only_one_takes_it(tmp_path: Path) -> None:
    taken = []
    barrier = threading.Barrier(8)

    def take(number: int) -> None:
        barrier.wait()
        if Lease(FilePlace(tmp_path / "lease" / "a"), str(number)).take():
            taken.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1


def test_it_is_gone_after_use_and_beats_meanwhile(tmp_path: Path) -> None:
    lease = Lease(FilePlace(tmp_path / "a"), "me", beat_s=0.02)
    assert lease.take()
    first = lease.place.path.read_text()
    with lease:
        deadline = time.monotonic() + 10
        while lease.place.path.read_text() == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert json.loads(lease.place.path.read_text())["beat"] > 0
        assert not Watch(lease.place, stale_s=60).free()
    assert not lease.place.path.exists()
    assert Watch(lease.place).free()


def test_one_look_tells_whether_it_is_held_and_changes_nothing(tmp_path: Path) -> None:
    lease = Lease(FilePlace(tmp_path / "a"), "me")
    assert not is_held(lease.place)
    assert lease.take()
    assert is_held(lease.place)
    dead = json.loads(lease.place.path.read_text()) | {"start": "long ago"}
    lease.place.path.write_text(json.dumps(dead))
    assert not is_held(lease.place)
    assert json.loads(lease.place.path.read_text()) == dead
    written_by_another_machine(lease.place.path)
    assert is_held(lease.place)
    os.utime(lease.place.path, (0, 0))
    assert not is_held(lease.place)


def test_a_dead_holder_on_this_machine_is_known_at_once(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from abl.record.lease import FilePlace, Lease;"
        "assert Lease(FilePlace(Path(sys.argv[1])), 'child').take(); os.kill(os.getpid(), 9)"
    )
    path = tmp_path / "a"
    child = subprocess.Popen([sys.executable, "-c", code, str(path)])
    while child.poll() is None and process_start(child.pid) is not None:
        time.sleep(0.01)
    assert Watch(FilePlace(path), stale_s=1e9).free()
    assert not path.exists()
    child.wait()


def test_a_process_that_nobody_has_waited_for_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    deadline = time.monotonic() + 30
    while process_start(child.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process_start(child.pid) is None  # a zombie until the next line
    child.wait()


def test_a_reused_process_id_is_another_process(tmp_path: Path) -> None:
    holder = {"owner": "x", "machine": machine(), "pid": os.getpid(), "start": "1", "beat": 0}
    (tmp_path / "a").write_text(json.dumps(holder))
    assert Watch(FilePlace(tmp_path / "a"), stale_s=1e9).free()


def test_silence_is_measured_on_the_observers_clock(tmp_path: Path) -> None:
    clock = Clock()
    written_by_another_machine(tmp_path / "a")
    watch = Watch(FilePlace(tmp_path / "a"), stale_s=60, clock=clock)
    assert not watch.free()
    clock.now = 59
    assert not watch.free()
    written_by_another_machine(tmp_path / "a", beat=1)
    clock.now = 100
    assert not watch.free()
    clock.now = 159
    assert not watch.free()
    clock.now = 161
    assert watch.free()


def test_a_holder_killed_before_it_wrote_is_stale_in_time(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "a").touch()
    watch = Watch(FilePlace(tmp_path / "a"), stale_s=60, clock=clock)
    assert not watch.free()
    clock.now = 61
    assert watch.free()


def test_one_who_lost_the_lease_leaves_the_new_holder_alone(tmp_path: Path) -> None:
    old, new = (
        Lease(FilePlace(tmp_path / "a"), "old", beat_s=0.01),
        Lease(FilePlace(tmp_path / "a"), "new"),
    )
    assert old.take()
    with old:
        (tmp_path / "a").unlink()
        assert new.take()
        time.sleep(0.05)
    assert json.loads((tmp_path / "a").read_text())["owner"] == "new"


def test_one_that_dies_while_it_takes_a_lease_leaves_none(tmp_path: Path, monkeypatch) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Lease(FilePlace(tmp_path / "a"), "me").take()
    assert list(tmp_path.iterdir()) == []
