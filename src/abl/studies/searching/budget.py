"""What a search will take, and what a budget of hours buys, from recorded stage times."""

from __future__ import annotations

from collections.abc import Sequence

from abl.plan.stage import Stage
from abl.record.store import Store
from abl.report.plan_text import span_text
from abl.runner.engine import expected_seconds
from abl.spec.sweep import Sweep
from abl.studies.searching.point_cells import PointPlanner
from abl.studies.searching.point_state import PointState
from abl.studies.searching.searched_arms import Searched


def budget_notes(
    sweep: Sweep, planner: PointPlanner, searched: Sequence[Searched], slots: int
) -> list[str]:
    """A sentence on the time of a point, and one for each budget in hours.

    A point counts all of its replicates: what is given up early, shared or in the store already
    only makes it shorter.
    """
    search = sweep.search
    if search is None:
        return []
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
    if search.gpu_hours is not None:
        if gpu_s:
            bought = int(search.gpu_hours * 3600 / gpu_s)
            notes.append(f"{search.gpu_hours:g} GPU hours buy about {bought} points a search")
        else:
            notes.append("gpu_hours: no stage of this sweep asks for a GPU, so that none are spent")
    return notes


def gpu_seconds(points: Sequence[PointState], store: Store) -> float:
    """Recorded seconds of the stages of points, times their GPUs."""
    stages = {d: s for state in points for cell in state.cells for d, s in cell.stages.items()}
    total = 0.0
    for digest, stage in stages.items():
        done = store.done(digest)
        if done is not None:
            total += float(done.facts.get("seconds", 0.0)) * stage.resources.gpus
    return total
