"""Ctrl-C waits for a start of Ray to be over: one that is broken off within Ray's library takes the
process with it as Python ends, or leaves the lock of `logging` held, on which other threads hang.
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


class HeldInterrupt:
    """Holds back Ctrl-C while it is open, for `LONGEST_S` at most; says that it was heard.

    Use as a context manager, in the thread that starts Ray; does nothing in another thread than the
    main one, which hears no signals, or where Ctrl-C is ignored.
    """

    def __init__(self, say: Callable[[str], None] = lambda text: None) -> None:
        self._say, self._told = say, False
        self._asked: float | None = None  # when
        self._open = False
        self._thread = threading.get_ident()
        self._before: Callable[[int, FrameType | None], Any] | None = None

    def __enter__(self) -> HeldInterrupt:
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(before):
            self._before = before
            signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._before is None:
            return
        signal.signal(signal.SIGINT, self._before)
        if self._asked is not None and (kind is None or issubclass(kind, Exception)):
            self._before(signal.SIGINT, None)

    def let_through(self) -> None:
        """From now on every one is heeded. From any thread."""
        self._open = True

    def look(self) -> None:
        """Tells of one that is held back, and sends it anew after a while. From another thread."""
        asked = self._asked
        if asked is not None and not self._told:
            self._told = True
            self._say("stopping, as soon as Ray has started and can be left")
        if not self._open and asked is not None and time.monotonic() - asked >= LONGEST_S:
            self.let_through()
            signal.pthread_kill(self._thread, signal.SIGINT)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._before is not None and self._open:
            self._before(number, frame)
        elif self._asked is None:
            self._asked = time.monotonic()
