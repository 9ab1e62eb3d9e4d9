"""Ctrl-C or SIGTERM while Ray starts: once is enough, and no start is broken off for it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from abl.runner import held_interrupt
from abl.runner.held_interrupt import HeldInterrupt
from abl.runner.ray_start import restrained_ray, within_time

PATIENCE_S = 60.0


class TerminatedError(Exception):
    """What the handler of SIGTERM raises in these tests."""


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, stop)
    yield
    assert signal.signal(signal.SIGTERM, before) is stop


def wait_for(seconds: float = PATIENCE_S) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError)],
)
def test_one_is_heeded_when_the_start_is_over(
    number: signal.Signals, raised: type[BaseException]
) -> None:
    done = []

    def start() -> None:
        signal.raise_signal(number)
        done.append("started")

    with pytest.raises(raised):
        within_time(start, "Ray does not start", done.append)
    assert done == ["started"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_is_heeded_although_the_start_fails() -> None:
    def start() -> None:
        signal.raise_signal(signal.SIGINT)
        raise OSError("no room")

    with pytest.raises(KeyboardInterrupt):
        within_time(start, "Ray does not start", lambda text: None)


def test_of_parts_that_died_of_the_same_signal_nothing_is_said() -> None:
    def start() -> None:
        signal.raise_signal(signal.SIGTERM)
        wait_for()
        raise AssertionError("heeded too late")

    with pytest.raises(TerminatedError):
        within_time(start, "Ray does not start", lambda text: None, lambda: "its GCS has died")


def test_where_somebody_takes_sigterm_ray_does_not() -> None:
    from ray._private import utils

    taken = signal.getsignal(signal.SIGTERM)
    with restrained_ray():
        utils.set_sigterm_handler(signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is taken
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with restrained_ray():
            utils.set_sigterm_handler(signal.SIG_IGN)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, taken)


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
