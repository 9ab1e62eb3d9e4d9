"""Whoever waits for a lock of another process says for what; whoever does not says nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from abl import told_lock as locks
from abl.data.cache_folders import folder_once
from abl.record.object_store import ObjectStore
from abl.record.objects import Objects
from abl.record.opening import mirrored
from abl.told_lock import told_lock
from tiny_sweeps import nap


class Held:
    """A lock that is held until a line was said of it."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lines: list[str] = []
        self._lock = FileLock(path)
        self._lock.acquire()
        monkeypatch.setattr(locks, "LOCK_TOLD_S", 0.05)

    def say(self, line: str) -> None:
        self.lines.append(line)
        if len(self.lines) == 1:
            self._lock.release()


def waited(held: Held, monkeypatch: pytest.MonkeyPatch, use: Callable[[], object]) -> list[str]:
    monkeypatch.setattr(
        locks.sys,
        "stderr",
        type("Said", (), {"write": _writer(held), "flush": lambda self: None})(),
    )
    use()
    return held.lines


def _writer(held: Held) -> Callable[[object, str], None]:
    def write(self: object, text: str) -> None:
        if text.strip():
            held.say(text.strip())

    return write


def test_a_long_wait_is_told_once_and_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(tmp_path / "x.lock", monkeypatch)
    with told_lock(tmp_path / "x.lock", "the thing", held.say):
        pass
    first, last = held.lines
    assert first == (
        f"waiting for the thing: another process of this machine is at it ({tmp_path}/x.lock)"
    )
    assert last.startswith("the thing: goes on after ")


def test_a_lock_that_is_free_is_not_told_and_freed_again(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        with pytest.raises(ValueError), told_lock(tmp_path / "x.lock", "it", said.append):  # noqa: PT011
            raise ValueError
    assert said == []


def test_a_wait_for_a_folder_of_the_cache_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(tmp_path / "view-1.lock", monkeypatch)
    lines = waited(
        held,
        monkeypatch,
        lambda: folder_once(tmp_path, "view-1", lambda folder: (folder / "a").touch()),
    )
    assert lines[0].startswith("abl: waiting for view-1 in the cache: another process")
    assert (tmp_path / "view-1/a").exists()


def test_a_wait_for_a_copy_of_an_object_store_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ObjectStore("memory://told-lock/store", tmp_path / "here")
    (here.cache / "view-1").mkdir(parents=True)
    (here.cache / "view-1/a").write_text("1")
    here.shared.publish(["view-1"])
    stage = nap("a")
    with here.claim(stage.digest) as attempt:
        assert attempt is not None
        (attempt.folder / "a.txt").write_text("text")
        done = here.commit(attempt, stage, {"seconds": 1.5}, {})
    there = ObjectStore("memory://told-lock/store", tmp_path / "there")
    held = Held(there.cache / "view-1.lock", monkeypatch)
    lines = waited(held, monkeypatch, lambda: there.shared.cached("view-1"))
    assert lines[0].startswith("abl: waiting for the copy of view-1: another process")
    held = Held(there.root / "fetched" / stage.digest / done.attempt / "a.txt.lock", monkeypatch)
    lines = waited(held, monkeypatch, lambda: there.file(stage.digest, "a.txt"))
    assert lines[0].startswith(f"abl: waiting for the copy of {stage.digest[:12]}/a.txt: another")
    Objects("memory://told-lock/set").write("a", b"1")
    folder = mirrored("memory://told-lock/set", tmp_path / "sets")
    held = Held(folder.with_name(f"{folder.name}.lock"), monkeypatch)
    lines = waited(held, monkeypatch, lambda: mirrored("memory://told-lock/set", tmp_path / "sets"))
    assert lines[0].startswith("abl: waiting for the copy of memory://told-lock/set: another")


def test_threads_that_wait_get_the_lock_one_after_another(tmp_path: Path) -> None:
    inside: list[int] = []

    def use() -> None:
        with told_lock(tmp_path / "x.lock", "it", lambda line: None):
            inside.append(1)
            assert len(inside) == 1
            inside.pop()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert inside == []
