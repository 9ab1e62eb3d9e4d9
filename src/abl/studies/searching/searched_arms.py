"""Which searches a sweep has: one an arm, or one in all; one a split where they are nested."""

from __future__ import annotations

from dataclasses import dataclass

from abl.plan.graph import Arm, Plan, Replicate
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.studies.arms import SETTINGS_AXIS, TUNED_SETTINGS, base_of
from abl.studies.base import StudyAxis
from abl.studies.searching.file_views import plain_file


@dataclass(frozen=True)
class Searched:
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
