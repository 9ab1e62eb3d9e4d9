"""Notices that a part of Ray died on which a run depends, and gets its thread out of Ray.

Ray tries again where nobody will ever answer, or ends the whole process after a minute. So a thread
looks itself, and ends what the run is at: first by an exception, which passes once the run is in
Python; then by a signal, as Ctrl-C does, which ends calls of Ray too; at last with the process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType

from abl.processes import process_start

LOOK_S = 1.0
# a part elsewhere is asked less often
ASK_S = 5.0
# Ray itself ends its driver a minute after the GCS was lost, in its own words
SILENCE_S = 30.0
# the thread gets this long to come out of Ray, twice
UNWIND_S = 10.0

ADVICE = "what is finished is kept: the same command goes on from here, or use --executor local"


class RayLost(BaseException):
    """Raised in the thread that waits for a Ray that is gone; no `except Exception` catches it."""


@dataclass(frozen=True)
class WatchedPart:
    """A part of Ray without which nothing goes on.

    Attributes:
        name: For people.
        alive: Whether it is there; may take some seconds.
        every_s: How often it is asked.
        patience_s: How long it may be away.
    """

    name: str
    alive: Callable[[], bool]
    every_s: float = LOOK_S
    patience_s: float = 0.0


def process_part(name: str, pid: int, start: str) -> WatchedPart:
    """A process of this machine."""
    return WatchedPart(name, lambda: process_start(pid) == start)


def answering_part(name: str, address: str) -> WatchedPart:
    """Something that takes connections at HOST:PORT."""
    host, _, port = address.rpartition(":")

    def alive() -> bool:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=ASK_S).close()
        except OSError:
            return False
        return True

    return WatchedPart(name, alive, ASK_S, SILENCE_S)


class Interruption:
    """Gets the thread that made it out of whatever it is at, once.

    Args:
        status: Exit status of the process, if nothing else helps.
    """

    def __init__(self, status: int):
        self.sent = False  # whether the thread was told to end what it is at
        self._status = status
        self._thread = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread()
        self._lock = threading.Lock()
        self._out = threading.Event()

    def interrupt(self, line: str) -> None:
        """Ends what the thread is at; for another thread, which may be held up for a while.

        Args:
            line: What is printed if the process has to be ended.
        """
        with self._lock:
            if self._out.is_set():
                return
            self.sent = True
            thread, lost = ctypes.c_ulong(self._thread), ctypes.py_object(RayLost)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, lost)
        if self._out.wait(UNWIND_S):
            return
        with self._lock:
            # where Ctrl-C is ignored or ends the process at once there is no more to be done gently
            heeded = callable(signal.getsignal(signal.SIGINT))
            if heeded and self._is_main and not self._out.is_set():
                # in place of the other: two would come one after the other
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)
                signal.pthread_kill(self._thread, signal.SIGINT)
        if self._out.wait(UNWIND_S):
            return
        print(f"abl: {line}", file=sys.stderr)
        end_process(self._status)

    def over(self) -> None:
        """For the thread itself: it is out. What was sent and has not come is taken here."""
        try:
            with self._lock:
                self._out.set()
            # of two exceptions the second may come after the first was caught
            for _ in range(3):
                time.sleep(0)
        except (RayLost, KeyboardInterrupt):
            self._out.set()


def end_process(status: int) -> None:
    """Ends this process without asking Ray, which may never answer."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(status)


class RayWatch:
    """Watches parts of Ray while it is open. Use as a context manager, in the thread that waits.

    Attributes:
        lost: One line on what is gone, "" while everything is there.
    """

    def __init__(self, parts: Iterable[WatchedPart], on_loss: Callable[[], None] = lambda: None):
        self.lost = ""
        self._parts = list(parts)
        self._on_loss = on_loss
        self._away: dict[str, float] = {}
        self._asked: dict[str, float] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ray-watch", daemon=True)
        self._interruption: Interruption

    def __enter__(self) -> RayWatch:
        self._interruption = Interruption(status=1)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._interruption.over()

    def gone(self) -> str:
        """Which part does not answer at this moment, "" if all do."""
        return next((part.name for part in self._parts if not part.alive()), "")

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_S):
            for part in self._parts:
                if self._is_lost(part):
                    self.lost = lost_line(part.name)
                    self._on_loss()
                    self._interruption.interrupt(self.lost)
                    return

    def _is_lost(self, part: WatchedPart) -> bool:
        now = time.monotonic()
        if now - self._asked.get(part.name, -part.every_s) < part.every_s:
            return False
        self._asked[part.name] = now
        if part.alive():
            self._away.pop(part.name, None)
            return False
        return now - self._away.setdefault(part.name, now) >= part.patience_s


def lost_line(name: str) -> str:
    """What a person is told of a part that died."""
    return f"{name} has died; {ADVICE}"
