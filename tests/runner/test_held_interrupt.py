"""Ctrl-C while Ray starts: once is enough, and no start is broken off for it."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from abl.runner import held_interrupt
from abl.runner.held_interrupt import HeldInterrupt
from abl.runner.ray_start import within_time

PATIENCE_S = 60.0


def wait_for(seconds: float = PATIENCE_S) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


def test_one_is_heeded_when_the_start_is_over() -> None:
    done = []

    def start() -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("started")

    with pytest.raises(KeyboardInterrupt):
        within_time(start, "Ray does not start", done.append)
    assert done == ["started"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_is_heeded_although_the_start_fails() -> None:
    def start() -> None:
        signal.raise_signal(signal.SIGINT)
        raise OSError("no room")

    with pytest.raises(KeyboardInterrupt):
        within_time(start, "Ray does not start", lambda text: None)


def test_who_asks_twice_is_told_that_it_was_heard_and_the_start_is_not_broken_off() -> None:
    done, told = [], []

    def start() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        wait_for(1.5)
        done.append("started")

    with pytest.raises(KeyboardInterrupt):
        within_time(start, "Ray does not start", told.append)
    assert done == ["started"]
    assert told == ["stopping, as soon as Ray has started and can be left"]


def test_a_start_that_does_not_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_interrupt, "LONGEST_S", 0.1)

    def start() -> None:
        signal.raise_signal(signal.SIGINT)
        wait_for()
        raise AssertionError("heeded too late")

    with pytest.raises(KeyboardInterrupt):
        within_time(start, "Ray does not start", lambda text: None)


def test_what_is_not_asked_for_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_interrupt, "LONGEST_S", 0.0)
    with HeldInterrupt() as held:
        held.look()
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with HeldInterrupt():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, ignored)


def test_another_thread_hears_no_signals() -> None:
    ended = []

    def start() -> None:
        with HeldInterrupt():
            ended.append(signal.getsignal(signal.SIGINT))

    other = threading.Thread(target=start)
    other.start()
    other.join()
    assert ended == [signal.default_int_handler]
