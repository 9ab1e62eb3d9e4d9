"""One search: points asked in generations, run replicate by replicate, given up or scored.

What is asked and who is given up depend on the values of earlier generations and on a point's own
values in their fixed order, never on what happened to be finished first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from abl.errors import InputError
from abl.plan.outcome import COMPLETE, FAILED, PRUNED, STOPPED
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.runner.protocols import Change, Ended
from abl.search.generations import Asking, Generations
from abl.search.kept import KeptStudy
from abl.search.space import Point
from abl.search.stopping import hopeless_epoch
from abl.spec.search import Objective, Search
from abl.studies.searching.point_state import (
    OPEN,
    Curves,
    PointState,
    bounds_for,
    curve_of,
    scores_of,
    violations_of,
)
from abl.studies.searching.searched_arms import PointCell
from abl.studies.shared.analysis import ScoredPart


@dataclass
class SearchRun:
    """The points of one search and what becomes of them.

    Attributes:
        asking: What decides the points.
        objectives: With a direction each.
        trials: Points to ask in all.
        replicates: How many a point has.
        cells: Settings -> the arm with them, one a replicate; raises InputError if they do not fit.
        validated: Predictions on a replicate's validation images.
        spent: Points so far -> why no more is to be asked, "" while there is budget.
        points: In order of their numbers.
        ended: Why no more is asked, "" while there is more to do.
    """

    search: Search
    asking: Asking
    objectives: Sequence[Objective]
    trials: int
    replicates: int
    cells: Callable[[Point], list[PointCell]]
    validated: Callable[[PointCell], ScoredPart]
    spent: Callable[[Sequence[PointState]], str]
    store: Store
    kept: KeptStudy
    points: list[PointState] = field(default_factory=list)
    ended: str = ""
    _curves: Curves = field(default_factory=dict)
    _bounds: dict[str, dict[str, Any]] = field(default_factory=dict)  # of this generation
    _awaited: set[str] = field(default_factory=set)
    _first: int = 0  # of this generation

    def __post_init__(self) -> None:
        self.generations = Generations(self.asking)

    def awaits(self, digest: str) -> bool:
        return digest in self._awaited

    def advance(self, ended: Ended) -> Change:
        """Scores what is finished, gives up what is hopeless, asks for more when all are told."""
        change = Change()
        while not self.ended:
            current = self.points[self._first :]
            for state in current:
                if state.state == OPEN:
                    self._step(state, ended, change)
            if any(state.state == OPEN for state in current):
                break
            self._tell(current)
            if not self.ended:
                self._ask()
        self._awaited = {
            digest
            for state in self.points[self._first :]
            if state.state == OPEN
            for cell in state.cells[len(state.scores) : state.released]
            for digest in cell.stages
        }
        return change

    def _ask(self) -> None:
        self._first, self._bounds = len(self.points), {}
        number = self._first // self.asking.size
        asked = self.generations.ask()
        # asked whole though not all run: a longer search later has the same points
        for point in asked[: self.trials - self._first]:
            at = len(self.points)
            self.kept.begin(at, point, number, self.asking.space)
            self.points.append(self._opened(at, number, point))

    def _opened(self, at: int, generation: int, point: Point) -> PointState:
        known, state = self.kept.points[at], PointState(at, generation, point, [])
        state.failures = int(known.notes.get("failures", 0))
        if known.state == "fail" and known.notes.get("state") == FAILED:
            state.close(FAILED, str(known.notes.get("reason", "")))
        try:
            state.cells = self.cells(point)
        except InputError as error:
            state.close(FAILED, str(error))
        return state

    def _tell(self, current: Sequence[PointState]) -> None:
        for state in current:
            self.kept.note_point(state.number, {"state": state.state, "reason": state.reason})
            self.kept.end(state.number, state.told)
            for key, curve in state.curves.items():
                self._curves.setdefault(key, []).append(curve)
        if len(current) == self.asking.size:
            self.generations.tell([state.told for state in current])
        if len(self.points) >= self.trials:
            self.ended = f"{len(self.points)} points"
        elif self.points:
            stagnation = self.search.stagnation
            if stagnation and self.generations.has_stagnated(stagnation):
                self.ended = f"the best has not moved for {stagnation} points"
            else:
                self.ended = self.spent(self.points)

    def _step(self, state: PointState, ended: Ended, change: Change) -> None:
        """As far as one point can go now."""
        while state.state == OPEN:
            at = len(state.scores)
            self._release(state, at, change)
            cell = state.cells[at]
            if self._has_stopped(state, at, cell, ended, change):
                return
            if all(self.store.has(digest) for digest in cell.cell.uses.values()):
                self._score(state, at, cell)
                continue
            lost = (d for d in cell.stages if d in ended.failed and not self.store.has(d))
            failed = next(lost, None)
            if failed is not None:
                self._failed(state, failed, ended, change)
            return

    def _release(self, state: PointState, at: int, change: Change) -> None:
        """Puts replicates into the plan: those it is given in any case, then one at a time."""
        prune = self.search.prune
        single = len(self.objectives) == 1
        # of the first generation nothing is known to be worse than
        free = self.replicates
        if prune and single and self._first:
            free = max(prune.after, prune.earliest)
        while state.released < min(max(free, at + 1), self.replicates):
            cell = state.cells[state.released]
            stop = self.search.stop_early
            if stop is not None:
                bounds = bounds_for(stop, self._curves, state.released, cell.trainings)
                for digest, each in bounds.items():
                    self._bounds.setdefault(digest, each)
            change.stages |= {d: self._bounded(d, stage) for d, stage in cell.stages.items()}
            state.released += 1

    def _bounded(self, digest: str, stage: Stage) -> Stage:
        if digest not in self._bounds:
            return stage
        return replace(stage, context={**stage.context, "bounds": self._bounds[digest]})

    def _has_stopped(
        self, state: PointState, at: int, cell: PointCell, ended: Ended, change: Change
    ) -> bool:
        """Whether a training of this replicate gave itself up, or would have."""
        stop = self.search.stop_early
        if stop is None:
            return False
        column = f"validation_{stop.metric}"
        for role, digest in cell.trainings.items():
            facts = ended.stopped.get(digest)
            curve = curve_of(self.store, digest, column)
            if not curve and facts is not None:
                curve = [float(row[column]) for row in facts.get("history", ())]
            bounds = self._bounds.get(digest)
            epoch = None
            if curve and bounds:
                epoch = hopeless_epoch(curve, bounds["values"], higher=bounds["higher"])
            if epoch is not None:
                # as long as it would have been: what follows must not know more than it did
                state.curves[at, role] = curve[:epoch]
                state.close(STOPPED, f"replicate {at + 1}, epoch {epoch}")
                return True
            if facts is not None and not self.store.has(digest):
                # another search stopped it, by other bounds
                change.stages[digest] = self._bounded(digest, cell.stages[digest])
                change.again.append(digest)
            elif curve:
                state.curves[at, role] = curve
        return False

    def _score(self, state: PointState, at: int, cell: PointCell) -> None:
        part = self.validated(cell)
        values = scores_of(part, self.objectives)
        if values is None:
            state.close(FAILED, f"replicate {at + 1}: the objective is undefined on validation")
            return
        state.scores.append(values)
        state.constraints.append(violations_of(part, self.search.constraints))
        if len(state.scores) == self.replicates:
            state.close(COMPLETE)
            return
        prune = self.search.prune
        steps = [each[0] for each in state.scores]
        if prune and self.generations.is_hopeless(steps, prune.p, prune.after):
            state.close(PRUNED, f"after {len(steps)} of {self.replicates} replicates")

    def _failed(self, state: PointState, digest: str, ended: Ended, change: Change) -> None:
        failure = ended.failed[digest]
        if failure.final or state.failures >= self.search.retries:
            state.close(FAILED, failure.reason)
            return
        state.failures += 1
        self.kept.note_point(state.number, {"failures": state.failures})
        if digest not in change.again:
            change.again.append(digest)


def best_point(run: SearchRun) -> PointState | None:
    """Of the complete points that keep every constraint the one with the best first objective.

    The first one of equals; None if there is none.
    """
    able = [(state, state.values[0]) for state in run.points if state.feasible and state.values]
    first = max if run.asking.directions[0] == "maximize" else min
    return first(able, key=lambda each: each[1], default=(None, 0.0))[0]
