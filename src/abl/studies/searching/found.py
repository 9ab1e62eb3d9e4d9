"""What the searches of a sweep found: frames, facts, and the chosen values in the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.search_optimism import expected_best_by_chance
from abl.plan.graph import Plan
from abl.plan.outcome import ArmOutcome, Outcome
from abl.plan.searches import COMPLETE, FAILED, PRUNED, STOPPED, Searches
from abl.report.setting_words import CHOSEN, setting_text, short_names
from abl.search.importance import importance_of
from abl.search.space import Choices, dimensions_of
from abl.spec.read import SweepFile
from abl.stages.inputs import Workspace
from abl.studies.analysis import Analysis
from abl.studies.searching.leaks import shared_images_note
from abl.studies.searching.one_search import OneSearch, best_point
from abl.studies.searching.plan_notes import tuned_alone_notes
from abl.studies.searching.point_frames import curves_frame, plain_value, points_frame, scores_frame
from abl.studies.searching.searched_arms import Searched
from abl.studies.searching.sweep_growth import SweepGrowth
from abl.studies.settings import SETTINGS_AXIS, TUNED_SETTINGS


def with_searches(
    analysis: Analysis,
    file: SweepFile,
    growth: SweepGrowth,
    plan: Plan,
    workspace: Workspace,
) -> Analysis:
    """The analysis with every point of every search, and the chosen values as a column."""
    terms = shared_images_note(file.sweep, plan, workspace)
    rows = dict(enumerate(analysis.outcome.arms))
    facts = [
        _facts(each, growth.searches[each.name], file, rows, terms) for each in growth.searched
    ]
    searches = Searches(
        pd.concat([points_frame(s.name, growth.searches[s.name]) for s in growth.searched]),
        pd.concat([scores_frame(s.name, growth.searches[s.name], s) for s in growth.searched]),
        pd.concat([curves_frame(s.name, growth.searches[s.name]) for s in growth.searched]),
    )
    outcome = _with_chosen(analysis.outcome, facts, rows)
    every = [growth.searches[each.name] for each in growth.searched]
    alone = []
    if file.sweep.search is not None:
        alone = tuned_alone_notes(file.sweep.search, growth.searched, arms=len(plan.arms) // 2)
    notes = [*outcome.notes, *_notes(file, facts, [*alone, *([terms] if terms else [])], every)]
    known = replace(outcome.facts, searches=facts)
    outcome = replace(outcome, notes=tuple(notes), facts=known)
    frames = [each.reset_index(drop=True) for each in vars(searches).values()]
    return replace(analysis, outcome=outcome, searches=Searches(*frames))


def _facts(
    searched: Searched,
    search: OneSearch,
    file: SweepFile,
    rows: Mapping[int, ArmOutcome],
    terms: str,
) -> dict[str, Any]:
    setup, best = search.setup, best_point(search)
    row = rows.get(searched.targets[0][0])
    objective = setup.objectives[0].metric
    complete = [state for state in search.points if state.state == COMPLETE]
    scores = np.array([[each[0] for each in state.scores] for state in complete])
    lost = [state for state in search.points if state.state in (PRUNED, STOPPED)]
    chance = expected_best_by_chance(
        scores.reshape(len(complete), setup.replicates),
        setup.directions[0] == "maximize",
        [[each[0] for each in state.scores] for state in lost],
    )
    counts = {
        name: sum(state.state == name for state in search.points)
        for name in (COMPLETE, PRUNED, STOPPED, FAILED)
    }
    cell = None if row is None or row.failed else row.cells.get(objective)
    value = None if best is None or best.values is None else best.values[0]
    trained, asked = _trainings(search)
    # of nested searches each chooses for its own split: only the table speaks for all
    test = None if cell is None or not _is_whole(file) else cell.mean
    return {
        "search": searched.name,
        "arm": "" if row is None else row.key,
        "objectives": [
            {"metric": each.metric, "direction": direction}
            for each, direction in zip(setup.objectives, setup.directions, strict=True)
        ],
        "constraints": [c.model_dump(exclude_none=True) for c in setup.search.constraints],
        "parameters": _parameters(search),
        "points": len(search.points),
        **counts,
        "ended": search.ended,
        "trainings": trained,
        "trainings_without": asked,
        "best": value,
        "expected_by_chance": chance.expected,
        "p_by_chance": chance.p,
        "test": test,
        "test_low": None if test is None or cell is None else cell.low,
        "test_high": None if test is None or cell is None else cell.high,
        "optimism": None if test is None or value is None else value - test,
        "chosen": []
        if best is None
        else [{**_place(file, searched), "number": best.number, "values": dict(best.point)}],
        "importance": [
            {"name": each.name, "mean": each.mean, "sd": each.sd}
            for each in importance_of(
                setup.space, [state.point for state in complete], scores.tolist()
            )
        ],
        "terms": terms,
        "scope": setup.search.scope,
        "each_arm": setup.search.tune_each_arm,
    }


def _is_whole(file: SweepFile) -> bool:
    return file.sweep.search is not None and file.sweep.search.scope == "shared"


def _place(file: SweepFile, searched: Searched) -> dict[str, int | None]:
    if _is_whole(file):
        return {"repeat": None, "fold": None}
    first = searched.replicates[0]
    return {"repeat": first.repeat, "fold": first.fold}


def _trainings(search: OneSearch) -> tuple[int, int]:
    """Distinct trainings in the store, and those that all replicates of all points would take."""
    every = {
        digest
        for state in search.points
        for cell in state.cells
        for digest, stage in cell.stages.items()
        if stage.kind == "train"
    }
    return sum(search.setup.store.has(digest) for digest in every), len(every)


def _parameters(search: OneSearch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, dimension in dimensions_of(search.setup.space).items():
        if isinstance(dimension, Choices):
            choices = [plain_value(dimension, value) for value in dimension.values]
            found.append({"name": name, "kind": "choices", "choices": choices})
        else:
            kind = "int" if dimension.integer else "float"
            ends = {"low": dimension.low, "high": dimension.high, "log": dimension.log}
            found.append({"name": name, "kind": kind, **ends})
    return found


def _with_chosen(
    outcome: Outcome, facts: Sequence[Mapping[str, Any]], rows: Mapping[int, ArmOutcome]
) -> Outcome:
    """A column with the values that were chosen; of several choices, the range of each."""
    by_arm: dict[str, list[Mapping[str, Any]]] = {}
    for each in facts:
        by_arm.setdefault(str(each["arm"]), []).extend(c["values"] for c in each["chosen"])
    alone = next(iter(by_arm.values()), [])
    arms = []
    for row in rows.values():
        tuned = row.params.get(SETTINGS_AXIS) == TUNED_SETTINGS
        # searched for once, taken by all
        values = by_arm.get(row.key, alone if len(by_arm) == 1 else []) if tuned else []
        arms.append(replace(row, params={**row.params, CHOSEN: values_text(values)}))
    return replace(outcome, arms=tuple(arms))


def values_text(chosen: Sequence[Mapping[str, Any]]) -> str:
    """Chosen settings in a few words: `lr 0.003, optimizer.name sgd`."""
    names = list(dict.fromkeys(name for values in chosen for name in values))
    short, shown = short_names(names), []
    for name in names:
        values = dict.fromkeys(setting_text(each[name]) for each in chosen if name in each)
        shown.append(f"{short[name].removesuffix('.name')} {' | '.join(values)}")
    return ", ".join(shown)


def shared_trainings(searches: Sequence[OneSearch]) -> tuple[int, int]:
    """Distinct trainings that were done, and those if every point trained its own in full."""
    done: set[str] = set()
    asked = 0
    for search in searches:
        for state in search.points:
            for cell in state.cells:
                mine = {d for d, stage in cell.stages.items() if stage.kind == "train"}
                asked += len(mine)
                done |= {digest for digest in mine if search.setup.store.has(digest)}
    return len(done), asked


def _notes(
    file: SweepFile,
    facts: Sequence[Mapping[str, Any]],
    more: Sequence[str],
    searches: Sequence[OneSearch],
) -> list[str]:
    search, total = file.sweep.search, sum(each["points"] for each in facts)
    if search is None:
        return []
    lost = {name: sum(each[name] for each in facts) for name in (PRUNED, STOPPED, FAILED)}
    trained, asked = shared_trainings(searches)
    metrics = " and ".join(each["metric"] for each in facts[0]["objectives"])
    said = ", ".join(f"{count} {name}" for name, count in lost.items() if count)
    several = "" if len(facts) == 1 else f"each of {len(facts)} searches, "
    none = sum(not each["chosen"] for each in facts)
    chosen = "The test set was read once, for the chosen point."
    if none:
        chosen = "Nothing was chosen." if none == len(facts) else f"{none} of them chose nothing."
    return [
        f"settings tuned: best {metrics} on validation in {several}{total} points in all "
        f"({search.sampler}{', ' + said if said else ''}); {trained} trainings, of {asked} if "
        f"each point trained its own in full. {chosen}",
        *more,
    ]
