"""The plan of a sweep: its stages, each digest once, and what may start now."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from abl.plan.stage import Stage


@dataclass(frozen=True, order=True)
class Replicate:
    """One (repeat, fold, seed) on which every arm is run."""

    repeat: int
    fold: int
    seed: int

    def __str__(self) -> str:
        return f"r{self.repeat} f{self.fold} s{self.seed}"


@dataclass(frozen=True)
class Arm:
    """One row of the ablation table.

    Attributes:
        params: Axis -> value, only the axes that matter to this arm.
        shown: The axes that the sweep names; the others are at their default in every arm.
        tuned: Setting -> value that a search chose for it. It is no axis: arms are compared at
            equal axes, each with the values chosen for it.
    """

    params: Mapping[str, Any]
    shown: tuple[str, ...] = ()
    tuned: Mapping[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, Any]:
        """The values of the axes that are shown."""
        return {axis: _shown(value) for axis, value in self.params.items() if axis in self.shown}

    @property
    def title(self) -> str:
        """The arm in a few words: names as they are, numbers after their axis."""
        return " · ".join(
            value if isinstance(value, str) and value != "none" else f"{axis} {value}"
            for axis, value in self.named.items()
        )


def _shown(value: Any) -> Any:
    """A value as a table shows it: lists as their items."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class PlannedCell:
    """An arm on a replicate: which stages it is computed from, by role."""

    arm: int
    replicate: Replicate
    uses: Mapping[str, str]


@dataclass(frozen=True)
class Front:
    """The frozen front of a training, whose features could be kept.

    Attributes:
        stages: What would compute them, one a branch; their digests are in no plan yet.
        images_shown: Images that the training puts through the front, epochs and predictions.
        images: Images whose features are kept, times their fixed views.
        flops: Floating-point operations of the front for one image.
        numbers: Of the features of one image.
        share: Of the network's floating-point operations that lie in the front.
        name: For people.
    """

    stages: tuple[Stage, ...]
    images_shown: int
    images: int
    flops: int
    numbers: int
    share: float
    name: str


@dataclass
class Plan:
    """All stages of a sweep.

    Attributes:
        stages: Digest -> stage; inputs are always in it.
        arms: Rows of the table, in order.
        replicates: In order.
        cells: Every arm on every replicate.
        asked: Trainings that would be run if each cell trained its own networks.
        notes: What the planner wants to say (arms that are the same, few patients).
        fronts: Digest of a training -> its frozen front, if its features could be kept.
        external: Name of an external set -> digest of a training -> that of its predictions there.
            They are of no cell: what they say decides nothing.
        activation: Digest of a training -> that of its class activation maps; of no cell either.
        without: Position of an arm -> why it has no cells.
    """

    stages: dict[str, Stage] = field(default_factory=dict)
    arms: list[Arm] = field(default_factory=list)
    replicates: list[Replicate] = field(default_factory=list)
    cells: list[PlannedCell] = field(default_factory=list)
    asked: int = 0
    notes: list[str] = field(default_factory=list)
    fronts: dict[str, Front] = field(default_factory=dict)
    external: dict[str, dict[str, str]] = field(default_factory=dict)
    activation: dict[str, str] = field(default_factory=dict)
    without: dict[int, str] = field(default_factory=dict)

    def add(self, stage: Stage) -> str:
        """Adds a stage unless its digest is known; returns the digest.

        Raises:
            KeyError: If an input was not added before.
        """
        for role, digest in [*stage.inputs.items(), *stage.shortcuts.items()]:
            if digest not in self.stages:
                raise KeyError(f"{stage.label}: input {role} is not in the plan")
        self.stages.setdefault(stage.digest, stage)
        return stage.digest

    def cells_by_arm(self) -> list[list[PlannedCell]]:
        """The cells of each arm, in order."""
        cells: list[list[PlannedCell]] = [[] for _ in self.arms]
        for cell in self.cells:
            cells[cell.arm].append(cell)
        return cells

    def arms_using(self) -> dict[str, set[int]]:
        """Digest -> the arms that need it, directly or through other stages."""
        using: dict[str, set[int]] = {digest: set() for digest in self.stages}
        for cell in self.cells:
            for digest in cell.uses.values():
                using[digest].add(cell.arm)
                for beside in (*self.external.values(), self.activation):
                    if digest in beside:
                        using[beside[digest]].add(cell.arm)
        # inputs were added before what reads them, so one pass backwards is enough
        for digest in reversed(self.stages):
            for source in self.stages[digest].sources:
                using[source] |= using[digest]
        return using


def wanted_stages(stages: Mapping[str, Stage], done: Iterable[str]) -> dict[str, Stage]:
    """The stages without those that would only spare work in others, all of which are finished."""
    finished = set(done)
    shortcuts = {d for stage in stages.values() for d in stage.shortcuts.values()}
    wanted: dict[str, Stage] = {}
    needed: set[str] = set()
    # inputs come before what reads them, so one pass backwards is enough
    for digest in reversed(list(stages)):
        if digest in shortcuts and digest not in needed and digest not in finished:
            continue
        wanted[digest] = stages[digest]
        if digest not in finished:
            needed |= stages[digest].sources
    # finished stages no longer ask for what they did not wait for
    return {
        digest: stage if stage.sources <= wanted.keys() else replace(stage, shortcuts={})
        for digest, stage in stages.items()
        if digest in wanted
    }


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
        self._readers: dict[str, list[str]] = {digest: [] for digest in self.stages}
        self._missing: dict[str, int] = {}
        self._order = {digest: at for at, digest in enumerate(self.stages)}
        for digest, stage in self.stages.items():
            for source in stage.sources:
                self._readers[source].append(digest)
        self._rank = self._ranks(seconds or {})
        self._needed = self._needed_stages()
        for digest in self._needed:
            self._missing[digest] = len(self.stages[digest].sources - self.done)
        self._ready = sorted(self._entry(each) for each in self._needed if not self._missing[each])

    def _ranks(self, seconds: Mapping[str, float]) -> dict[str, float]:
        rank: dict[str, float] = {}
        for digest in reversed(self.stages):
            after = max((rank[reader] for reader in self._readers[digest]), default=0.0)
            rank[digest] = seconds.get(digest, 1.0) + after
        return rank

    def _needed_stages(self) -> list[str]:
        # a finished stage does not ask for its inputs: they may have been cleaned away
        return [digest for digest in self.stages if digest not in self.done]

    def _push(self, digest: str) -> None:
        bisect.insort(self._ready, self._entry(digest))

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
        for digest, stage in new.items():
            self._order[digest] = len(self._order)
            self.stages[digest] = stage
            self._readers[digest] = []
            for source in stage.sources:
                self._readers[source].append(digest)
        after: dict[str, float] = {}
        for digest in reversed(list(new)):
            behind = max((after.get(r, 0.0) for r in self._readers[digest]), default=0.0)
            after[digest] = 1.0 + behind
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

    def ready(self) -> list[Stage]:
        """Stages that may start, longest remaining path first."""
        return [self.stages[digest] for _, _, digest in self._ready]

    def start(self, digest: str) -> None:
        """Marks a ready stage as running."""
        # looked up, not searched for: a plan may have a hundred thousand ready stages
        at = bisect.bisect_left(self._ready, self._entry(digest))
        if at < len(self._ready) and self._ready[at][2] == digest:
            del self._ready[at]
        self.running.add(digest)

    def pop(self) -> Stage | None:
        """Starts the first ready stage, if any."""
        if not self._ready:
            return None
        digest = self._ready.pop(0)[2]
        self.running.add(digest)
        return self.stages[digest]

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
        blocked, todo = [], []
        for reader in self._readers[digest]:
            if digest in self.stages[reader].inputs.values():
                todo.append(reader)
            else:
                self._wait_no_more(reader)
        while todo:
            reader = todo.pop()
            if reader in self.failed or reader in self.done:
                continue
            self.failed[reader] = f"blocked: needs {self.stages[digest].label}, which failed"
            blocked.append(reader)
            for further in self._readers[reader]:
                if reader in self.stages[further].inputs.values():
                    todo.append(further)
                else:
                    self._wait_no_more(further)
        return blocked

    @property
    def finished(self) -> bool:
        """Whether nothing is running or can start."""
        return not self._ready and not self.running
