"""Axes that change no prediction: arms that differ in one alone have the same trainings, and are
scored alike.

Which a file shows by itself is refused before (spec/pointless.py); this is seen in the plan, after
the data was read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from abl.data.dataset import UNIT_LABEL
from abl.plan.graph import Arm, Plan
from abl.plan.stage import canonical_json
from abl.spec.data import Data
from abl.spec.pointless import CHANGES_NOTHING
from abl.stages.inputs import OpenData
from abl.studies.contract import StudyAxis

_ALIKE = "arms that differ in it alone have the same predictions: leave it out"
_OF_UNITS = ("image", "label", "patient", "nodule", UNIT_LABEL)


def idle_axes(
    plan: Plan,
    axes: Sequence[StudyAxis],
    opened: Callable[[Data], OpenData],
) -> list[str]:
    """Axes of settings that change nothing, of a plan with its cells.

    Args:
        axes: The study's own.
        opened: The data set of a data block.
    """
    of_settings = {axis.name for axis in axes if axis.setting}
    named = dict.fromkeys(axis for arm in plan.arms for axis in arm.named)
    candidates = [
        axis
        for axis in named
        if axis in of_settings or ("." in axis and not axis.startswith("options."))
    ]
    if not candidates:
        return []
    cells = plan.cells_by_arm()
    units: dict[str, int] = {}

    def scored(data: Data) -> tuple[str, int]:
        key = data.model_dump_json()
        if key not in units:
            frame = opened(data).dataset.frame
            known = frame[[name for name in _OF_UNITS if name in frame]].astype(str)
            units[key] = int(pd.util.hash_pandas_object(known, index=False).to_numpy().sum())
        return data.unit, units[key]

    found: dict[int, object] = {}

    def predictions(at: int) -> object:
        if at not in found:
            used = [(cell.replicate, sorted(cell.uses.items())) for cell in cells[at]]
            found[at] = (used, *scored(plan.sweeps[at].data))
        return found[at]

    return [
        axis
        for axis in candidates
        if (alike := _differ_in(axis, plan.arms, lambda at: bool(cells[at])))
        and all(predictions(at) == predictions(group[0]) for group in alike for at in group)
    ]


def _differ_in(axis: str, arms: Sequence[Arm], has_cells: Callable[[int], bool]) -> list[list[int]]:
    """Positions of arms that differ in an axis alone, of those that have it; two or more each."""
    groups: dict[str, list[int]] = {}
    for at, arm in enumerate(arms):
        if axis in arm.params and has_cells(at):
            others = {name: value for name, value in arm.params.items() if name != axis}
            groups.setdefault(canonical_json(sorted(others.items())), []).append(at)
    return [group for group in groups.values() if len(group) > 1]


def with_idle_axes(idle: Sequence[str], notes: Sequence[str]) -> list[str]:
    """Notes on settings that change nothing, with one for each axis, in place of those on it.

    Args:
        notes: Of a setting of the data as `bits: 12 changes nothing: WHY`.
    """
    rest, found = list(notes), []
    for axis in idle:
        leaf = axis.rpartition(".")[2]
        why = [each for each in rest if each.startswith(f"{leaf}: ")]
        rest = [each for each in rest if each not in why]
        said = why[0].partition(f"{CHANGES_NOTHING}: ")[2] if why else _ALIKE
        found.append(f"axes.{axis}: {CHANGES_NOTHING}: {said}")
    return [*found, *rest]
