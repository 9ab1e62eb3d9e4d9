"""What the searches of a sweep found: points as frames, facts, the chosen values in the table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.chooser import pareto_front
from abl.decide.optimism import optimism_of
from abl.decide.optimum import expected_best_by_chance
from abl.decide.replicates import KEYS
from abl.plan.outcome import COMPLETE, FAILED, PARAM, PRUNED, STOPPED, ArmOutcome, Outcome, Searches
from abl.report.labels import CHOSEN, setting_text, short_names
from abl.search.space import Choices, Range, dimensions_of, importance_of
from abl.spec.search import Search
from abl.studies.searching.notes import shared_images_note, tuned_alone_notes
from abl.studies.searching.point_state import PointState, curve_of
from abl.studies.searching.search_run import SearchRun, best_point
from abl.studies.searching.searched_arms import SearchedArm, search_of
from abl.studies.searching.sweep_growth import SweepGrowth
from abl.studies.shared.analysis import Analysis
from abl.studies.shared.arms import SETTINGS_AXIS, TUNED_SETTINGS


def with_searches(analysis: Analysis, growth: SweepGrowth) -> Analysis:
    """The analysis with every point of every search, and the chosen values as a column."""
    search, plan = search_of(growth.file), growth.plan
    terms = shared_images_note(growth.file, plan, growth.workspace)
    rows = analysis.outcome.arms
    runs = [(each, growth.searches[each.name]) for each in growth.searched]
    facts = [_facts(searched, run, rows[searched.targets[0][0]], terms) for searched, run in runs]
    frames = (
        [_points_frame(searched.name, run) for searched, run in runs],
        [_scores_frame(searched, run) for searched, run in runs],
        [_curves_frame(searched.name, run) for searched, run in runs],
    )
    searches = Searches(*(pd.concat(each).reset_index(drop=True) for each in frames))
    alone = tuned_alone_notes(search, growth.searched, arms=len(plan.arms) // 2)
    said = _found_note(search, facts, [run for _, run in runs])
    outcome = _with_chosen(analysis.outcome, facts)
    notes = (*outcome.notes, said, *alone, *([terms] if terms else []))
    outcome = replace(outcome, notes=notes, facts=replace(outcome.facts, searches=facts))
    return replace(analysis, outcome=outcome, searches=searches)


# -- points as the frames of abl.plan.outcome ---------------------------------------------------


def _points_frame(name: str, run: SearchRun) -> pd.DataFrame:
    chosen, front = best_point(run), _on_front(run)
    rows = []
    for state in run.points:
        row: dict[str, Any] = {
            "search": name,
            "number": state.number,
            "generation": state.generation,
            "state": state.state,
            "reason": state.reason,
            "replicates": len(state.scores),
        }
        for at in range(len(run.objectives)):
            row[f"value_{at}"] = math.nan if state.values is None else state.values[at]
            row[f"so_far_{at}"] = math.nan if state.so_far is None else state.so_far[at]
        violations = state.violations or [math.nan] * len(run.search.constraints)
        row |= {f"constraint_{at}": violation for at, violation in enumerate(violations)}
        row |= {
            "feasible": state.feasible,
            "front": state.number in front,
            "chosen": state is chosen,
        }
        for each, dimension in dimensions_of(run.asking.space).items():
            row[f"{PARAM}{each}"] = _plain_value(dimension, state.point.get(each))
        rows.append(row)
    frame = pd.DataFrame(rows)
    for column in frame.columns:
        if str(column).startswith(PARAM):
            frame[column] = frame[column].astype(object).where(frame[column].notna(), None)
    return frame


def _plain_value(dimension: Range | Choices, value: Any) -> Any:
    """A value as a column can hold it: as a word where choices are of several kinds."""
    if value is None or not isinstance(dimension, Choices):
        return value
    kinds = {
        "number" if isinstance(each, int | float) and not isinstance(each, bool) else type(each)
        for each in dimension.values
    }
    if len(kinds) == 1:
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _on_front(run: SearchRun) -> set[int]:
    able = [state for state in run.points if state.feasible]
    signs = np.array([1.0 if each == "maximize" else -1.0 for each in run.asking.directions])
    values = np.array([state.values for state in able], dtype=np.float64).reshape(-1, len(signs))
    on_front = pareto_front(values * signs)
    return {state.number for state, on in zip(able, on_front, strict=True) if on}


def _scores_frame(searched: SearchedArm, run: SearchRun) -> pd.DataFrame:
    rows = []
    for state in run.points:
        for at, values in enumerate(state.scores):
            row: dict[str, Any] = {"search": searched.name, "number": state.number, "at": at}
            row |= vars(searched.replicates[at])
            rows.append(row | {f"value_{i}": value for i, value in enumerate(values)})
    return pd.DataFrame(rows)


def _curves_frame(name: str, run: SearchRun) -> pd.DataFrame:
    """Learning curves of the first replicate of every point: what a figure shows."""
    rows = []
    stop = run.search.stop_early
    columns = ("validation_loss", "validation_accuracy")
    for state in run.points:
        for role, digest in state.cells[0].trainings.items() if state.cells else ():
            curves = {column: curve_of(run.store, digest, column) for column in columns}
            if not any(curves.values()) and stop is not None:
                curves[f"validation_{stop.metric}"] = state.curves.get((0, role), [])
            place = {"search": name, "number": state.number, "at": 0, "role": role}
            by_epoch = itertools.zip_longest(*curves.values(), fillvalue=math.nan)
            rows += [
                {**place, "epoch": epoch, **dict(zip(curves, values, strict=True))}
                for epoch, values in enumerate(by_epoch, start=1)
            ]
    return pd.DataFrame(rows)


# -- facts, the chosen values, what is said -------------------------------------------------------


def _facts(searched: SearchedArm, run: SearchRun, row: ArmOutcome, terms: str) -> dict[str, Any]:
    search, asking, best = run.search, run.asking, best_point(run)
    whole = search.scope == "shared"
    objective = run.objectives[0].metric
    complete = [state for state in run.points if state.state == COMPLETE]
    scores = np.array([[each[0] for each in state.scores] for state in complete])
    lost = [state for state in run.points if state.state in (PRUNED, STOPPED)]
    chance = expected_best_by_chance(
        scores.reshape(len(complete), run.replicates),
        asking.directions[0] == "maximize",
        [[each[0] for each in state.scores] for state in lost],
    )
    counts = {
        name: sum(state.state == name for state in run.points)
        for name in (COMPLETE, PRUNED, STOPPED, FAILED)
    }
    # of nested searches each chooses for its own split: only the table speaks for all
    cell = None if row.failed or not whole else row.cells.get(objective)
    test = None if cell is None else cell.mean
    value = None if best is None or best.values is None else best.values[0]
    first = searched.replicates[0]
    place = {"repeat": None if whole else first.repeat, "fold": None if whole else first.fold}
    every = set(_trainings([run]))
    return {
        "search": searched.name,
        "arm": row.key,
        "objectives": [
            {"metric": each.metric, "direction": direction}
            for each, direction in zip(run.objectives, asking.directions, strict=True)
        ],
        "constraints": [c.model_dump(exclude_none=True) for c in search.constraints],
        "parameters": _parameters(run),
        "points": len(run.points),
        **counts,
        "ended": run.ended,
        "trainings": sum(run.store.has(digest) for digest in every),
        "trainings_without": len(every),
        "best": value,
        "expected_by_chance": chance.expected,
        "p_by_chance": chance.p,
        "test": test,
        "test_low": None if cell is None else cell.low,
        "test_high": None if cell is None else cell.high,
        **_optimism(searched, best, row.replicates, objective, has_test=test is not None),
        "chosen": []
        if best is None
        else [{**place, "number": best.number, "values": dict(best.point)}],
        "importance": importance_of(
            asking.space, [state.point for state in complete], scores.tolist()
        ),
        "terms": terms,
        "scope": search.scope,
        "each_arm": search.tune_each_arm,
    }


def _optimism(
    searched: SearchedArm,
    best: PointState | None,
    scored: pd.DataFrame,
    objective: str,
    *,
    has_test: bool,
) -> dict[str, Any]:
    """Validation less test of the chosen point, and of how many replicates if not of all.

    Args:
        scored: The tuned arm on test: repeat, fold, seed, one column a metric.
    """
    if not has_test or best is None or best.values is None:
        return {"optimism": None}
    chosen = pd.DataFrame(map(vars, searched.replicates)).assign(
        chosen_at=[each[0] for each in best.scores]
    )
    both = chosen.merge(scored[[*KEYS, objective]], on=KEYS)
    gap = optimism_of(both, both["chosen_at"], both[objective]).gap
    of = {"optimism_of": [gap.count, gap.count + gap.undefined]} if gap.undefined else {}
    return {"optimism": None if math.isnan(gap.mean) else gap.mean, **of}


def _trainings(runs: Sequence[SearchRun]) -> list[str]:
    """The trainings of all replicates of all points, shared ones again for each."""
    return [
        digest
        for run in runs
        for state in run.points
        for cell in state.cells
        for digest, stage in cell.stages.items()
        if stage.kind == "train"
    ]


def _parameters(run: SearchRun) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, dimension in dimensions_of(run.asking.space).items():
        if isinstance(dimension, Choices):
            choices = [_plain_value(dimension, value) for value in dimension.values]
            found.append({"name": name, "kind": "choices", "choices": choices})
        else:
            kind = "int" if dimension.integer else "float"
            ends = {"low": dimension.low, "high": dimension.high, "log": dimension.log}
            found.append({"name": name, "kind": kind, **ends})
    return found


def _with_chosen(outcome: Outcome, facts: Sequence[Mapping[str, Any]]) -> Outcome:
    """A column with the values that were chosen; of several choices, the range of each."""
    by_arm: dict[str, list[Mapping[str, Any]]] = {}
    for each in facts:
        by_arm.setdefault(str(each["arm"]), []).extend(c["values"] for c in each["chosen"])
    alone = next(iter(by_arm.values()), [])
    arms = []
    for row in outcome.arms:
        tuned = row.params.get(SETTINGS_AXIS) == TUNED_SETTINGS
        # searched for once, taken by all
        values = by_arm.get(row.key, alone if len(by_arm) == 1 else []) if tuned else []
        arms.append(replace(row, params={**row.params, CHOSEN: _values_text(values)}))
    return replace(outcome, arms=tuple(arms))


def _values_text(chosen: Sequence[Mapping[str, Any]]) -> str:
    """Chosen settings in a few words: `lr 0.003, optimizer.name sgd`."""
    names = list(dict.fromkeys(name for values in chosen for name in values))
    short, shown = short_names(names), []
    for name in names:
        values = dict.fromkeys(setting_text(each[name]) for each in chosen if name in each)
        shown.append(f"{short[name].removesuffix('.name')} {' | '.join(values)}")
    return ", ".join(shown)


def _found_note(
    search: Search, facts: Sequence[Mapping[str, Any]], runs: Sequence[SearchRun]
) -> str:
    total = sum(each["points"] for each in facts)
    lost = {name: sum(each[name] for each in facts) for name in (PRUNED, STOPPED, FAILED)}
    asked = _trainings(runs)
    trained = sum(runs[0].store.has(digest) for digest in set(asked))
    metrics = " and ".join(each["metric"] for each in facts[0]["objectives"])
    said = ", ".join(f"{count} {name}" for name, count in lost.items() if count)
    several = "" if len(facts) == 1 else f"each of {len(facts)} searches, "
    none = sum(not each["chosen"] for each in facts)
    chosen = "The test set was read once, for the chosen point."
    if none:
        chosen = "Nothing was chosen." if none == len(facts) else f"{none} of them chose nothing."
    return (
        f"settings tuned: best {metrics} on validation in {several}{total} points in all "
        f"({search.sampler}{', ' + said if said else ''}); {trained} trainings, of {len(asked)} if "
        f"each point trained its own in full. {chosen}"
    )
