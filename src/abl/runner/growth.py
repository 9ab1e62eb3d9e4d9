"""What a plan that grows while it runs is asked: which stages follow from what has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from abl.plan.stage import Stage


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
