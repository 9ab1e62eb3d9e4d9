"""A point of a search on its way: which replicates are scored, what has stopped it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.metric_names import metric_named
from abl.plan.outcome import COMPLETE, FAILED
from abl.plan.stage import HISTORY
from abl.record.store import Store
from abl.search.generations import Told
from abl.search.space import Point
from abl.search.stopping import bounds_of
from abl.spec.search import Constraint, Objective, StopEarly
from abl.studies.searching.searched_arms import PointCell
from abl.studies.shared.analysis import ScoredPart

OPEN = "open"
Curves = dict[tuple[int, str], list[list[float]]]  # (replicate, role) -> by training, by epoch


@dataclass
class PointState:
    """A point and how far it is.

    Attributes:
        cells: One a replicate, in their fixed order; empty if the settings do not fit the arm.
        scores: The objectives of each replicate scored so far.
        constraints: Their violations, replicate by replicate.
        released: Replicates whose stages are in the plan.
        curves: Validation metric by epoch of each (replicate, role) that is known.
    """

    number: int
    generation: int
    point: Point
    cells: list[PointCell]
    state: str = OPEN
    reason: str = ""
    scores: list[tuple[float, ...]] = field(default_factory=list)
    constraints: list[tuple[float, ...]] = field(default_factory=list)
    released: int = 0
    failures: int = 0
    curves: dict[tuple[int, str], list[float]] = field(default_factory=dict)

    def close(self, state: str, reason: str = "") -> None:
        self.state, self.reason = state, reason

    @property
    def values(self) -> tuple[float, ...] | None:
        """Mean of each objective over the replicates; None unless it is complete."""
        return self.so_far if self.state == COMPLETE else None

    @property
    def so_far(self) -> tuple[float, ...] | None:
        """Mean over the replicates that were scored."""
        return _means(self.scores)

    @property
    def violations(self) -> tuple[float, ...]:
        """Of the constraints, means over the replicates scored; above 0 is violated."""
        return _means(self.constraints) or ()

    @property
    def feasible(self) -> bool:
        """Whether it is complete and keeps every constraint."""
        return self.state == COMPLETE and all(each <= 0 for each in self.violations)

    @property
    def told(self) -> Told:
        """What the sampler learns of it."""
        if self.state == FAILED:
            return Told(None)
        steps = tuple(each[0] for each in self.scores)
        given_up = self.state != COMPLETE
        return Told(self.values, steps, given_up, self.violations if self.scores else ())


def _means(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...] | None:
    if not rows:
        return None
    return tuple(float(mean) for mean in np.mean(np.array(rows, dtype=np.float64), axis=0))


def scores_of(part: ScoredPart, objectives: Sequence[Objective]) -> tuple[float, ...] | None:
    """The objectives on a replicate's validation images, None if one is undefined there."""
    values = tuple(float(metric_named(o.metric)(part.labels, part.p)) for o in objectives)
    return None if any(math.isnan(value) for value in values) else values


def violations_of(part: ScoredPart, constraints: Sequence[Constraint]) -> tuple[float, ...]:
    """How far each constraint is broken; an undefined metric breaks it."""
    found = []
    for each in constraints:
        value = float(metric_named(each.metric)(part.labels, part.p))
        found.append(1.0 if math.isnan(value) else each.violation(value))
    return tuple(found)


def bounds_for(
    stop: StopEarly, curves: Curves, at: int, trainings: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Digest of a training -> what it must reach by which epoch, from earlier generations."""
    higher = stop.metric == "accuracy"
    given = stop.model_dump(include={"rule", "after", "factor", "least"})
    values = {
        digest: bounds_of(curves.get((at, role), []), higher=higher, **given)
        for role, digest in trainings.items()
    }
    column = f"validation_{stop.metric}"
    return {
        digest: {"column": column, "higher": higher, "values": each}
        for digest, each in values.items()
        if each
    }


def curve_of(store: Store, digest: str, column: str) -> list[float]:
    """A validation metric of a finished training by epoch, [] if it has no history."""
    done = store.done(digest)
    if done is None or HISTORY not in done.files:
        return []
    history = pd.read_parquet(store.file(digest, HISTORY), columns=[column])
    return [float(value) for value in history[column]]
