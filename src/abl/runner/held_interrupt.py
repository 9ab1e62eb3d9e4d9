"""Ctrl-C and SIGTERM wait for a start of Ray to be over: one that is broken off within Ray's
library takes the process with it as Python ends, or leaves the lock of `logging` held, on which
other threads hang.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

# Ray starts in two or three seconds; who asks is not kept waiting much longer
LONGEST_S = 5.0


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class HeldInterrupt:
    """Holds them back while it is open, for `LONGEST_S` at most; says that one was heard.

    Use as a context manager, in the thread that starts Ray; does nothing in another thread than the
    main one, which hears no signals, nor for a signal that is ignored or ends the process at once.
    """

    def __init__(self, say: Callable[[str], None] = lambda text: None) -> None:
        self._say, self._told = say, False
        self._asked: tuple[int, float] | None = None  # which one came, and when
        self._open = False
        self._thread = threading.get_ident()
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def __enter__(self) -> HeldInterrupt:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                before = signal.getsignal(number)
                if callable(before):
                    self._before[number] = before
                    signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        if kind is None or issubclass(kind, Exception):
            self.heed()

    def heed(self) -> None:
        """What was held back is heeded now: it raises what its handler raises."""
        if self._asked is not None:
            number = self._asked[0]
            self._before[number](number, None)

    def let_through(self) -> None:
        """From now on every one is heeded. From any thread."""
        self._open = True

    def look(self) -> None:
        """Tells of one that is held back, and sends it anew after a while. From another thread."""
        if self._asked is None:
            return
        number, since = self._asked
        if not self._told:
            self._told = True
            self._say("stopping, as soon as Ray has started and can be left")
        if not self._open and time.monotonic() - since >= LONGEST_S:
            self.let_through()
            signal.pthread_kill(self._thread, number)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._open:
            self._before[number](number, frame)
        elif self._asked is None:
            self._asked = number, time.monotonic()
