"""What every executor shares: the frontier, and the driver's own small stages."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from abl.errors import StageError
from abl.plan.bundles import bundle_key
from abl.plan.frontier import Frontier
from abl.plan.graph import wanted_stages
from abl.plan.stage import Stage
from abl.record.patient import UnreadableError
from abl.record.store import Store
from abl.runner.execute import Report, run_stage
from abl.runner.protocols import Ended, Failure, Growth, Listener, RunReport

# in the queue of the driver's own stages: not a stage, the plan is to grow
GROW = Stage("grow", 1, {})


def reusable(stages: Mapping[str, Stage], store: Store, listener: Listener) -> set[str]:
    """Digests of those that need not run; of the others what lies in the store is discarded."""
    done, said = store.usable(stages)
    for digest, line in said.items():
        listener.message(line)
        store.discard(digest)
    return done


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
        growth: Growth | None = None,
    ):
        self.store = store
        self.listener = listener
        self.report = RunReport(reused=sorted(done))
        self.lock = threading.RLock()
        self.wake = threading.Condition(self.lock)
        self.frontier = Frontier(stages, done, seconds)
        self.broken: Exception | None = None  # growth failed: the run ends with what it has
        self._growth = growth
        self._growing = 0  # times that growth was asked for and has not answered
        self._failures: dict[str, Failure] = {}
        self._stops: dict[str, dict[str, Any]] = {}
        self._local: queue.Queue[Stage | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run_local, daemon=True)
        self._thread.start()
        self._feed_local()

    @property
    def finished(self) -> bool:
        """Whether nothing is running and nothing can start any more."""
        with self.lock:
            return self.frontier.finished and not self._growing

    @property
    def busy(self) -> bool:
        """Whether a stage is running, or the plan is about to grow: more may become ready."""
        with self.lock:
            return bool(self.frontier.running or self._growing)

    def for_workers(self) -> list[Stage]:
        """Stages that are not done and that a worker computes, in the order of the plan."""
        frontier = self.frontier
        every = list(frontier.stages.items())  # it may grow meanwhile
        return [stage for d, stage in every if d not in frontier.done and not stage.local]

    def each_ready(self) -> Iterator[Stage]:
        """Stages that a worker may start, longest remaining path first.

        For who holds `lock` until it has chosen.
        """
        return self.frontier.each_ready()

    def alike(self, stage: Stage, slots: int, most: Callable[[Stage], int]) -> list[Stage]:
        """Ready stages that are one program with a ready one, without itself.

        For who holds `lock`. What is ready is shared out: no slot is left idle for a bundle.

        Args:
            slots: Stages that run at once.
            most: How large a bundle may be in which a stage is.
        """
        key, size = bundle_key(stage), most(stage)
        if not key or size < 2:
            return []
        same = [
            each
            for each in self.frontier.each_ready()
            if bundle_key(each) == key and each is not stage and most(each) >= size
        ]
        return same[: min(size, math.ceil((len(same) + 1) / slots)) - 1]

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
        if report.status == "stopped":
            self._stop(stage, report)
            return
        if report.status != "failed" and not self.store.has(report.digest):
            report = Report(report.digest, "failed", report.seconds, "not in the store afterwards")
        if report.status == "failed":
            self._fail(stage, report)
        else:
            with self.wake:
                self.frontier.finish(report.digest)
                ended = self.report.ran if report.status == "done" else self.report.reused
                ended.append(report.digest)
                self._told(report.digest)
                self._feed_local()
            self.listener.finished(stage, report.seconds, report.status == "reused")

    def take_finished(self) -> bool:
        """Takes what workers have committed and could not report; whether nothing is left to do."""
        with self.lock:
            stages = self.frontier.stages
            given = [stages[each] for each in self.frontier.running if not stages[each].local]
        try:
            if not all(self.store.has(stage.digest) for stage in given):
                return False
        except UnreadableError:
            return False
        for stage in given:
            self.take(Report(stage.digest, "done"))
        with self.wake:
            # what the driver itself has begun; what becomes ready is nobody's any more
            self.wake.wait_for(lambda: not self.busy)
            return self.finished

    def _fail(self, stage: Stage, report: Report) -> None:
        with self.wake:
            blocked = self.frontier.fail(stage.digest, report.reason)
            if report.lacks == "disk":
                # hours of training would end the same way
                blocked += self.frontier.halt(report.reason)
            # what was foreseen (a loss that is not finite) would only happen again
            again = report.trace or report.died or report.lacks
            failure = Failure(report.reason, final=not again)
            self._failures |= dict.fromkeys([stage.digest, *blocked], failure)
            forgiven = self._growth is not None and self._growth.forgives(stage.digest)
            if forgiven and report.lacks != "disk":
                self._told(stage.digest)
                self.listener.given_up(stage)
                self.listener.message(f"{stage.label}: {report.reason}")
                return
            self.report.failed[stage.digest] = report.reason
            if report.trace:
                self.report.traces[stage.digest] = report.trace
            for digest in blocked:
                self.report.blocked[digest] = self.frontier.failed[digest]
            self._told(stage.digest)
        self.listener.failed(stage, report.reason)
        if blocked:
            self.listener.blocked([self.frontier.stages[d] for d in blocked], stage)

    def _stop(self, stage: Stage, report: Report) -> None:
        with self.wake:
            blocked = self.frontier.fail(stage.digest, report.reason)
            self._stops |= dict.fromkeys([stage.digest, *blocked], report.facts)
            self.report.stopped |= {stage.digest, *blocked}
            self._told(stage.digest)
        self.listener.given_up(stage)

    def _told(self, digest: str) -> None:
        self._ask_growth(digest)
        self.wake.notify_all()

    def _ask_growth(self, digest: str) -> None:
        if self._growth is not None and self._growth.awaits(digest):
            self._growing += 1
            self._local.put(GROW)

    def grow(self) -> None:
        """Asks the growth what follows. In the driver's thread, as it may take a while."""
        if self._growth is None or self.broken is not None:
            return
        with self.lock:
            ended = Ended(dict(self._failures), dict(self._stops))
        change = self._growth.advance(ended)
        self.store.plans.grow(change.stages)
        done = reusable(change.stages, self.store, self.listener)
        with self.wake:
            wanted = {
                digest: stage
                for digest, stage in wanted_stages(change.stages, done).items()
                if digest not in self.frontier.stages
            }
            for digest in change.again:
                if digest in change.stages:
                    self.frontier.stages[digest] = change.stages[digest]
                for each in self.frontier.retry(digest):
                    self._failures.pop(each, None)
                    self._stops.pop(each, None)
                    self.report.stopped.discard(each)
            blocked = self.frontier.extend(wanted, done)
            for digest in blocked:
                read = self.frontier.stages[digest].inputs.values()
                cause = next(source for source in read if source in self.frontier.failed)
                if cause in self._stops:
                    self._stops[digest] = self._stops[cause]
                else:
                    self._failures[digest] = self._failures[cause]
            self.report.reused += sorted(done & wanted.keys())
            for digest in done:
                # finished by another driver since it was looked for
                self._ask_growth(digest)
            self._feed_local()
            self.wake.notify_all()
        if wanted:
            self.listener.grown([stage for d, stage in wanted.items() if d not in done])

    def _feed_local(self) -> None:
        with self.lock:
            for stage in self.frontier.start_local():
                self._local.put(stage)

    def _run_local(self) -> None:
        while (stage := self._local.get()) is not None:
            if stage is not GROW:
                self.listener.started(stage, "driver")
                self.take(run_stage(self.store, stage, self.listener.message))
                continue
            try:
                self.grow()
            except Exception as error:  # told by the engine, once the executor has ended
                self.broken = error
            with self.wake:
                self._growing -= 1
                self.wake.notify_all()

    def close(self) -> None:
        """Ends the thread of small stages, after the one it is at."""
        with suppress(queue.Empty):
            while True:
                self._local.get_nowait()
        self._local.put(None)
        self._thread.join(timeout=60)
        if self._thread.is_alive():
            raise StageError("a stage of the driver did not end within a minute")
