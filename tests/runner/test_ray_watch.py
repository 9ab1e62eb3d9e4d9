"""A Ray that hangs or has lost a part: whoever waits for it is let go, whatever they are at."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from abl.errors import StageError
from abl.processes import process_start
from abl.runner import ray_start, ray_watch
from abl.runner.ray_nodes import losses_told
from abl.runner.ray_start import within_time
from abl.runner.ray_watch import (
    SILENCE_S,
    RayWatch,
    Silence,
    WatchedPart,
    answering_part,
    process_part,
)

STUCK = """
import ctypes, signal, sys, threading
from abl.runner import ray_watch
from abl.runner.ray_watch import WatchedPart, RayWatch

ray_watch.UNWIND_S = 0.3
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # as a library that hears of no signal
print("table so far")
with RayWatch([WatchedPart("Ray's GCS", lambda: False)]):
    ctypes.CDLL(None).sleep(600)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_start, "SLOW_START_S", 0.2)
    monkeypatch.setattr(ray_start, "MOST_START_S", 0.6)
    monkeypatch.setattr(ray_watch, "LOOK_S", 0.05)
    # a machine that is busy needs longer than a moment to let a thread go, and is then ended
    monkeypatch.setattr(ray_watch, "UNWIND_S", 3.0)


def in_python() -> None:
    while True:
        time.sleep(0.01)


def in_a_call() -> None:
    signal.pause()


def in_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def waiting(parts: list[WatchedPart], work: Callable[[], None]) -> None:
    with losses_told(RayWatch(parts)):
        work()


WAYS = pytest.mark.parametrize("hang", [in_python, in_a_call, in_a_lock])


@WAYS
def test_a_start_of_ray_that_hangs_is_told_and_then_given_up(hang: Callable[[], None]) -> None:
    said: list[str] = []
    with pytest.raises(TimeoutError):
        within_time(hang, "Ray does not start", said.append)
    (line,) = said
    assert "--executor local" in line


def test_a_start_is_given_up_as_soon_as_a_part_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_start, "MOST_START_S", 600)
    with pytest.raises(TimeoutError, match="GCS has died"):
        within_time(in_python, "Ray does not start", [].append, lambda: "Ray's GCS has died")


def test_a_start_that_comes_to_its_end_is_left_alone() -> None:
    said: list[str] = []
    within_time(lambda: None, "Ray does not start", said.append)
    with pytest.raises(KeyError):
        within_time(lambda: {}["a fault of Ray"], "Ray does not start", said.append)
    time.sleep(0.8)
    assert said == []


@WAYS
def test_who_waits_for_a_ray_that_is_gone_is_let_go(hang: Callable[[], None]) -> None:
    there = [True]
    parts = [WatchedPart("Ray's raylet on this machine", lambda: there[0])]
    threading.Timer(0.2, lambda: there.__setitem__(0, False)).start()
    with pytest.raises(StageError, match=r"raylet.*has died.*--executor local"):
        waiting(parts, hang)


def test_a_thread_that_is_not_the_main_one_is_let_go_too() -> None:
    found: list[BaseException] = []

    def wait() -> None:
        try:
            with losses_told(RayWatch([WatchedPart("Ray's GCS", lambda: False)])):
                in_python()
        except StageError as error:
            found.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(30)
    assert "GCS" in str(found[0])


def test_what_ray_says_of_its_own_death_is_told_in_our_words() -> None:
    class RaySystemError(Exception):
        pass

    there = [True]
    part = WatchedPart("Ray's GCS", lambda: there[0], every_s=60)

    def fail() -> None:
        raise RaySystemError("an unknown error")

    # of a Ray that is whole errors are what they are
    with pytest.raises(RaySystemError):
        waiting([part], fail)
    there[0] = False
    with pytest.raises(StageError, match="GCS has died"):
        waiting([part], fail)


def test_ctrl_c_is_no_loss() -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        losses_told(RayWatch([WatchedPart("GCS", lambda: True)])),
    ):
        raise KeyboardInterrupt


def test_one_that_is_away_for_a_moment_is_not_lost() -> None:
    looks = [0]

    def flickering() -> bool:
        looks[0] += 1
        return looks[0] % 2 == 0

    with losses_told(RayWatch([WatchedPart("Ray's GCS", flickering, every_s=0, patience_s=5)])):
        while looks[0] < 6:
            time.sleep(0.01)


SERVER = """
import socket, sys, threading
def answer(way):
    way.recv(24)
    way.sendall(b"settings")
def serve(server):
    while True:
        answer(server.accept()[0])
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(server,), daemon=True).start()
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def served() -> Iterator[tuple[subprocess.Popen[str], WatchedPart]]:
    """A process that answers, and what asks it."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            yield child, answering_part("it", f"127.0.0.1:{child.stdout.readline().strip()}")
        finally:
            child.kill()


def test_processes_and_ports_are_seen_to_end() -> None:
    with served() as (child, answering):
        start = process_start(child.pid)
        assert start is not None
        parts = [process_part("it", child.pid, start), answering]
        assert [part.alive() for part in parts] == [True, True]
        child.kill()
        deadline = time.monotonic() + 60
        while any(part.alive() for part in parts):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_one_that_stands_still_is_seen_though_it_takes_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with served() as (child, answering):
        os.kill(child.pid, signal.SIGSTOP)
        monkeypatch.setattr(ray_watch, "ASK_S", 0.1)
        stopped = replace(answering, every_s=0.05, patience_s=0.3)
        with pytest.raises(StageError, match=r"stands still.*--executor local"):
            waiting([stopped], in_python)
        os.kill(child.pid, signal.SIGCONT)
        monkeypatch.setattr(ray_watch, "ASK_S", 60)
        assert answering.alive()


def test_one_that_hangs_up_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        assert answering_part("it", f"127.0.0.1:{server.getsockname()[1]}").alive()


def test_a_machine_that_was_suspended_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    silence = Silence()
    found = []
    for seconds in (5, 3600, 5, 5):
        now[0] += seconds
        found.append(silence.after(False))
    # an hour between two questions counts no more than both could have taken
    assert found[-1] < SILENCE_S
    assert silence.after(True) == 0
    for _ in range(20):
        now[0] += 5
        found.append(silence.after(False))
    assert found[-1] >= SILENCE_S


def test_a_process_that_nothing_gets_out_of_ray_ends_with_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (1, "table so far\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("abl: Ray's GCS has died")
    assert "--executor local" in line
