"""SIGTERM, as `kill`, containers and batch systems send it, stops a command as Ctrl-C does."""

from __future__ import annotations

import signal
from types import FrameType

# what a shell shows of a process that such a signal ended
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
_came: list[int] = []


def heed_termination() -> None:
    """From now on it raises KeyboardInterrupt; unless it is ignored, or somebody else's already."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)


def exit_status(code: str | int | None) -> str | int | None:
    """The status to end with: what Ctrl-C would end with, or a success, is SIGTERM's if it came."""
    return TERMINATED if _came and code in (None, 0, INTERRUPTED) else code


def _stop(number: int, frame: FrameType | None) -> None:
    _came.append(number)
    raise KeyboardInterrupt
