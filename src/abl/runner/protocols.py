"""What a run talks with: the listener it tells, the report it ends with, the growth it asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from abl.plan.stage import Stage


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

    def given_up(self, stage: Stage) -> None:
        """A stage of a search ended without a result, which is no failure of the run."""

    def grown(self, stages: list[Stage]) -> None:
        """The plan has got further stages that are not in the store."""

    def message(self, text: str) -> None:
        """Something worth a line."""


@dataclass(repr=False)
class RunReport:
    """How the run of a plan ended.

    Attributes:
        ran: Digests computed now.
        reused: Digests that were there already.
        failed: Digest -> reason, of stages that failed themselves.
        blocked: Digest -> reason, of stages that need a failed one.
        traces: Digest -> traceback, of failures that were not foreseen.
        stopped: Digests of trainings that gave themselves up, and of what would have read them.
        interrupted: Whether a person stopped it.
    """

    ran: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    interrupted: bool = False

    def __repr__(self) -> str:
        counts = {"ran": self.ran, "reused": self.reused, "failed": self.failed}
        said = [f"{len(digests)} {what}" for what, digests in counts.items()]
        said += [f"{len(self.blocked)} blocked"] * bool(self.blocked)
        said += [f"{len(self.stopped)} gave themselves up"] * bool(self.stopped)
        return f"<RunReport: {', '.join([*said, *(['interrupted'] * self.interrupted)])}>"

    def __str__(self) -> str:
        """The counts, then why each stage failed, a line each."""
        return "\n".join([repr(self), *(f"  {d[:12]}: {why}" for d, why in self.failed.items())])

    def followed_by(self, then: RunReport) -> RunReport:
        """Both of two runs of one plan as one."""
        ran = [*self.ran, *(digest for digest in then.ran if digest not in self.ran)]
        reused = [digest for digest in self.reused if digest not in then.ran]
        return replace(then, ran=ran, reused=reused)


@dataclass(frozen=True)
class Failure:
    """Why a stage has no result; `final` if trying again would give the same."""

    reason: str
    final: bool


@dataclass(frozen=True)
class Ended:
    """What the run knows beside the store.

    Attributes:
        failed: Digest -> why, of stages that failed or that need one that did.
        stopped: Digest -> what a training that stopped itself reported.
    """

    failed: Mapping[str, Failure] = field(default_factory=dict)
    stopped: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass
class Change:
    """What is new: stages to run, inputs before readers, and failed ones to try again."""

    stages: dict[str, Stage] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)


class Growth(Protocol):
    """A plan that grows."""

    def advance(self, ended: Ended) -> Change:
        """What follows from what has ended; called once at the start, and after each `awaits`."""

    def awaits(self, digest: str) -> bool:
        """Whether something may follow from the end of this stage."""

    def forgives(self, digest: str) -> bool:
        """Whether a failure of this stage is a result of the search and fails no arm."""

    def close(self) -> None:
        """Called at the end of the run, also of a broken one."""
