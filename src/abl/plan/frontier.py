"""Which stages of a plan may start now: pure bookkeeping."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping

from abl.plan.stage import Stage


class Frontier:
    """Which stages may start: pure bookkeeping, critical path first.

    Args:
        stages: All stages, inputs before what reads them.
        done: Digests that the store already holds.
        seconds: Expected seconds of a stage, by digest (1 where unknown).
    """

    def __init__(
        self,
        stages: Mapping[str, Stage],
        done: Iterable[str] = (),
        seconds: Mapping[str, float] | None = None,
    ):
        self.stages = dict(stages)
        self.done = {digest for digest in done if digest in self.stages}
        self.failed: dict[str, str] = {}
        self.running: set[str] = set()
        self._halted = ""  # why nothing may start any more
        self._readers: dict[str, list[str]] = {digest: [] for digest in self.stages}
        self._missing: dict[str, int] = {}
        self._order = {digest: at for at, digest in enumerate(self.stages)}
        for digest, stage in self.stages.items():
            for source in stage.sources:
                self._readers[source].append(digest)
        self._rank: dict[str, float] = {}
        for digest in reversed(self.stages):
            after = max((self._rank[reader] for reader in self._readers[digest]), default=0.0)
            self._rank[digest] = (seconds or {}).get(digest, 1.0) + after
        # a finished stage does not ask for its inputs: they may have been cleaned away
        for digest in self.stages.keys() - self.done:
            self._missing[digest] = len(self.stages[digest].sources - self.done)
        self._ready = sorted(
            self._entry(each) for each, count in self._missing.items() if not count
        )
        self._own = [d for _, _, d in self._ready if self.stages[d].local]  # not looked at yet

    def _push(self, digest: str) -> None:
        if self._halted:
            self.failed[digest] = self._halted
            return
        bisect.insort(self._ready, self._entry(digest))
        if self.stages[digest].local:
            self._own.append(digest)

    def _entry(self, digest: str) -> tuple[float, int, str]:
        return -self._rank[digest], self._order[digest], digest

    def extend(self, stages: Mapping[str, Stage], done: Iterable[str] = ()) -> list[str]:
        """Adds stages, inputs before what reads them, ahead of those that wait already.

        What a plan grows by is the end of a chain of decisions, which the rest can be run beside.

        Returns:
            Those that cannot run, because a stage they need has failed.
        """
        new = {d: stage for d, stage in stages.items() if d not in self.stages}
        finished, blocked = set(done), []
        ahead = max(self._rank.values(), default=0.0)
        self.stages |= new
        for digest, stage in new.items():
            self._order[digest] = len(self._order)
            self._readers[digest] = []
            for source in stage.sources:
                self._readers[source].append(digest)
        after: dict[str, float] = {}
        for digest in reversed(new):
            after[digest] = 1.0 + max(
                (after.get(r, 0.0) for r in self._readers[digest]), default=0.0
            )
            self._rank[digest] = ahead + after[digest]
        for digest, stage in new.items():
            if digest in finished:
                self.done.add(digest)
                continue
            failed = next((s for s in stage.inputs.values() if s in self.failed), None)
            if failed is not None:
                self.failed[digest] = f"blocked: needs {self.stages[failed].label}, which failed"
                blocked.append(digest)
                continue
            self._missing[digest] = len(stage.sources - self.done)
            if not self._missing[digest]:
                self._push(digest)
        return blocked

    def retry(self, digest: str) -> list[str]:
        """Puts a failed stage back, and what was blocked by it; returns what was put back."""
        todo, back = [digest], []
        while todo:
            each = todo.pop()
            if each not in self.failed:
                continue
            del self.failed[each]
            back.append(each)
            self._missing[each] = len(self.stages[each].sources - self.done)
            if not self._missing[each]:
                self._push(each)
            todo += self._readers[each]
        return back

    def each_ready(self) -> Iterator[Stage]:
        """Stages that may start, longest remaining path first.

        One at a time: who takes the first need not list a hundred thousand. Nothing may be started
        or finished between two of them.
        """
        return (self.stages[digest] for _, _, digest in self._ready)

    def start_local(self) -> list[Stage]:
        """Starts the driver's own stages among those that may start; returns them."""
        own = sorted(self._entry(digest) for digest in self._own)
        self._own = []
        for _, _, digest in own:
            self.start(digest)
        return [self.stages[digest] for _, _, digest in own]

    def start(self, digest: str) -> None:
        """Marks a ready stage as running."""
        # looked up, not searched for: a plan may have a hundred thousand ready stages
        at = bisect.bisect_left(self._ready, self._entry(digest))
        if at < len(self._ready) and self._ready[at][2] == digest:
            del self._ready[at]
        self.running.add(digest)

    def finish(self, digest: str) -> None:
        """Marks a stage as done; what waited for it may become ready."""
        self.running.discard(digest)
        self.done.add(digest)
        for reader in self._readers[digest]:
            self._wait_no_more(reader)

    def _wait_no_more(self, reader: str) -> None:
        if reader in self._missing and reader not in self.done:
            self._missing[reader] -= 1
            if not self._missing[reader] and reader not in self.failed:
                self._push(reader)

    def again(self, digest: str) -> None:
        """Puts a running stage back."""
        self.running.discard(digest)
        self._push(digest)

    def fail(self, digest: str, reason: str) -> list[str]:
        """Marks a stage as failed and everything that reads it as blocked; returns the blocked.

        What would only have been faster with it does without.
        """
        self.running.discard(digest)
        self.failed[digest] = reason
        blocked, todo = [], self._blocked_by(digest)
        while todo:
            reader = todo.pop()
            if reader in self.failed or reader in self.done:
                continue
            self.failed[reader] = f"blocked: needs {self.stages[digest].label}, which failed"
            blocked.append(reader)
            todo += self._blocked_by(reader)
        return blocked

    def _blocked_by(self, digest: str) -> list[str]:
        needing = []
        for reader in self._readers[digest]:
            if digest in self.stages[reader].inputs.values():
                needing.append(reader)
            else:
                self._wait_no_more(reader)
        return needing

    def halt(self, reason: str) -> list[str]:
        """Lets nothing start any more; returns what was not begun, which counts as blocked."""
        self._halted = reason
        begun = self.done | self.running | self.failed.keys()
        waiting = [digest for digest in self.stages if digest not in begun]
        self.failed |= dict.fromkeys(waiting, reason)
        self._ready, self._own = [], []
        return waiting

    @property
    def finished(self) -> bool:
        """Whether nothing is running or can start."""
        return not self._ready and not self.running
