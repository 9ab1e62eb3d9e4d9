"""A study whose sweep has a search: every arm with the file's settings, and with tuned ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from abl.errors import Problem
from abl.plan.graph import Arm, Plan, PlannedCell, Replicate
from abl.search.space import within
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.spec.search import Search
from abl.spec.sweep import Axis, ContrastBlock, Sweep
from abl.studies.analysis import Analysis, ScoredPart
from abl.studies.base import Study, StudyAxis
from abl.studies.searching.budget import budget_notes
from abl.studies.searching.found import with_searches
from abl.studies.searching.point_cells import PointPlanner
from abl.studies.searching.searched_space import (
    known_settings,
    refused_names,
    search_problems,
    space_of,
)
from abl.studies.searching.sweep_growth import Searched, SweepGrowth
from abl.studies.settings import (
    FIXED_SETTINGS,
    SETTINGS_AXIS,
    TUNED_SETTINGS,
    Settings,
    base_of,
)
from abl.studies.workspace import Workspace


class TunedStudy:
    """A study with a search in its sweep; the inner study knows nothing of it.

    Arms get one more axis, `settings`: fixed or tuned. Tuned arms have no cells until their search
    has ended.
    """

    def __init__(self, inner: Study):
        self.inner = inner
        self.growth: SweepGrowth | None = None
        self._asked = 0  # trainings of the arms with the file's settings

    @property
    def name(self) -> str:
        """Of the inner study."""
        return self.inner.name

    @property
    def description(self) -> str:
        """Of the inner study."""
        return self.inner.description

    @property
    def axes(self) -> tuple[StudyAxis, ...]:
        """Of the inner study."""
        return self.inner.axes

    @property
    def options(self) -> type[Part]:
        """Of the inner study."""
        return self.inner.options

    @property
    def smoke_options(self) -> Mapping[str, Any]:
        """Of the inner study."""
        return self.inner.smoke_options

    def problems(self, file: SweepFile) -> list[Problem]:
        """What is wrong with the study's part of the file and with the search."""
        plain = plain_file(file)
        problems = list(self.inner.problems(plain))
        problems += [
            file.problem(f"'{SETTINGS_AXIS}' is added by the search: leave it out", where)
            for where in refused_names(file.sweep)
        ]
        if not problems:
            problems += search_problems(file, self.inner, plain, self._arms(plain))
        return list(dict.fromkeys(problems))

    def _arms(self, plain: SweepFile) -> list[Arm]:
        from abl.studies.settings import arms_from

        relevant = getattr(self.inner, "relevant", None) or (lambda params: params)
        return arms_from(plain, self.axes, relevant, {"threshold": True})[0].arms

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """The arms with the file's settings; tuned ones stand beside them, still empty."""
        plan = self.inner.expand(plain_file(file), workspace)
        fixed = plan.arms
        plan.arms = [
            _with_settings(arm, settings)
            for arm in fixed
            for settings in (FIXED_SETTINGS, TUNED_SETTINGS)
        ]
        plan.cells = [PlannedCell(2 * c.arm, c.replicate, c.uses) for c in plan.cells]
        plan.notes += self._notes(file, plan)
        self._asked = plan.asked
        return plan

    def _notes(self, file: SweepFile, plan: Plan) -> list[str]:
        search = file.sweep.search
        if search is None:
            return []
        searched = searched_arms(file, self.axes, plan)
        replicates = sum(len(each.replicates) for each in searched)
        count = "1 search" if len(searched) == 1 else f"{len(searched)} searches"
        said = (
            f"{count} of at most {search.trials} points ({search.sampler}), "
            f"{search.trials * replicates} trained replicates at most beside the arms above"
        )
        alone = not search.tune_each_arm and len(plan.arms) > 2
        first = searched[0].arm.title or "the file's settings"
        return [
            said,
            *outside_notes(file, self.inner, searched),
            *never_given_up(search, searched),
            *([f"tuned for {first} alone: no fair comparison of the tuned arms"] if alone else []),
        ]

    def grow(
        self,
        file: SweepFile,
        plan: Plan,
        workspace: Workspace,
        say: Callable[[str], None],
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
        return budget_notes(file.sweep, planner, searched, slots)

    def validated(
        self, file: SweepFile, arm: Arm, cell: PlannedCell, workspace: Workspace
    ) -> ScoredPart:
        """As of the inner study."""
        return self.inner.validated(plain_file(file), arm, cell, workspace)

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """The table with fixed and tuned settings, and what the searches found."""
        with_cells = {cell.arm for cell in plan.cells}
        for at in range(len(plan.arms)):
            if at not in with_cells:
                plan.without.setdefault(at, "its search has not ended")
        analysis = self.inner.analyse(_analysed_file(file, self.name), plan, workspace)
        if self.growth is None:
            return analysis
        return with_searches(analysis, file, self.growth, plan, workspace)


def outside_notes(file: SweepFile, study: Study, searched: Sequence[Searched]) -> list[str]:
    """A sentence if the file's own settings are no point of the space, and why."""
    if file.sweep.search is None:
        return []
    space = space_of(file.sweep.search.space, study.axes)
    settings, outside = Settings(plain_file(file), study.axes), dict[str, Any]()
    for each in searched:
        known = known_settings(settings.of(each.arm), space)
        if within(space, known) is None:
            outside |= {
                name: known[name]
                for name, dimension in space.items()
                if within({name: dimension}, known) is None
            }
    if not outside:
        return []
    said = ", ".join(f"{name} is {value}" for name, value in outside.items())
    return [
        f"the file's own settings are no point of the space ({said}), so that the winner may be "
        "worse than they are"
    ]


def never_given_up(search: Search, searched: Sequence[Searched]) -> list[str]:
    """A sentence if `prune` cannot spare anything."""
    if search.prune is None or len(search.objectives) > 1:
        return []
    replicates = min(len(each.replicates) for each in searched)
    if max(search.prune.earliest, search.prune.after) >= replicates:
        return [
            f"no point can be given up: p: {search.prune.p:g} takes {search.prune.earliest} "
            f"replicates, and there are {replicates}"
        ]
    if search.generation >= search.trials:
        return ["no point can be given up: all are asked at once (generation)"]
    return []


def plain_file(file: SweepFile) -> SweepFile:
    """The file without its search and what it says of tuned and fixed settings."""
    sweep = file.sweep
    base = {name: v for name, v in (sweep.base or {}).items() if name != SETTINGS_AXIS}
    contrasts = tuple(each for each in sweep.contrasts if not _of_settings(each))
    changed = {"search": None, "base": base or None, "contrasts": contrasts}
    return replace(file, sweep=sweep.model_copy(update=changed))


def _analysed_file(file: SweepFile, study: str) -> SweepFile:
    """The file as the table is made of it: with the axis of the settings, tuned against fixed."""
    sweep = file.sweep
    axis = Axis(values=(FIXED_SETTINGS, TUNED_SETTINGS))
    changed: dict[str, Any] = {"axes": {**sweep.axes, SETTINGS_AXIS: axis}}
    named = any(_of_settings(each) for each in sweep.contrasts)
    if sweep.base is None:
        changed["base"] = {SETTINGS_AXIS: FIXED_SETTINGS}
    elif SETTINGS_AXIS not in sweep.base and not named:
        tuned = ContrastBlock(
            arm={SETTINGS_AXIS: TUNED_SETTINGS}, base={SETTINGS_AXIS: FIXED_SETTINGS}
        )
        changed["contrasts"] = (*sweep.contrasts, tuned)
    return replace(file, sweep=sweep.model_copy(update=changed))


def _of_settings(contrast: ContrastBlock) -> bool:
    return SETTINGS_AXIS in contrast.arm or SETTINGS_AXIS in contrast.base


def _with_settings(arm: Arm, settings: str) -> Arm:
    shown = (*arm.shown, SETTINGS_AXIS)
    return Arm({**arm.params, SETTINGS_AXIS: settings}, shown)


def _without_settings(arm: Arm) -> Arm:
    params = {axis: value for axis, value in arm.params.items() if axis != SETTINGS_AXIS}
    return Arm(params, tuple(axis for axis in arm.shown if axis != SETTINGS_AXIS))


def searched_arms(file: SweepFile, axes: tuple[StudyAxis, ...], plan: Plan) -> list[Searched]:
    """The searches of a sweep: one an arm, or one in all; one a split where they are nested."""
    search = file.sweep.search
    if search is None:
        return []
    tuned = [
        (at, _without_settings(arm))
        for at, arm in enumerate(plan.arms)
        if arm.params[SETTINGS_AXIS] == TUNED_SETTINGS
    ]
    groups = _groups(plan.replicates, file.sweep)
    if search.tune_each_arm:
        lists = [[each] for each in tuned]
    else:
        base = plain_file(file)
        wanted = base_of(base, axes) or {}
        first = next(
            (
                at
                for at, (_, arm) in enumerate(tuned)
                if all(arm.params.get(axis) == value for axis, value in wanted.items())
            ),
            0,
        )
        lists = [[tuned[first], *(each for at, each in enumerate(tuned) if at != first)]]
    found = []
    for targets in lists:
        arm = targets[0][1]
        for name, replicates in groups:
            title = " ".join(part for part in (arm.title, name) if part)
            found.append(Searched(title, arm, replicates, tuple(targets)))
    return found


def _groups(replicates: list[Replicate], sweep: Sweep) -> list[tuple[str, tuple[Replicate, ...]]]:
    if sweep.search is None or sweep.search.scope == "shared":
        return [("", tuple(replicates))]
    splits = dict.fromkeys((each.repeat, each.fold) for each in replicates)
    return [
        (
            f"r{repeat} f{fold}",
            tuple(each for each in replicates if (each.repeat, each.fold) == (repeat, fold)),
        )
        for repeat, fold in splits
    ]
