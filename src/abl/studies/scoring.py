"""From scored replicates to the rows of the table: cells, intervals, contrasts, marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from abl.decide.cells import cell_of
from abl.decide.comparison import Contrast, best_and_tied, comparisons
from abl.decide.intervals import FEW_PATIENTS, patient_interval
from abl.decide.replicates import Replicate, replicate_scores
from abl.plan.graph import Arm, Plan
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome
from abl.plan.stage import digest_of
from abl.spec.read import SweepFile
from abl.studies.base import StudyAxis

KEYS = ["repeat", "fold", "seed"]


@dataclass(frozen=True, eq=False)
class ScoredCell:
    """An arm on a replicate.

    Attributes:
        scores: Labels, patients and final probabilities of the test units.
        units: (N,) their names.
        chosen: What was chosen (threshold) or measured beside the metrics (share).
        curve: Validation metrics over the curve axis, if the arm has one.
    """

    scores: Replicate
    units: np.ndarray
    chosen: dict[str, float]
    curve: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class ScoredArm:
    """An arm with its scored replicates, or why there are none."""

    arm: Arm
    cells: tuple[ScoredCell, ...] = ()
    curve: pd.DataFrame | None = None
    failed: str = ""

    @property
    def scores(self) -> list[Replicate]:
        """What the statistics take."""
        return [cell.scores for cell in self.cells]


def outcome_of(
    file: SweepFile,
    plan: Plan,
    axes: Sequence[StudyAxis],
    scored: Sequence[ScoredArm],
    bases: Sequence[int | None],
    curve_axis: str,
    facts: dict[str, object],
) -> Outcome:
    """The table of a sweep.

    Args:
        scored: One an arm of the plan.
        bases: Position of the arm that each is compared with, None for none.
        curve_axis: Axis that is chosen on validation, "" if none.
        facts: Kept beside the table.
    """
    sweep = file.sweep
    titles = [each.arm.title for each in scored]
    best, tied = _marks(file, scored)
    compared = _comparisons(file, scored, bases, titles)
    used = _stages_of(plan)
    rows = [
        _row(file, each, at, used[at], compared.get(at), best == at, at in tied)
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
    if any("share" in row.cells for row in rows):
        metrics.append("share")
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
        facts=facts,
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
    at: int,
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
    metrics = list(dict.fromkeys([*sweep.metrics, sweep.primary]))
    table = replicate_scores(scored.scores, metrics)
    chosen = pd.DataFrame(
        [dict(zip(KEYS, cell.scores.key, strict=True)) | cell.chosen for cell in scored.cells]
    )
    table = table.merge(chosen, on=KEYS)
    cells = {name: _cell(file, scored, table, name) for name in metrics}
    if "share" in table:
        cells["share"] = cell_of(table[KEYS].assign(value=table["share"]))
    return ArmOutcome(
        key=key,
        params=params,
        cells=cells,
        replicates=table,
        curve=scored.curve,
        stages=stages,
        comparison=comparison,
        best=best,
        tied=tied,
    )


def _cell(file: SweepFile, scored: ScoredArm, table: pd.DataFrame, metric: str) -> Cell:
    interval = patient_interval(scored.scores, metric, resamples=file.sweep.resamples // 5)
    return cell_of(table[KEYS].assign(value=table[metric]), low=interval.low, high=interval.high)


def _marks(file: SweepFile, scored: Sequence[ScoredArm]) -> tuple[int | None, set[int]]:
    """Best arm and those not distinguishable from it, among arms scored on the same units."""
    groups: dict[str, list[int]] = {}
    for at, each in enumerate(scored):
        if each.cells:
            groups.setdefault(_same_units(each), []).append(at)
    if len(groups) != 1:
        return None, set()
    arms = {str(at): scored[at].scores for at in next(iter(groups.values()))}
    if len(arms) < 2:
        return None, set()
    best, tied = best_and_tied(arms, file.sweep.primary, permutations=file.sweep.resamples)
    return int(best), {int(at) for at in tied}


def _same_units(scored: ScoredArm) -> str:
    return digest_of([[*cell.scores.key, *cell.units.tolist()] for cell in scored.cells])


def _comparisons(
    file: SweepFile,
    scored: Sequence[ScoredArm],
    bases: Sequence[int | None],
    titles: Sequence[str],
) -> dict[int, Comparison]:
    pairs = [
        (at, base)
        for at, base in enumerate(bases)
        if base is not None
        and base != at
        and scored[at].cells
        and scored[base].cells
        and _same_units(scored[at]) == _same_units(scored[base])
    ]
    family = [Contrast(titles[base], scored[at].scores, scored[base].scores) for at, base in pairs]
    found = comparisons(
        family,
        file.sweep.primary,
        margin=file.sweep.margin,
        resamples=file.sweep.resamples // 5,
        permutations=file.sweep.resamples,
    )
    return {at: each for (at, _), each in zip(pairs, found, strict=True)}


def _notes(file: SweepFile, plan: Plan, scored: Sequence[ScoredArm]) -> list[str]:
    replicates = plan.replicates
    splits = len({(r.repeat, r.fold) for r in replicates})
    seeds = len({r.seed for r in replicates})
    by = file.sweep.splits.by
    parts = f"{_counted(splits, 'split')} by {by} x {_counted(seeds, 'seed')}"
    notes = [f"{_counted(len(replicates), 'replicate')}: {parts}."]
    whole = next((each for each in scored if each.cells), None)
    if whole is not None:
        patients = {str(name) for cell in whole.cells for name in cell.scores.patients}
        counts = [len(cell.scores.labels) for cell in whole.cells]
        malignant = np.mean([float((cell.scores.labels > 0).mean()) for cell in whole.cells])
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


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count != 1 else "")
