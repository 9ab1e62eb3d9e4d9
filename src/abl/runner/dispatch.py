"""What every executor shares: the frontier, the driver's own small stages, and who is told."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from abl.errors import StageError
from abl.plan.graph import Frontier
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.runner.execute import Report, run_stage


class Listener(Protocol):
    """Is told what happens while a plan runs."""

    def started(self, stage: Stage, where: str) -> None:
        """A stage was started."""

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        """A stage is in the store."""

    def failed(self, stage: Stage, reason: str) -> None:
        """A stage failed."""

    def blocked(self, stages: list[Stage], cause: Stage) -> None:
        """Stages that cannot run because one they need has failed."""

    def message(self, text: str) -> None:
        """Something worth a line."""


@dataclass
class RunReport:
    """How the run of a plan ended.

    Attributes:
        ran: Digests computed now.
        reused: Digests that were there already.
        failed: Digest -> reason, of stages that failed themselves.
        blocked: Digest -> reason, of stages that need a failed one.
        traces: Digest -> traceback, of failures that were not foreseen.
        interrupted: Whether a person stopped it.
    """

    ran: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


class Dispatcher:
    """Hands out stages and takes their reports. Safe to call from several threads.

    Small stages (`Stage.local`) are done in a thread of this process; `wake` tells who waits.
    """

    def __init__(
        self,
        stages: Mapping[str, Stage],
        store: Store,
        listener: Listener,
        done: set[str],
        seconds: Mapping[str, float],
    ):
        self.store = store
        self.listener = listener
        self.report = RunReport(reused=sorted(done))
        self.lock = threading.RLock()
        self.wake = threading.Condition(self.lock)
        self.frontier = Frontier(stages, done, seconds)
        self._local: queue.Queue[Stage | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run_local, daemon=True)
        self._thread.start()
        self._feed_local()

    @property
    def finished(self) -> bool:
        """Whether nothing is running and nothing can start any more."""
        with self.lock:
            return self.frontier.finished

    def ready(self) -> list[Stage]:
        """Stages that a worker may start, longest remaining path first."""
        with self.lock:
            return self.frontier.ready()

    def start(self, stage: Stage, where: str) -> None:
        """Notes that a ready stage was given to a worker."""
        with self.lock:
            self.frontier.start(stage.digest)
        self.listener.started(stage, where)

    def again(self, stage: Stage) -> None:
        """Puts a stage back whose worker died."""
        with self.wake:
            self.frontier.again(stage.digest)
            self.wake.notify_all()

    def take(self, report: Report) -> None:
        """Notes how a stage ended; what waited for it may become ready."""
        stage = self.frontier.stages[report.digest]
        if report.status != "failed" and not self.store.has(report.digest):
            report = Report(report.digest, "failed", report.seconds, "not in the store afterwards")
        if report.status == "failed":
            self._fail(stage, report)
        else:
            with self.wake:
                self.frontier.finish(report.digest)
                (self.report.ran if report.status == "done" else self.report.reused).append(
                    report.digest
                )
                self._feed_local()
                self.wake.notify_all()
            self.listener.finished(stage, report.seconds, report.status == "reused")

    def _fail(self, stage: Stage, report: Report) -> None:
        with self.wake:
            blocked = self.frontier.fail(stage.digest, report.reason)
            self.report.failed[stage.digest] = report.reason
            if report.trace:
                self.report.traces[stage.digest] = report.trace
            for digest in blocked:
                self.report.blocked[digest] = self.frontier.failed[digest]
            self.wake.notify_all()
        self.listener.failed(stage, report.reason)
        if blocked:
            self.listener.blocked([self.frontier.stages[d] for d in blocked], stage)

    def _feed_local(self) -> None:
        with self.lock:
            for stage in self.frontier.ready():
                if stage.local:
                    self.frontier.start(stage.digest)
                    self._local.put(stage)

    def _run_local(self) -> None:
        while (stage := self._local.get()) is not None:
            self.listener.started(stage, "driver")
            self.take(run_stage(self.store, stage))

    def close(self) -> None:
        """Ends the thread of small stages, after the one it is at."""
        with suppress(queue.Empty):
            while True:
                self._local.get_nowait()
        self._local.put(None)
        self._thread.join(timeout=60)
        if self._thread.is_alive():
            raise StageError("a stage of the driver did not end within a minute")
