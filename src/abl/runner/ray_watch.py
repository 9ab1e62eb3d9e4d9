"""Notices that a part of Ray died, or stands still, on which a run depends, and gets out of Ray.

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
from abl.runner.ray_guard import ADVICE
from abl.runner.ray_guarding import foretell, say_own_end

LOOK_S = 1.0
# what is asked over the network is asked less often, and has as long to answer
ASK_S = 5.0
# Ray itself ends its driver a minute after the GCS was lost, in its own words
SILENCE_S = 30.0
# one question without an answer counts as no more: who asks may have been stopped, or the machine
# suspended
MOST_COUNTED_S = 2 * ASK_S
# the thread gets this long to come out of Ray, twice
UNWIND_S = 10.0

# what a client of HTTP/2 says first (RFC 9113, section 3.4), with settings that are empty: the
# server of each part answers with its own, whoever asks
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


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
        fault: What is said of it then.
    """

    name: str
    alive: Callable[[], bool]
    every_s: float = LOOK_S
    patience_s: float = 0.0
    fault: str = "has died"

    @property
    def lost_line(self) -> str:
        """What a person is told when it is lost."""
        return f"{self.name} {self.fault}; {ADVICE}"


def process_part(name: str, pid: int, start: str) -> WatchedPart:
    """A process of this machine."""
    return WatchedPart(name, lambda: process_start(pid) == start)


def answering_part(name: str, address: str) -> WatchedPart:
    """Something that speaks gRPC at HOST:PORT.

    It has to say something: connections are taken by the system, for one that stands still too.
    """
    host, _, port = address.rpartition(":")

    def alive() -> bool:
        try:
            way = socket.create_connection((host.strip("[]"), int(port)), timeout=ASK_S)
        except OSError:
            return False
        with way:
            try:
                way.sendall(_GREETING)
                way.recv(1)
            except TimeoutError:
                return False
            except OSError:
                pass  # who hangs up is there, as one that wants TLS
        return True

    fault = f"does not answer for {SILENCE_S:g} s: it has died or stands still"
    return WatchedPart(name, alive, ASK_S, SILENCE_S, fault)


class Silence:
    """For how long something that is asked again and again has not answered."""

    def __init__(self) -> None:
        self._asked: float | None = None
        self._seconds: float | None = None

    def after(self, answered: bool) -> float:
        """Seconds since the first of the unanswered questions, of which this is the latest.

        Of the time between two questions no more than `MOST_COUNTED_S` is counted.
        """
        now = time.monotonic()
        passed = 0.0 if self._asked is None else min(now - self._asked, MOST_COUNTED_S)
        self._asked = now
        if answered:
            self._seconds = None
            return 0.0
        self._seconds = 0.0 if self._seconds is None else self._seconds + passed
        return self._seconds


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
            # Ray's library may end the process meanwhile
            foretell(line)
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
    """Ends this process without asking Ray, which may never answer. Why must have been told."""
    say_own_end()
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
        self._silent = [Silence() for _ in self._parts]
        self._asked: dict[int, float] = {}
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
        """One line on a part that does not answer at this moment, "" if all do."""
        # asked twice: one answer may be late where much else goes on
        gone = (part for part in self._parts if not part.alive() and not part.alive())
        return next((part.lost_line for part in gone), "")

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_S):
            for at, part in enumerate(self._parts):
                if self._is_lost(at, part):
                    self.lost = part.lost_line
                    self._on_loss()
                    self._interruption.interrupt(self.lost)
                    return

    def _is_lost(self, at: int, part: WatchedPart) -> bool:
        now = time.monotonic()
        if now - self._asked.get(at, -part.every_s) < part.every_s:
            return False
        self._asked[at] = now
        alive = part.alive()
        return self._silent[at].after(alive) >= part.patience_s and not alive
