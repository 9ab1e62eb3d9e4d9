"""What is said of a search: in the plan, of the time it takes, of what its choice has seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from abl.plan.graph import Plan
from abl.plan.stage import Stage
from abl.report.plan_text import span_text
from abl.runner.engine import expected_seconds
from abl.search.space import Range, dimensions_of, grid_points, within
from abl.spec.read import SweepFile
from abl.spec.search import Search
from abl.stages.inputs import Workspace
from abl.studies.contract import Study
from abl.studies.searching.searched_arms import (
    PointPlanner,
    SearchedArm,
    plain_file,
    search_of,
    searched_arms,
)
from abl.studies.searching.searched_space import known_settings, space_of
from abl.studies.shared.arms import Settings


def search_notes(file: SweepFile, study: Study, plan: Plan) -> list[str]:
    """What the plan says of the searches."""
    search = search_of(file)
    searched = searched_arms(file, study.axes, plan)
    replicates = sum(len(each.replicates) for each in searched)
    count = "1 search" if len(searched) == 1 else f"{len(searched)} searches"
    space = space_of(search.space, study.axes)
    points, of = search.trials, ""
    if search.sampler == "grid":
        whole = sum(1 for _ in grid_points(space))
        points, of = min(points, whole), f" of {whole}" if whole > points else ""
    said = (
        f"{count} of at most {points}{of} points ({search.sampler}), "
        f"{points * replicates} trained replicates at most beside the arms above"
    )
    stepped = any(isinstance(each, Range) and each.steps for each in dimensions_of(space).values())
    idle = stepped and search.sampler != "grid"
    return [
        said,
        *_outside_notes(file, study, searched),
        *_never_given_up(search, searched),
        *(["steps of a range are used by sampler: grid alone"] if idle else []),
        *tuned_alone_notes(search, searched, arms=len(plan.arms) // 2),
    ]


def tuned_alone_notes(search: Search, searched: Sequence[SearchedArm], arms: int) -> list[str]:
    """A sentence if arms are given settings that were tuned for another one."""
    if search.tune_each_arm or arms < 2:
        return []
    first = searched[0].arm.title or "the file's settings"
    return [
        f"settings were tuned for {first} alone (tune_each_arm: false): no fair comparison of the "
        "tuned arms"
    ]


def _outside_notes(file: SweepFile, study: Study, searched: Sequence[SearchedArm]) -> list[str]:
    """A sentence if the file's own settings are no point of the space, and why."""
    space = space_of(search_of(file).space, study.axes)
    settings, outside = Settings(plain_file(file), study.axes), dict[str, Any]()
    for each in searched:
        known = known_settings(settings.of(each.arm), space)
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


def _never_given_up(search: Search, searched: Sequence[SearchedArm]) -> list[str]:
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


def budget_notes(
    search: Search, planner: PointPlanner, searched: Sequence[SearchedArm], slots: int
) -> list[str]:
    """A sentence on the time of a point, and one for each budget in hours.

    A point counts all of its replicates: what is given up early, shared or in the store already
    only makes it shorter.
    """
    stages: list[Stage] = []
    for each in searched:
        for cell in planner.cells(each.arm, {}, each.replicates):
            stages += cell.stages.values()
    points = len(searched)
    by_digest = {stage.digest: stage for stage in stages}
    known = expected_seconds(by_digest, planner.workspace.store)
    if len(known) < len(by_digest):
        return ["what a point of the search takes is not known: no such stage was ever run here"]
    each_s = sum(known.values()) / points
    gpu_s = sum(s * by_digest[d].resources.gpus for d, s in known.items()) / points
    whole = span_text(each_s * search.trials * points / slots)
    notes = [
        f"a point takes at most {span_text(each_s)} of stage time, {search.trials} points of "
        f"{'a' if points == 1 else 'each'} search {whole} in all ({slots} at once)"
    ]
    if search.hours is not None:
        bought = int(search.hours * 3600 * slots / max(each_s * points, 1e-9))
        notes.append(f"{search.hours:g} hours buy about {bought} points a search")
    if search.gpu_hours is not None and gpu_s:
        bought = int(search.gpu_hours * 3600 / gpu_s)
        notes.append(f"{search.gpu_hours:g} GPU hours buy about {bought} points a search")
    elif search.gpu_hours is not None:
        notes.append("gpu_hours: no stage of this sweep asks for a GPU, so that none are spent")
    return notes


def shared_images_note(file: SweepFile, plan: Plan, workspace: Workspace) -> str:
    """A sentence if test images of one split were validation images of another; "" if none were.

    With several folds one choice for all of them is not blind to any test set: for each one, other
    splits scored points on its images.
    """
    if search_of(file).scope == "by_split":
        return ""
    opened = workspace.data(file.sweep.data)
    tested: set[int] = set()
    validated: set[int] = set()
    for repeat, fold in dict.fromkeys((each.repeat, each.fold) for each in plan.replicates):
        split = opened.split(file.sweep.splits, repeat, fold)
        tested |= set(split.test.tolist())
        validated |= set(split.validation.tolist())
    seen = len(tested & validated)
    if not seen:
        return ""
    return (
        f"One choice for all splits: {100 * seen / len(tested):.0f} % of the test images were "
        "validation images of another split, so that scores of tuned arms may be a little too "
        "good; search: {scope: by_split} chooses for each split alone."
    )
