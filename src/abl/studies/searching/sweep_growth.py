"""All searches of a sweep, and the tuned arms that follow from them: how its plan grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from abl.errors import InputError
from abl.plan.graph import Plan
from abl.plan.stage import Stage, digest_of
from abl.record.store import Store
from abl.runner.protocols import Change, Ended
from abl.search.generations import Asking
from abl.search.kept import KeptStudies, KeptStudy, storage_url
from abl.search.samplers import SamplerName, settings_in_digest
from abl.search.space import Point, grid_points, within
from abl.spec.base import identity_of
from abl.spec.read import SweepFile
from abl.studies.searching.point_state import PointState
from abl.studies.searching.search_run import SearchRun, best_point
from abl.studies.searching.searched_arms import PointPlanner, SearchedArm, search_of
from abl.studies.searching.searched_space import (
    directions_of,
    known_settings,
    objectives_of,
    space_of,
    start_point,
)
from abl.studies.shared.arms import Settings

METHOD = 1  # raised when the same settings ask other points
# settings of a search that only say how long it goes on
LENGTH = {"trials", "hours", "gpu_hours", "stagnation", "retries", "tune_each_arm"}


class SweepGrowth:
    """Runs the searches of a sweep and adds the tuned arms to its plan.

    Args:
        file: With the search.
        plan: Of the sweep; it gets the stages of points and the cells of tuned arms.

    Raises:
        InputError: The study on the disk cannot be used, or is another one.
    """

    def __init__(
        self,
        file: SweepFile,
        planner: PointPlanner,
        plan: Plan,
        searched: Sequence[SearchedArm],
        say: Callable[[str], None],
    ):
        self.file, self.plan, self.searched = file, plan, searched
        self.workspace = planner.workspace
        self._search = search_of(file)
        self._space = space_of(self._search.space, planner.study.axes)
        self._planner, self._say = planner, say
        self._views = self.workspace.prepared
        self._fixed = set(plan.stages)
        self._placed: set[str] = set()
        folder = self.workspace.store.root / "searches"
        self._studies = KeptStudies(folder, file.sweep.name, storage_url())
        if not self._studies.writes:
            say("another run keeps the study of this search; this one asks the same points")
        self._began = time.monotonic()
        self.searches = {each.name: self._made(each) for each in searched}

    # -- what the run asks -----------------------------------------------------------------------

    def advance(self, ended: Ended) -> Change:
        """New points, and the tuned arms of searches that are finished."""
        whole = Change()
        for each in self.searched:
            search = self.searches[each.name]
            change = search.advance(ended)
            whole.stages |= change.stages
            whole.again += [digest for digest in change.again if digest not in whole.again]
            if search.ended and each.name not in self._placed:
                self._placed.add(each.name)
                whole.stages |= self._tuned(each, search)
        for digest, stage in whole.stages.items():
            self.plan.stages.setdefault(digest, stage)
        if whole.stages and self.workspace.prepared != self._views:
            # an image size that a point asks for is cut before its training starts
            self.workspace.prepare(self._say)
            self._views = self.workspace.prepared
        return whole

    def awaits(self, digest: str) -> bool:
        return any(search.awaits(digest) for search in self.searches.values())

    def forgives(self, digest: str) -> bool:
        """Whether only points of a search need it."""
        if digest in self._fixed:
            return False
        return not any(digest in cell.uses.values() for cell in self.plan.cells)

    def close(self) -> None:
        self._studies.close()  # another run may keep them

    # -- how a search is made --------------------------------------------------------------------

    def _made(self, each: SearchedArm) -> SearchRun:
        search, sweep, planner = self._search, self.file.sweep, self._planner
        objectives, directions = objectives_of(sweep), directions_of(sweep)
        own = Settings(planner.file, planner.study.axes).of(each.arm)
        key = digest_of(
            [
                METHOD,
                version("optuna"),
                search.model_dump(mode="json", by_alias=True, exclude=LENGTH),
                [each.metric for each in objectives],
                directions,
                sorted((axis, str(value)) for axis, value in each.arm.params.items()),
                [identity_of(own.data), identity_of(own.image), identity_of(own.train)],
                [identity_of(own.splits), dict(own.options)],
                [[r.repeat, r.fold, r.seed] for r in each.replicates],
                *([told] if (told := settings_in_digest(search.sampler, len(directions))) else []),
            ]
        )
        kept = self._studies.study(key, f"{sweep.name} {each.name}".strip(), directions)
        start, trials = self._start(each, kept, known_settings(own, self._space))
        sampler: SamplerName = "random" if search.sampler == "grid" else search.sampler
        asking = Asking(self._space, directions, sampler, search.seed, start, search.generation)
        return SearchRun(
            search,
            asking,
            objectives,
            trials,
            len(each.replicates),
            lambda point: planner.cells(each.arm, point, each.replicates),
            lambda cell: planner.study.validated(
                planner.file, cell.arm, cell.cell, planner.workspace
            ),
            lambda points: self._spent(points, kept),
            self.workspace.store,
            kept,
        )

    def _start(
        self, each: SearchedArm, kept: KeptStudy, known: dict[str, Any]
    ) -> tuple[list[Point], int]:
        """Points asked first, and points in all."""
        search, space = self._search, self._space
        if search.sampler == "grid":
            points = list(grid_points(space))
            return points, min(len(points), search.trials)
        named = [start_point(point, self._planner.study.axes) for point in search.start]
        own = [point for given in ({}, *named) if (point := within(space, known | given))]
        # fixed when the study begins: older points must not come in between later
        older = kept.noted("older")
        if older is None:
            title = f"{self.file.sweep.name} {each.name}".strip()
            points = self._studies.older(kept.key, title)
            found = (within(space, known | point) for point in points)
            older = [point for point in found if point is not None and point not in own]
            older = [point for at, point in enumerate(older) if point not in older[:at]]
            kept.note("older", older)
            if older:
                self._say(
                    f"search {each.name}: the space has changed; {len(older)} points of the study "
                    f"before lie in it too and come first, beside {search.trials} of its own"
                )
        start = [point for at, point in enumerate([*own, *older]) if point not in own[:at]]
        return start, search.trials + len(older)

    def _spent(self, points: Sequence[PointState], kept: KeptStudy) -> str:
        """Why no more points are asked, "" while the budget lasts. Told at ends of generations."""
        search = self._search
        before = kept.noted("spent")
        budget = [search.hours, search.gpu_hours]
        if before is not None and before["budget"] == budget and before["points"] <= len(points):
            # an ended search ends at the same point when it is looked at again
            return str(before["why"])
        why = ""
        if search.hours is not None:
            spent = float(kept.noted("wall_s", 0.0)) + time.monotonic() - self._began
            kept.note("wall_s", spent)
            self._began = time.monotonic()
            if spent >= search.hours * 3600:
                why = f"{search.hours:g} hours are spent"
        if search.gpu_hours is not None and not why:
            seconds = _gpu_seconds(points, self.workspace.store)
            if seconds >= search.gpu_hours * 3600:
                why = f"{search.gpu_hours:g} GPU hours are spent"
        if why:
            kept.note("spent", {"budget": budget, "points": len(points), "why": why})
        return why

    # -- what follows from a search --------------------------------------------------------------

    def _tuned(self, each: SearchedArm, search: SearchRun) -> dict[str, Stage]:
        """Puts the arms that take this search's choice into the plan; their stages."""
        stages: dict[str, Stage] = {}
        best = best_point(search)
        for position, _ in each.targets:
            if best is None:
                complete = sum(state.values is not None for state in search.points)
                self.plan.without[position] = (
                    f"none of {complete} complete points keeps the constraints of its search"
                    if complete
                    else "no point of its search is complete"
                )
                continue
            try:
                stages |= self._planner.add_final(self.plan, position, each, best.point)
            except InputError as error:
                self.plan.without[position] = f"its values do not fit: {error}"
                continue
            if self._search.scope == "shared":
                row = self.plan.arms[position]
                self.plan.arms[position] = replace(row, tuned=dict(best.point))
        return stages


def _gpu_seconds(points: Sequence[PointState], store: Store) -> float:
    """Recorded seconds of the stages of points, times their GPUs."""
    stages = {d: s for state in points for cell in state.cells for d, s in cell.stages.items()}
    done = ((stage, store.done(digest)) for digest, stage in stages.items())
    return sum(
        float(each.facts.get("seconds", 0.0)) * stage.resources.gpus
        for stage, each in done
        if each is not None
    )
