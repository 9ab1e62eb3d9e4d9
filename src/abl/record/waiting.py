"""Waiting for a lease that somebody else has, said once it takes long."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from abl.kept_files import json_kept
from abl.record.lease import Place
from abl.visible import visible_line

# a wait that is longer is told
TOLD_S = 5.0


class ToldWait:
    """Waits for a lease that somebody else has; a long wait is told once, and its end.

    Called with seconds it waits so long: the `wait` of Store.claim.

    Args:
        what: The stage, as people call it.
        say: Takes a line.
        told_s: Seconds after which a wait is told; default TOLD_S.
        pause: Waits.
    """

    def __init__(
        self,
        place: Place,
        what: str,
        say: Callable[[str], None],
        *,
        told_s: float | None = None,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._place, self._what, self._say = place, what, say
        self._told_s = TOLD_S if told_s is None else told_s
        self._pause, self._clock = pause, clock
        self._began: float | None = None
        self._told = False

    def __call__(self, seconds: float) -> None:
        if self._began is None:
            self._began = self._clock()
        if not self._told and self._clock() - self._began >= self._told_s:
            content = None
            with suppress(OSError):
                content = self._place.read()
            if content is not None:  # else it goes on with the next look
                self._told = True
                self._say(f"waiting for {self._what}, {held_by(content)}")
        self._pause(seconds)

    def over(self) -> None:
        """The wait has ended, if there was one."""
        if self._told and self._began is not None:
            waited = self._clock() - self._began
            self._say(f"{self._what} goes on after {waited:.0f} s of waiting")
        self._began, self._told = None, False


def held_by(content: str) -> str:
    """Who has a lease: process, machine, since when; of earlier versions without the time."""
    try:
        holder = json_kept(content)
        pid, node = int(holder["pid"]), str(holder["machine"]).partition("/")[0]
    except (ValueError, KeyError, TypeError, OverflowError):
        return "held by a process that its lease does not name"
    since = ""
    with suppress(ValueError, KeyError, TypeError):
        began = datetime.fromisoformat(holder["since"]).astimezone()
        since = f" since {began:%Y-%m-%d %H:%M:%S}"
    return f"held by pid {pid} on {visible_line(node)}{since}"
