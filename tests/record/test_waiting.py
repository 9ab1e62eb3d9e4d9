"""A lease of somebody else that is waited for is said, once, with its holder; so is the end."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest

from abl.record.lease import FilePlace, Lease
from abl.record.store import Store
from abl.record.waiting import ToldWait, held_by
from abl.runner.engine import run_plan
from tiny_sweeps import Heard, by_digest, double


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def waited(place: FilePlace, seconds: float) -> list[str]:
    """What is said in a wait of so many seconds, and at its end."""
    said: list[str] = []
    clock = Clock()
    wait = ToldWait(place, "train a", said.append, pause=clock.wait, clock=clock)
    while clock.now < seconds:
        wait(0.2)
    wait.over()
    return said


def test_a_long_wait_is_told_once_with_who_holds_it_and_its_end(tmp_path: Path) -> None:
    place = FilePlace(tmp_path / "lease")
    assert Lease(place, "other").take()
    since = json.loads(place.path.read_text())["since"]
    assert since.endswith("+00:00")
    began, ended = waited(place, 60)
    assert began.startswith(f"waiting for train a, held by pid {os.getpid()} on {platform.node()}")
    assert " since 20" in began
    assert ended == "train a goes on after 60 s of waiting"


def test_a_short_wait_and_none_are_not_told(tmp_path: Path) -> None:
    place = FilePlace(tmp_path / "lease")
    assert Lease(place, "other").take()
    assert waited(place, 4) == []
    assert waited(place, 0) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": "x", "machine": "m"}'])
def test_a_lease_that_names_nobody_is_told_too(content: str) -> None:
    assert held_by(content) == "held by a process that its lease does not name"


def test_a_lease_of_an_earlier_version_has_no_time() -> None:
    held = held_by(json.dumps({"pid": 7, "machine": "node\x1b[2J/boot"}))
    assert held == "held by pid 7 on node?[2J"


def test_a_run_says_for_which_stage_it_waits_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody on another machine, who falls silent."""
    monkeypatch.setattr("abl.record.waiting.TOLD_S", 0.3)
    store, heard, stage = Store(tmp_path, stale_s=1.0), Heard(), double("nap", "a")
    held = {"owner": "x", "machine": "elsewhere/1", "pid": 12, "start": "1", "beat": 0}
    place = FilePlace(store.lease_path(stage.digest))
    assert place.create(json.dumps(held))
    report = run_plan(by_digest(stage), store, heard, executor="local")
    assert report.ran == [stage.digest]
    began, ended = heard.messages
    assert began == f"waiting for {stage.label}, held by pid 12 on elsewhere"
    assert ended.startswith(f"{stage.label} goes on after ")
