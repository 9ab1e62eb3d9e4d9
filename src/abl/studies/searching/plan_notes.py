"""What a plan says of its searches before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from abl.plan.graph import Plan
from abl.search.space import Range, dimensions_of, grid_points, within
from abl.spec.read import SweepFile
from abl.spec.search import Search
from abl.studies.arms import Settings
from abl.studies.base import Study
from abl.studies.searching.file_views import plain_file
from abl.studies.searching.searched_arms import Searched, searched_arms
from abl.studies.searching.searched_space import known_settings, space_of


def search_notes(file: SweepFile, study: Study, plan: Plan) -> list[str]:
    """What the plan says of the searches."""
    search = file.sweep.search
    if search is None:
        return []
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
        *outside_notes(file, study, searched),
        *never_given_up(search, searched),
        *(["steps of a range are used by sampler: grid alone"] if idle else []),
        *tuned_alone_notes(search, searched, arms=len(plan.arms) // 2),
    ]


def tuned_alone_notes(search: Search, searched: Sequence[Searched], arms: int) -> list[str]:
    """A sentence if arms are given settings that were tuned for another one."""
    if search.tune_each_arm or arms < 2:
        return []
    first = searched[0].arm.title or "the file's settings"
    return [
        f"settings were tuned for {first} alone (tune_each_arm: false): no fair comparison of the "
        "tuned arms"
    ]


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
