"""How far a run is: a state fed by events, and its counts and times in words (ASCII)."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Clock = Callable[[], float]
LAST_MESSAGES = 3


@dataclass(frozen=True)
class RunningStage:
    """A stage at work: what it is called in messages, where it runs, and since when (s)."""

    digest: str
    kind: str
    label: str
    where: str
    since: float


@dataclass(frozen=True)
class FailedStage:
    """A stage that has no result, and why."""

    digest: str
    label: str
    reason: str


@dataclass(frozen=True)
class Snapshot:
    """One moment of a run.

    Attributes:
        total: Distinct stages of the plan: reused + done + running + waiting + failed + blocked.
        done: Stages computed in this run.
        reused: Stages that the store already held.
        shared: Stages saved because several arms use the same one; not part of total.
        waiting, failed, blocked: Stages not started, without a result, and behind one of these.
        running: What is at work, longest first.
        failures: One for each failed stage, in order.
        messages: The last few, oldest first.
        elapsed: Seconds since the state was made.
        left: Estimated seconds to the end; None while nothing is known.
        left_is_least: Some waiting kinds have no time yet, so that it takes longer than `left`.
    """

    total: int
    done: int
    reused: int
    shared: int
    waiting: int
    failed: int
    blocked: int
    running: tuple[RunningStage, ...]
    failures: tuple[FailedStage, ...]
    messages: tuple[str, ...]
    elapsed: float
    left: float | None
    left_is_least: bool


@dataclass(frozen=True)
class Happened:
    """One event, as a listener gets it."""

    kind: str  # planned | started | finished | failed | blocked | message
    text: str


class ProgressState:
    """Counts of a run and its time left. Thread-safe.

    Args:
        slots: Stages that can run at once.
        seconds_by_kind: Recorded mean seconds of a stage, used until this run has its own.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        *,
        slots: int = 1,
        seconds_by_kind: Mapping[str, float] | None = None,
        clock: Clock = time.monotonic,
    ):
        self._slots = max(1, slots)
        self._recorded = dict(seconds_by_kind or {})
        self._clock = clock
        self._start = clock()
        self._lock = threading.RLock()
        self._listeners: list[Callable[[Happened], None]] = []
        self._total = self._shared = self._reused = self._blocked = 0
        self._by_kind: Counter[str] = Counter()
        self._running: dict[str, RunningStage] = {}
        self._finished: dict[str, str] = {}  # digest -> kind
        self._failed: dict[str, FailedStage] = {}
        self._failed_kinds: dict[str, str] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._timed: Counter[str] = Counter()
        self._first: defaultdict[str, list[float]] = defaultdict(list)  # of each slot
        self._messages: deque[str] = deque(maxlen=LAST_MESSAGES)

    def listen(self, listener: Callable[[Happened], None]) -> None:
        """Calls `listener` after each event, in the thread that reports it."""
        self._listeners.append(listener)

    def planned(
        self, total: int, by_kind: Mapping[str, int], *, shared: int = 0, reused: int = 0
    ) -> None:
        """The plan as it stands; again whenever it has grown.

        Args:
            total: Distinct stages, those reused included.
            by_kind: Stages to compute (not reused), by kind.
        """
        with self._lock:
            self._total, self._shared, self._reused = total, shared, reused
            self._by_kind = Counter(by_kind)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(by_kind.items()) if count)
        text = f"{total} stages" + (f" (to compute: {kinds})" if kinds else "")
        self._tell("planned", f"{text}, {reused} reused, {shared} saved by sharing")

    def grown(self, by_kind: Mapping[str, int]) -> None:
        """The plan has got further stages to compute."""
        with self._lock:
            self._total += sum(by_kind.values())
            self._by_kind.update(by_kind)

    def started(self, digest: str, label: str, where: str, *, kind: str = "") -> None:
        """A stage began, for the first time or again after its worker was lost."""
        with self._lock:
            self._running[digest] = RunningStage(digest, kind, label, where, self._clock())
        self._tell("started", label)

    def finished(self, digest: str, seconds: float) -> None:
        """A started stage is in the store; `seconds` is what it took."""
        with self._lock:
            stage = self._running.pop(digest, None)
            kind = stage.kind if stage else ""
            self._finished[digest] = kind
            if len(self._first[kind]) < self._slots:
                self._first[kind].append(seconds)
            else:
                self._seconds[kind] += seconds
                self._timed[kind] += 1
            label = stage.label if stage else digest[:12]
        self._tell("finished", f"{label}, {duration(seconds)}")

    def failed(self, digest: str, label: str, reason: str) -> None:
        """A stage ended without a result, for good."""
        with self._lock:
            stage = self._running.pop(digest, None)
            self._failed_kinds[digest] = stage.kind if stage else ""
            self._failed[digest] = FailedStage(digest, label, reason)
        self._tell("failed", f"failed: {label}: {reason}")

    def given_up(self, digest: str) -> None:
        """A running stage ended without a result and is wanted no more."""
        with self._lock:
            stage = self._running.pop(digest, None)
            self._total -= 1
            if stage is not None and stage.kind in self._by_kind:
                self._by_kind[stage.kind] -= 1

    def blocked(self, count: int) -> None:
        """How many stages cannot run, since one that they need has failed."""
        with self._lock:
            self._blocked = count
        self._tell("blocked", f"{count} stage{'s' if count != 1 else ''} blocked")

    def message(self, text: str) -> None:
        """A sentence for the person who watches."""
        with self._lock:
            self._messages.append(text)
        self._tell("message", text)

    def snapshot(self) -> Snapshot:
        """The state now."""
        with self._lock:
            now = self._clock()
            begun = len(self._finished) + len(self._running) + len(self._failed)
            unused = self._total - begun - self._blocked
            # what was damaged was counted as there, and is computed again
            reused = min(self._reused, max(0, unused))
            waiting = unused - reused
            left, is_least = self._left(max(0, waiting), now)
            return Snapshot(
                total=self._total,
                done=len(self._finished),
                reused=reused,
                shared=self._shared,
                waiting=max(0, waiting),
                failed=len(self._failed),
                blocked=self._blocked,
                running=tuple(sorted(self._running.values(), key=lambda stage: stage.since)),
                failures=tuple(self._failed.values()),
                messages=tuple(self._messages),
                elapsed=now - self._start,
                left=left,
                left_is_least=is_least,
            )

    def _left(self, waiting: int, now: float) -> tuple[float | None, bool]:
        """Work of the waiting stages over the slots, but never less than the longest running."""
        if not waiting and not self._running:
            return 0.0, False
        # kind, how many, and seconds that they have run already
        parts = [(stage.kind, 1, now - stage.since) for stage in self._running.values()]
        parts += [(kind, count, 0.0) for kind, count in self._waiting_by_kind(waiting).items()]
        work, longest, known = 0.0, 0.0, 0
        for kind, count, gone in parts:
            mean = self._mean_seconds(kind)
            if mean is not None:
                rest = max(0.0, mean - gone)
                work, longest, known = work + count * rest, max(longest, rest), known + 1
        return (max(work / self._slots, longest), known < len(parts)) if known else (None, False)

    def _waiting_by_kind(self, waiting: int) -> dict[str, int]:
        begun = Counter(self._finished.values())
        begun.update(stage.kind for stage in self._running.values())
        begun.update(self._failed_kinds.values())
        rest = {kind: count - begun[kind] for kind, count in self._by_kind.items()}
        rest = {kind: count for kind, count in rest.items() if count > 0}
        # blocked stages are known by number alone: taken off every kind in proportion
        planned = sum(rest.values())
        if planned == 0:
            return {"": waiting} if waiting else {}
        return {kind: round(count * waiting / planned) for kind, count in rest.items()}

    def _mean_seconds(self, kind: str) -> float | None:
        if self._timed[kind]:
            return self._seconds[kind] / self._timed[kind]
        # the first of a worker holds what it loads: known only until others are
        first = self._first[kind]
        return sum(first) / len(first) if first else self._recorded.get(kind)

    def _tell(self, kind: str, text: str) -> None:
        for listener in self._listeners:
            listener(Happened(kind, text))


def counts_line(snapshot: Snapshot) -> str:
    """Done of total, what runs and waits, what went wrong, and the time left; ASCII."""
    counts = [f"{len(snapshot.running)} running", f"{snapshot.waiting} waiting"]
    counts += [f"{snapshot.failed} failed"] if snapshot.failed else []
    counts += [f"{snapshot.blocked} blocked"] if snapshot.blocked else []
    counts += [f"{left_text(snapshot)} left"] if snapshot.left else []
    return f"[{snapshot.done + snapshot.reused}/{snapshot.total}] {', '.join(counts)}"


def left_text(snapshot: Snapshot) -> str:
    """`2 min`, `> 2 min` while some kinds have no time yet, or `?`."""
    if snapshot.left is None:
        return "?"
    return ("> " if snapshot.left_is_least else "") + duration(snapshot.left)


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
