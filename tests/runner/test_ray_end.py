"""What is finished is finished: a Ray that is lost or silent at the end changes no exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from abl.errors import StageError
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.runner import tune
from abl.runner.dispatch import Dispatcher
from abl.runner.execute import run_stage
from abl.runner.ray_guard import ADVICE
from abl.runner.ray_nodes import LostRayError
from tiny_sweeps import Heard, by_digest, double, nap

LEAVING = """
import sys, threading, types
over = threading.Event()
sys.modules["ray"] = types.SimpleNamespace(shutdown=over.wait)
from abl.processes import note_status
from abl.runner import ray_end
ray_end.SHUTDOWN_S = 0.1
ray_end.leave_ray(print)
print("the table", flush=True)
{}
"""


def ended(last: str) -> tuple[int, list[str], list[str]]:
    """Exit status, output and errors of a process that Ray did not answer as it left it."""
    done = subprocess.run(
        [sys.executable, "-c", LEAVING.format(last)], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


@pytest.mark.parametrize("status", [0, 1, 130])
def test_a_command_ends_with_its_own_status_though_ray_is_silent(status: int) -> None:
    said = ["warning: Ray did not answer for 0.1 s as it was left", "the table"]
    assert ended(f"note_status({status}); sys.exit({status})") == (status, said, [])


def test_a_ray_that_was_left_after_all_is_none_of_it() -> None:
    assert ended("over.set(); ray_end.threading.enumerate()[-1].join(); sys.exit(3)")[0] == 3


def test_of_a_script_with_a_ray_that_never_answers_a_line_is_told() -> None:
    status, _, (line,) = ended("")
    assert status == 1
    assert "Ray" in line


def test_the_command_notes_how_it_ends() -> None:
    code = (
        "import atexit, sys; from abl.processes import noted_status; from abl.cli import main;"
        "atexit.register(lambda: print(noted_status())); sys.argv = {}; main()"
    )
    for words, status in ((["abl", "--version"], "0"), (["abl", "table", "none"], "2")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(words)], capture_output=True, text=True, timeout=120
        )
        assert done.stdout.split()[-1] == str(done.returncode) == status


def lost_at(
    monkeypatch: pytest.MonkeyPatch, store: Store, stages: list[Stage], committed: int
) -> tuple[Dispatcher, Heard]:
    """A run whose Ray is lost once its workers have committed so many stages, unreported."""

    def lose(dispatcher: Dispatcher, *_: object) -> None:
        for stage in list(dispatcher.each_ready())[:2]:
            dispatcher.start(stage, "worker")
        for stage in stages[:committed]:
            run_stage(store, stage)
        raise LostRayError(f"Ray's raylet stands still; {ADVICE}")

    monkeypatch.setattr(tune, "_run", lose)
    heard = Heard()
    return Dispatcher(by_digest(*stages), store, heard, set(), {}), heard


def test_a_ray_that_is_lost_after_the_last_stage_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = [nap("a"), nap("b")]
    # a small one of the driver follows from what the workers could not report
    stages = [*two, double("nap", "driver's", *two, local=True)]
    dispatcher, heard = lost_at(monkeypatch, Store(tmp_path), stages, 2)
    tune.run_with_tune(dispatcher)
    dispatcher.close()
    assert sorted(dispatcher.report.ran) == sorted(stage.digest for stage in stages)
    assert heard.messages == [
        "warning: Ray's raylet stands still; every stage was finished by then"
    ]


@pytest.mark.parametrize("committed", [0, 1, 2])
def test_a_ray_that_is_lost_before_the_last_stage_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committed: int
) -> None:
    two = [nap("a"), nap("b")]
    stages = [*two, nap("another of a worker's", *two)]
    dispatcher, heard = lost_at(monkeypatch, Store(tmp_path), stages, committed)
    with pytest.raises(StageError, match="goes on from here"):
        tune.run_with_tune(dispatcher)
    dispatcher.close()
    assert heard.messages == []
