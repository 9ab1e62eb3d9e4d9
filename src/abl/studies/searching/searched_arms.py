"""Arms with the file's settings and with tuned ones: which searches there are, points as stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from abl.plan.graph import Arm, Plan, PlannedCell, Replicate
from abl.plan.kept_features import keep_features
from abl.plan.stage import Stage
from abl.spec.read import SweepFile
from abl.spec.search import Search
from abl.spec.sweep import Axis, ContrastBlock
from abl.stages.inputs import Workspace
from abl.studies.contract import Study, StudyAxis
from abl.studies.shared.arms import FIXED_SETTINGS, SETTINGS_AXIS, TUNED_SETTINGS, base_values
from abl.studies.shared.external import internal_file


def search_of(file: SweepFile) -> Search:
    """The search of a file that has one."""
    if file.sweep.search is None:
        raise ValueError(f"sweep {file.sweep.name} has no search")
    return file.sweep.search


def plain_file(file: SweepFile) -> SweepFile:
    """The file without its search and what it says of tuned and fixed settings."""
    sweep = file.sweep
    base = {name: v for name, v in (sweep.base or {}).items() if name != SETTINGS_AXIS}
    contrasts = tuple(each for each in sweep.contrasts if not _of_settings(each))
    changed = {"search": None, "base": base or None, "contrasts": contrasts}
    return replace(file, sweep=sweep.model_copy(update=changed))


def analysed_file(file: SweepFile) -> SweepFile:
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


@dataclass(frozen=True)
class SearchedArm:
    """One search and the arms that take its choice.

    Attributes:
        name: Of the search, for people: the arm, and the split if there is one a split.
        arm: That is searched for.
        replicates: Of a point, in their fixed order.
        targets: Position in the plan and arm of each tuned arm.
    """

    name: str
    arm: Arm
    replicates: tuple[Replicate, ...]
    targets: tuple[tuple[int, Arm], ...]


def with_settings(arm: Arm, settings: str) -> Arm:
    """The arm with a value of the axis that a search adds."""
    return Arm({**arm.params, SETTINGS_AXIS: settings}, (*arm.shown, SETTINGS_AXIS))


def searched_arms(file: SweepFile, axes: tuple[StudyAxis, ...], plan: Plan) -> list[SearchedArm]:
    """The searches of a sweep: one an arm, or one in all; one a split where they are nested."""
    search = search_of(file)
    tuned = []
    for at, arm in enumerate(plan.arms):
        if arm.params[SETTINGS_AXIS] == TUNED_SETTINGS:
            params = {axis: value for axis, value in arm.params.items() if axis != SETTINGS_AXIS}
            shown = tuple(axis for axis in arm.shown if axis != SETTINGS_AXIS)
            tuned.append((at, Arm(params, shown)))
    groups = {"": list(plan.replicates)}
    if search.scope == "by_split":
        groups = {}
        for each in plan.replicates:
            groups.setdefault(f"r{each.repeat} f{each.fold}", []).append(each)
    if search.tune_each_arm:
        lists = [[each] for each in tuned]
    else:
        wanted = (base_values(plain_file(file), axes) or {}).items()
        is_base = [all(arm.params.get(a) == value for a, value in wanted) for _, arm in tuned]
        first = is_base.index(True) if True in is_base else 0
        lists = [[tuned[first], *tuned[:first], *tuned[first + 1 :]]]
    return [
        SearchedArm(
            " ".join(part for part in (targets[0][1].title, name) if part),
            targets[0][1],
            tuple(replicates),
            tuple(targets),
        )
        for targets in lists
        for name, replicates in groups.items()
    ]


@dataclass(frozen=True)
class PointCell:
    """An arm with a point's settings on one replicate.

    Attributes:
        arm: The arm, the point's settings in `tuned`.
        cell: What it is computed from, by role.
        stages: Everything it needs, inputs before readers.
    """

    arm: Arm
    cell: PlannedCell
    stages: Mapping[str, Stage]

    @property
    def trainings(self) -> dict[str, str]:
        """Role -> digest of the trainings that it uses itself."""
        return {r: d for r, d in self.cell.uses.items() if self.stages[d].kind == "train"}


@dataclass
class PointPlanner:
    """Makes stages of points; study and file are those without the search."""

    study: Study
    file: SweepFile
    workspace: Workspace

    def cells(
        self, arm: Arm, values: Mapping[str, Any], replicates: Sequence[Replicate]
    ) -> list[PointCell]:
        """The arm with these settings, on each replicate; nothing of external sets or figures.

        Raises:
            InputError: The settings do not fit the arm.
        """
        internal = internal_file(self.file)
        sweep = internal.sweep.model_copy(update={"external": ()})
        plan = self._expanded(replace(internal, sweep=sweep), arm, values)
        tuned = replace(arm, tuned=dict(values))
        by_replicate = {cell.replicate: cell for cell in plan.cells}
        return [
            PointCell(tuned, by_replicate[each], _needed(plan, by_replicate[each].uses.values()))
            for each in replicates
        ]

    def add_final(
        self, plan: Plan, position: int, searched: SearchedArm, values: Mapping[str, Any]
    ) -> dict[str, Stage]:
        """Adds the cells of a tuned arm to a plan, with all that belongs to an arm; its stages."""
        found = self._expanded(self.file, dict(searched.targets)[position], values)
        wanted: dict[str, Stage] = {}
        for cell in found.cells:
            if cell.replicate not in searched.replicates:
                continue
            trainings = list(cell.uses.values())
            beside = [
                digests[each]
                for digests in found.beside.values()
                for each in trainings
                if each in digests
            ]
            wanted |= _needed(found, [*trainings, *beside])
            plan.cells.append(PlannedCell(position, cell.replicate, cell.uses))
            plan.asked += sum(found.stages[d].kind == "train" for d in trainings)
            for name, digests in found.beside.items():
                known = plan.beside.setdefault(name, {})
                known |= {d: e for d, e in digests.items() if d in trainings}
        for digest, stage in wanted.items():
            plan.stages.setdefault(digest, stage)
        return wanted

    def _expanded(self, file: SweepFile, arm: Arm, values: Mapping[str, Any]) -> Plan:
        sweep = file.sweep
        named = {axis: value for axis, value in arm.params.items() if axis in arm.shown}
        # as values of axes: what the study takes from the file's own settings stays as it is
        sweep = sweep.model_copy(
            update={
                "axes": {name: axis for name, axis in sweep.axes.items() if axis.curve},
                "arms": ({**named, **values},),
                "exclude": (),
                "base": None,
                "contrasts": (),
            }
        )
        plan = self.study.expand(replace(file, sweep=sweep), self.workspace)
        keep_features(plan, sweep.resources)
        return plan


def _needed(plan: Plan, digests: Iterable[str]) -> dict[str, Stage]:
    """The stages that these are made from, and they themselves, in the order of the plan."""
    wanted: set[str] = set()
    todo = list(digests)
    while todo:
        digest = todo.pop()
        if digest not in wanted:
            wanted.add(digest)
            todo += plan.stages[digest].sources
    return {digest: stage for digest, stage in plan.stages.items() if digest in wanted}
