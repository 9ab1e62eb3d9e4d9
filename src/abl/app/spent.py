"""Where the time of a run goes: distinct networks are the limit, all else stands around them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from abl.kept_files import json_kept, read_kept
from abl.plan.stage import Stage
from abl.record.done import write_atomically
from abl.report.plan_text import span_text
from abl.runner.protocols import Listener

SPENT = "spent.json"
AT_WORK = "stages"
# in the order in which a run goes through them
AROUND = ("start", "reading", "waiting", "scoring", "drawing", "recording")


class Spent:
    """Seconds by the clock of each part of a run.

    Args:
        began: When the command began, as `clock` has it; now by default.
    """

    def __init__(self, began: float | None = None, clock: Callable[[], float] = time.monotonic):
        now = clock()
        self._clock, self._began = clock, now if began is None else began
        self._parts = dict.fromkeys((AT_WORK, *AROUND), 0.0) | {"start": now - self._began}
        self._lock = threading.Lock()
        self._working: set[str] = set()  # digests
        self._since = 0.0  # when the first of those that are at work began

    @contextmanager
    def on(self, part: str) -> Iterator[None]:
        """What is done meanwhile belongs to a part; of `waiting`, when no stage is at work."""
        began, worked = self._clock(), self._parts[AT_WORK]
        try:
            yield
        finally:
            passed = self._clock() - began
            self._parts[part] += passed - (self._parts[AT_WORK] - worked)

    def began(self, stage: Stage) -> None:
        """A stage is at work."""
        with self._lock:
            if not self._working:
                self._since = self._clock()
            self._working.add(stage.digest)

    def ended(self, stage: Stage) -> None:
        """A stage is at work no more, however it ended."""
        with self._lock:
            if self._working == {stage.digest}:
                self._parts[AT_WORK] += self._clock() - self._since
            self._working.discard(stage.digest)

    def seconds(self) -> dict[str, float]:
        """Part -> seconds so far; `whole` is all of it."""
        return {"whole": self._clock() - self._began, **self._parts}


class Timed:
    """Passes on what a listener is told, and times the stages."""

    def __init__(self, listener: Listener, spent: Spent):
        self._listener, self._spent = listener, spent
        self.grown, self.message = listener.grown, listener.message

    def started(self, stage: Stage, where: str) -> None:
        self._spent.began(stage)
        self._listener.started(stage, where)

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        self._spent.ended(stage)
        self._listener.finished(stage, seconds, reused)

    def failed(self, stage: Stage, reason: str) -> None:
        self._spent.ended(stage)
        self._listener.failed(stage, reason)

    def blocked(self, stages: list[Stage], cause: Stage) -> None:
        self._spent.ended(cause)
        self._listener.blocked(stages, cause)

    def given_up(self, stage: Stage) -> None:
        self._spent.ended(stage)
        self._listener.given_up(stage)


def spent_text(seconds: Mapping[str, float]) -> str:
    """`1 min 36 s, 84 s (88 %) of them with stages at work; start 3 s, ...`; what took none is not
    told.
    """
    whole, work = seconds["whole"], seconds[AT_WORK]
    share = f"{100 * work / whole:.0f} %" if whole > 0 else "0 %"
    around = [f"{part} {span_text(seconds[part])}" for part in AROUND if seconds[part] >= 0.5]
    told = f"{span_text(whole)}, {span_text(work)} ({share}) of it with stages at work"
    return "; ".join([told, ", ".join(around)] if around else [told])


def keep_spent(folder: Path, seconds: Mapping[str, float]) -> None:
    """Keeps what the last run of a sweep took that computed something."""
    with suppress(OSError):
        write_atomically(folder / SPENT, json.dumps(dict(seconds)))


def last_spent(folder: Path) -> str:
    """Text of what the last run took that computed something, "" if that is not known."""
    try:
        said = json_kept(read_kept(folder / SPENT))
        return spent_text({part: float(said[part]) for part in ("whole", AT_WORK, *AROUND)})
    except (OSError, ValueError, KeyError, TypeError):
        return ""
