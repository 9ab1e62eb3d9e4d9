"""A study whose sweep has a search: every arm with the file's settings, and with tuned ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from abl.errors import Problem
from abl.plan.graph import Arm, Plan, PlannedCell
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.studies.contract import Study
from abl.studies.searching.found import with_searches
from abl.studies.searching.notes import budget_notes, search_notes
from abl.studies.searching.searched_arms import (
    PointPlanner,
    analysed_file,
    plain_file,
    search_of,
    searched_arms,
    with_settings,
)
from abl.studies.searching.searched_space import tuning_problems
from abl.studies.searching.sweep_growth import SweepGrowth
from abl.studies.shared.analysis import Analysis, ScoredPart
from abl.studies.shared.arms import FIXED_SETTINGS, SETTINGS_AXIS, TUNED_SETTINGS


class TunedStudy:
    """A study with a search in its sweep; the inner study knows nothing of it.

    Arms get one more axis, `settings`: fixed or tuned. Tuned arms have no cells until their search
    has ended. Name, axes and options are those of the inner study.
    """

    def __init__(self, inner: Study):
        self.inner = inner
        self.name, self.description = inner.name, inner.description
        self.axes, self.options = inner.axes, inner.options
        self.smoke_options = inner.smoke_options
        self.departures, self.analysed_by = inner.departures, inner.analysed_by
        self.analysed_with = inner.analysed_with
        self.growth: SweepGrowth | None = None
        self._asked = 0  # trainings of the arms with the file's settings

    def problems(self, file: SweepFile) -> list[Problem]:
        """What is wrong with the study's part of the file and with the search."""
        plain, sweep = plain_file(file), file.sweep
        unknown = f"no axis '{SETTINGS_AXIS}'"  # told below, with the reason
        problems = [p for p in self.inner.problems(plain) if not p.message.startswith(unknown)]
        blocks = {"axes": (sweep.axes,), "arms": sweep.arms, "exclude": sweep.exclude}
        problems += [
            file.problem(f"'{SETTINGS_AXIS}' is added by the search: leave it out", where)
            for where, named in blocks.items()
            if any(SETTINGS_AXIS in block for block in named)
        ]
        if not problems:
            problems += tuning_problems(file, self.inner, plain)
        return list(dict.fromkeys(problems))

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """The arms with the file's settings; tuned ones stand beside them, still empty."""
        plan = self.inner.expand(plain_file(file), workspace)
        fixed, both = plan.arms, (FIXED_SETTINGS, TUNED_SETTINGS)
        plan.arms = [with_settings(arm, settings) for arm in fixed for settings in both]
        plan.sweeps = [sweep for sweep in plan.sweeps for _ in both]
        plan.idle = []  # of what is searched nothing is known yet
        plan.cells = [PlannedCell(2 * c.arm, c.replicate, c.uses) for c in plan.cells]
        plan.notes += search_notes(file, self.inner, plan)
        self._asked = plan.asked
        return plan

    def grow(
        self, file: SweepFile, plan: Plan, workspace: Workspace, say: Callable[[str], None]
    ) -> SweepGrowth:
        """The searches of the sweep, which add to its plan while it runs."""
        # a plan that was run before begins anew
        fixed = [arm.params[SETTINGS_AXIS] == FIXED_SETTINGS for arm in plan.arms]
        plan.cells = [cell for cell in plan.cells if fixed[cell.arm]]
        plan.arms = [replace(arm, tuned={}) for arm in plan.arms]
        plan.asked = self._asked
        plan.without.clear()
        planner = PointPlanner(self.inner, plain_file(file), workspace)
        searched = searched_arms(file, self.axes, plan)
        self.growth = SweepGrowth(file, planner, plan, searched, say)
        return self.growth

    def budget(self, file: SweepFile, plan: Plan, workspace: Workspace, slots: int) -> list[str]:
        """What the searches will take and what their budgets buy, from recorded stage times."""
        planner = PointPlanner(self.inner, plain_file(file), workspace)
        searched = searched_arms(file, self.axes, plan)
        return budget_notes(search_of(file), planner, searched, slots)

    def relevant(self, own: Mapping[str, Any], axes: Collection[str]) -> Collection[str]:
        """That of the inner study."""
        return self.inner.relevant(own, axes)

    def meaning(self, params: dict[str, Any], file: SweepFile) -> dict[str, Any]:
        """That of the inner study."""
        return self.inner.meaning(params, plain_file(file))

    def chosen_on_validation(self, arm: Arm, sweep: Sweep) -> list[tuple[str, str, str]]:
        """That of the inner study."""
        return self.inner.chosen_on_validation(arm, sweep)

    def validated(
        self, file: SweepFile, arm: Arm, cell: PlannedCell, workspace: Workspace
    ) -> ScoredPart:
        return self.inner.validated(plain_file(file), arm, cell, workspace)

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """The table with fixed and tuned settings, and what the searches found."""
        # searches end in any order; arms are compared replicate by replicate
        order = {replicate: at for at, replicate in enumerate(plan.replicates)}
        plan.cells.sort(key=lambda cell: (cell.arm, order[cell.replicate]))
        with_cells = {cell.arm for cell in plan.cells}
        for at in range(len(plan.arms)):
            if at not in with_cells:
                plan.without.setdefault(at, "its search has not ended")
        analysis = self.inner.analyse(analysed_file(file), plan, workspace)
        return analysis if self.growth is None else with_searches(analysis, self.growth)
