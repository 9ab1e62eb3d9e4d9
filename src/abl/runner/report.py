"""How the run of a plan is told: while it goes on, and at its end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

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


@dataclass
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

    def followed_by(self, then: RunReport) -> RunReport:
        """Both of two runs of one plan as one."""
        ran = [*self.ran, *(digest for digest in then.ran if digest not in self.ran)]
        reused = [digest for digest in self.reused if digest not in then.ran]
        return replace(then, ran=ran, reused=reused)
