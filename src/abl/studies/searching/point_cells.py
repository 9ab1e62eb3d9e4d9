"""A point of a search as stages: an arm with the point's settings, on some replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from abl.plan.graph import Arm, Plan, PlannedCell, Replicate
from abl.plan.kept_features import keep_features
from abl.plan.stage import Stage
from abl.spec.read import SweepFile
from abl.stages.inputs import Workspace
from abl.studies.base import Study
from abl.studies.external import internal_file


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
    """Makes stages of points.

    Attributes:
        study: Of the sweep, without search.
        file: The sweep file without search.
    """

    study: Study
    file: SweepFile
    workspace: Workspace
    _internal: SweepFile = field(init=False)

    def __post_init__(self) -> None:
        self._internal = internal_file(self.file)
        self._internal = replace(
            self._internal, sweep=self._internal.sweep.model_copy(update={"external": ()})
        )

    def cells(
        self, arm: Arm, values: Mapping[str, Any], replicates: Sequence[Replicate]
    ) -> list[PointCell]:
        """The arm with these settings, on each replicate; nothing of external sets or figures.

        Raises:
            InputError: The settings do not fit the arm.
        """
        plan = self._expanded(self._internal, arm, values)
        tuned = replace(arm, tuned=dict(values))
        by_replicate = {cell.replicate: cell for cell in plan.cells}
        return [
            PointCell(tuned, by_replicate[each], _needed(plan, by_replicate[each].uses.values()))
            for each in replicates
        ]

    def add_final(
        self,
        plan: Plan,
        position: int,
        arm: Arm,
        values: Mapping[str, Any],
        replicates: Sequence[Replicate],
    ) -> dict[str, Stage]:
        """Adds the cells of a tuned arm to a plan, with all that belongs to an arm; its stages."""
        found = self._expanded(self.file, arm, values)
        wanted: dict[str, Stage] = {}
        for cell in found.cells:
            if cell.replicate not in replicates:
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


def _needed(plan: Plan, digests: Sequence[str] | Any) -> dict[str, Stage]:
    """The stages that these are made from, and they themselves, in the order of the plan."""
    wanted: set[str] = set()
    todo = list(digests)
    while todo:
        digest = todo.pop()
        if digest not in wanted:
            wanted.add(digest)
            todo += plan.stages[digest].sources
    return {digest: stage for digest, stage in plan.stages.items() if digest in wanted}
