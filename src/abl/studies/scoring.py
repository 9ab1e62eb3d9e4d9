"""From scored replicates to the rows of the table: cells, intervals, contrasts, marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.cells import cell_of
from abl.decide.intervals import FEW_PATIENTS, patient_interval
from abl.decide.metrics import metric_named
from abl.decide.replicates import KEYS, replicate_scores
from abl.plan.graph import Plan
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome
from abl.plan.stage import digest_of
from abl.report.labels import counted
from abl.spec.read import SweepFile
from abl.studies.analysis import ScoredArm
from abl.studies.base import StudyAxis
from abl.studies.contrasts import Pair, comparable, compared, marks, test_rows


def outcome_of(
    file: SweepFile,
    plan: Plan,
    axes: Sequence[StudyAxis],
    scored: Sequence[ScoredArm],
    bases: Sequence[int | None],
    contrasts: Sequence[Pair],
    curve_axis: str,
    facts: Mapping[str, Any],
) -> Outcome:
    """The table of a sweep.

    Args:
        scored: One an arm of the plan.
        bases: Position of the arm that each is compared with, None for none.
        contrasts: (arm, base) that the sweep names beside them.
        curve_axis: Axis that is chosen on validation, "" if none.
        facts: Kept beside the table; `training_patients` for the corrected t-test.
    """
    sweep = file.sweep
    best, tied = marks(sweep, scored)
    to_base = [(at, base) for at, base in enumerate(bases) if base is not None]
    pairs = comparable(scored, [*to_base, *contrasts])
    found = compared(sweep, scored, pairs)
    tests = test_rows(sweep, scored, found, float(facts.get("training_patients", 1)))
    used = _stages_of(plan)
    rows = [
        _row(file, each, used[at], found.get((at, bases[at] or 0)), best == at, at in tied)
        for at, each in enumerate(scored)
    ]
    names = [axis.name for axis in axes]
    present = {axis for each in scored for axis in each.arm.named}
    columns = [axis for axis in names if axis in present]
    columns += [axis for axis in sweep.axes if axis in present and axis not in names]
    if curve_axis in columns:
        rows = [_named_as_chosen(row, curve_axis) for row in rows]
    metrics = list(sweep.metrics)
    if sweep.primary not in metrics:
        metrics.insert(0, sweep.primary)
    metrics += [m for m in ("share", "optimism") if any(m in row.cells for row in rows)]
    return Outcome(
        name=sweep.name,
        key=digest_of([sweep.model_dump(mode="json", by_alias=True), [row.key for row in rows]]),
        study=sweep.study,
        title=sweep.title,
        axes=tuple(columns),
        metrics=tuple(metrics),
        primary=sweep.primary,
        curve_axis=curve_axis,
        arms=tuple(rows),
        notes=tuple(_notes(file, plan, scored)),
        facts=dict(facts) | {"tests": tests},
    )


def _named_as_chosen(row: ArmOutcome, axis: str) -> ArmOutcome:
    """An arm that chooses its value, beside arms that name theirs."""
    if axis in row.params or axis not in row.replicates:
        return row
    return replace(row, params={**row.params, axis: "chosen"})


def _stages_of(plan: Plan) -> list[tuple[str, ...]]:
    found: list[dict[str, None]] = [{} for _ in plan.arms]
    for cell in plan.cells:
        found[cell.arm].update(dict.fromkeys(cell.uses.values()))
    return [tuple(each) for each in found]


def _row(
    file: SweepFile,
    scored: ScoredArm,
    stages: tuple[str, ...],
    comparison: Comparison | None,
    best: bool,
    tied: bool,
) -> ArmOutcome:
    sweep = file.sweep
    params = scored.arm.named
    every = sorted((axis, str(value)) for axis, value in scored.arm.params.items())
    key = digest_of([sweep.study, every, stages])
    if scored.failed:
        empty = pd.DataFrame(columns=[*KEYS, *sweep.metrics])
        return ArmOutcome(key, params, {}, empty, stages=stages, failed=scored.failed)
    by = metric_named(sweep.select_by or sweep.primary).name
    metrics = list(dict.fromkeys([*sweep.metrics, sweep.primary, by]))
    table = replicate_scores(scored.scores, metrics)
    chosen = pd.DataFrame(
        [dict(zip(KEYS, cell.key, strict=True)) | cell.chosen for cell in scored.cells]
    )
    table = table.merge(chosen, on=KEYS)
    cells = {name: _cell(file, scored, table, name) for name in metrics}
    if "share" in table:
        cells["share"] = cell_of(table[KEYS].assign(value=table["share"]))
    if f"validation_{by}" in table:
        gap = table[f"validation_{by}"] - table[by]
        cells["optimism"] = cell_of(table[KEYS].assign(value=gap))
    return ArmOutcome(
        key=key,
        params=params,
        cells=cells,
        replicates=table,
        curve=scored.curve,
        test_curve=scored.test_curve,
        stages=stages,
        comparison=comparison,
        best=best,
        tied=tied,
    )


def _cell(file: SweepFile, scored: ScoredArm, table: pd.DataFrame, metric: str) -> Cell:
    interval = patient_interval(scored.scores, metric, resamples=file.sweep.resamples // 5)
    return cell_of(table[KEYS].assign(value=table[metric]), low=interval.low, high=interval.high)


def _notes(file: SweepFile, plan: Plan, scored: Sequence[ScoredArm]) -> list[str]:
    sweep, replicates = file.sweep, plan.replicates
    splits = len({(r.repeat, r.fold) for r in replicates})
    seeds = len({r.seed for r in replicates})
    by = file.sweep.splits.by
    parts = f"{counted(splits, 'split')} by {by} x {counted(seeds, 'seed')}"
    notes = [f"{counted(len(replicates), 'replicate')}: {parts}."]
    if any("validation" in name for each in scored for cell in each.cells for name in cell.chosen):
        metric = sweep.select_by or sweep.primary
        notes.append(
            f"Optimism: {metric} on validation, where T* was chosen, less {metric} on test."
        )
    whole = next((each for each in scored if each.cells), None)
    if whole is not None:
        patients = {str(name) for cell in whole.cells for name in cell.test.patients}
        counts = [len(cell.test.labels) for cell in whole.cells]
        malignant = np.mean([float((cell.test.labels > 0).mean()) for cell in whole.cells])
        notes.append(
            f"Test sets: {_range(counts)} {file.sweep.data.unit}s a replicate, "
            f"{100 * malignant:.0f} % positive; {len(patients)} patients in all."
        )
        if len(patients) < FEW_PATIENTS:
            notes.append("Few patients (under 50): intervals are BCa and wide.")
    return notes


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}-{high}"
