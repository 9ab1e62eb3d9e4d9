"""From scored replicates to the table: cells, intervals, marks, and what the data is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from abl.data.splits.groups import kept_together
from abl.decide.intervals import FEW_PATIENTS, cell_of, patient_interval
from abl.decide.metric_names import metric_named
from abl.decide.optimism import optimism_of
from abl.decide.replicates import KEYS, Scores, replicate_scores
from abl.plan.facts import Facts
from abl.plan.graph import Arm, Plan, Replicate
from abl.plan.outcome import OPTIMISM, ArmOutcome, Cell, Outcome
from abl.plan.stage import digest_of
from abl.report.labels import counted
from abl.report.named import planned_words
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData, Workspace
from abl.studies.contract import StudyAxis
from abl.studies.shared.analysis import ScoredArm
from abl.studies.shared.arms import Relevant, base_position, base_values, named_contrasts
from abl.studies.shared.contrasts import (
    comparison_rows,
    corrected_t,
    family_of,
    marks,
    tested_apart,
)
from abl.studies.shared.controls import without_verdicts


def scored_outcome(
    file: SweepFile,
    plan: Plan,
    workspace: Workspace,
    axes: tuple[StudyAxis, ...],
    relevant: Relevant,
    scored: Sequence[ScoredArm],
    *,
    curve_axis: str = "",
    study: Mapping[str, Any],
    control: Callable[[Arm], str] = lambda arm: "",
) -> Outcome:
    """The table of a sweep: every arm against its base, the contrasts that the file names, and what
    its data is.

    Args:
        axes, relevant: The study's own axes, and which of them matter to an arm.
        scored: One an arm of the plan.
        curve_axis: Axis that is chosen on validation, "" if none.
        control: The study's `control`: how an arm used labels of the test set.
    """
    sweep = file.sweep
    base = base_values(file, axes)
    bases = [
        None if base is None else base_position(arm, plan.arms, base, relevant) for arm in plan.arms
    ]
    # cells first: each is the arm's own, whatever it is compared with
    rows = [
        _row(sweep, each, tuple(dict.fromkeys(d for cell in cells for d in cell.uses.values())))
        for each, cells in zip(scored, plan.cells_by_arm(), strict=True)
    ]
    controls = {at: why for at, arm in enumerate(plan.arms) if (why := control(arm))}
    contenders = [each.contender for each in scored]
    best, tied = marks(sweep, contenders, controls)
    to_base = [(at, base) for at, base in enumerate(bases) if base is not None]
    pairs = [*to_base, *named_contrasts(file, axes, plan.arms, relevant)]
    family = family_of(sweep, contenders, pairs)
    words = planned_words(plan.arms, sweep.name, sweep.labels)
    apart = [
        (words[at], words[other])
        for at, other in dict.fromkeys(pairs)
        if contenders[at].scores and contenders[other].scores
        if contenders[at].units != contenders[other].units
    ]
    family = without_verdicts(family, controls)
    opened, first = workspace.data(sweep.data), plan.replicates[0]
    trained = training_patients(sweep, opened, first)
    tests = [
        row | corrected_t(sweep.primary, contenders[at], contenders[base], trained)
        for (at, base), row in zip(family, comparison_rows(contenders, family), strict=True)
    ]
    rows = [
        row
        if row.failed
        else replace(
            row, comparison=family.get((at, bases[at] or 0)), best=best == at, tied=at in tied
        )
        for at, row in enumerate(rows)
    ]
    names = [axis.name for axis in axes]
    present = {axis for each in scored for axis in each.arm.named}
    columns = [axis for axis in names if axis in present]
    columns += [axis for axis in sweep.axes if axis in present and axis not in names]
    columns += _telling([arm.named for arm in plan.arms], columns)
    if curve_axis in columns:  # arms that choose their value stand beside arms that name theirs
        rows = [
            row
            if curve_axis in row.params or curve_axis not in row.replicates
            else replace(row, params={**row.params, curve_axis: "chosen"})
            for row in rows
        ]
    metrics = list(sweep.metrics)
    if sweep.primary not in metrics:
        metrics.insert(0, sweep.primary)
    metrics += [m for m in ("share", "optimism") if any(m in row.cells for row in rows)]
    return Outcome(
        name=sweep.name,
        key=digest_of(
            [
                # what it is called changes nothing of what was found
                sweep.model_dump(mode="json", by_alias=True, exclude={"labels", "pictures"}),
                [row.key for row in rows],
            ]
        ),
        study=sweep.study,
        title=sweep.title,
        axes=tuple(columns),
        metrics=tuple(metrics),
        primary=sweep.primary,
        curve_axis=curve_axis,
        arms=tuple(rows),
        notes=(
            *_notes(file, plan, scored, opened.dataset.clusters),
            *(f"{note}." for note in tested_apart(apart)),
        ),
        facts=Facts(
            data=data_rows(sweep, opened, first),
            training_patients=trained,
            protocol=sweep.protocol,
            study=study,
            labels=sweep.labels,
            tests=tests,
            controls={rows[at].key: why for at, why in controls.items()},
        ),
    )


def _row(sweep: Sweep, scored: ScoredArm, stages: tuple[str, ...]) -> ArmOutcome:
    params = scored.arm.named
    every = sorted((axis, str(value)) for axis, value in scored.arm.params.items())
    key = digest_of([sweep.study, every, stages])
    if scored.failed:
        empty = pd.DataFrame(columns=[*KEYS, *sweep.metrics])
        return ArmOutcome(key, params, {}, empty, stages=stages, failed=scored.failed)
    by = metric_named(sweep.select_by or sweep.primary).name
    metrics = list(dict.fromkeys([*sweep.metrics, sweep.primary, by]))
    table, cells = scored_cells(scored.scores, metrics, sweep.resamples)
    chosen = pd.DataFrame(
        [dict(zip(KEYS, cell.key, strict=True)) | cell.chosen for cell in scored.cells]
    )
    table = table.merge(chosen, on=KEYS)
    if "share" in table:
        cells["share"] = cell_of(table[KEYS].assign(value=table["share"]))
    if f"validation_{by}" in table:
        cells["optimism"] = optimism_of(table, table[f"validation_{by}"], table[by]).gap
    return ArmOutcome(
        key=key,
        params=params,
        cells=cells,
        replicates=table,
        curve=scored.curve,
        test_curve=scored.test_curve,
        stages=stages,
    )


def scored_cells(
    scores: Sequence[Scores], metrics: Sequence[str], resamples: int
) -> tuple[pd.DataFrame, dict[str, Cell]]:
    """Metrics of an arm by replicate (repeat, fold, seed, one column each), and as cells."""
    table = replicate_scores(scores, metrics)
    cells = {}
    for name in metrics:
        interval = patient_interval(scores, name, resamples=resamples // 5)
        values = table[KEYS].assign(value=table[name])
        cells[name] = cell_of(values, low=interval.low, high=interval.high)
    return table, cells


def _notes(file: SweepFile, plan: Plan, scored: Sequence[ScoredArm], word: str) -> list[str]:
    """What the replicates and test sets are; `word`: what splits keep together."""
    sweep, replicates = file.sweep, plan.replicates
    splits = len({(r.repeat, r.fold) for r in replicates})
    seeds = len({r.seed for r in replicates})
    by = sweep.splits.by if sweep.splits.by != "patient" else word
    parts = f"{counted(splits, 'split')} by {by} × {counted(seeds, 'seed')}"
    notes = [f"{counted(len(replicates), 'replicate')}: {parts}."]
    metric = sweep.select_by or sweep.primary
    chosen = {name for each in scored for cell in each.cells for name in cell.chosen}
    if f"validation_{metric_named(metric).name}" in chosen:
        label = metric_named(metric).label
        said = f"{label} on validation, where T* was chosen, less {label} on test."
        notes.append(f"{OPTIMISM}{said}")
    whole = next((each for each in scored if each.cells), None)
    if whole is not None:
        patients = {str(name) for cell in whole.cells for name in cell.test.patients}
        counts = [len(cell.test.labels) for cell in whole.cells]
        low, high = min(counts), max(counts)
        notes.append(
            f"Test sets: {low if low == high else f'{low}–{high}'} {sweep.data.unit}s a replicate, "
            f"{_shares(sweep, whole)}; {len(patients)} {word}s in all."
        )
        if len(patients) < FEW_PATIENTS:
            notes.append(f"Few {word}s (under {FEW_PATIENTS}): intervals are wide.")
    return notes


def _shares(sweep: Sweep, scored: ScoredArm) -> str:
    """`40 % positive`, or the share of each class where there are more than two."""
    classes = sweep.data.classes
    shares = np.mean(
        [
            np.bincount(cell.test.labels, minlength=len(classes)) / len(cell.test.labels)
            for cell in scored.cells
        ],
        axis=0,
    )
    if len(classes) == 2:
        return f"{100 * shares[1]:.0f} % positive"
    named = zip(classes, shares.tolist(), strict=True)
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in named)


def data_rows(sweep: Sweep, opened: OpenData, replicate: Replicate) -> list[dict[str, Any]]:
    """One row a (role, centre) of one replicate's split: patients, images, images by class.

    Two classes have a prevalence; of three there is no positive one.
    """
    frame, classes = opened.dataset.frame, opened.dataset.classes
    split = opened.split(sweep.splits, replicate.repeat, replicate.fold)
    rows = []
    for role, positions in split.items():
        part = frame.iloc[positions]
        centres = part["centre"].astype(str) if "centre" in part else pd.Series("", part.index)
        for centre, members in part.groupby(centres, sort=True):
            counts = members["label"].value_counts()
            rows.append(
                {
                    "role": role,
                    "centre": str(centre),
                    "patients": int(members["patient"].nunique()),
                    "images": len(members),
                    **{name: int(counts.get(at, 0)) for at, name in enumerate(classes)},
                    **(
                        {"prevalence": float((members["label"] > 0).mean())}
                        if len(classes) == 2
                        else {}
                    ),
                }
            )
    return rows


def training_patients(sweep: Sweep, opened: OpenData, replicate: Replicate) -> int:
    """Patients of the training part, those that groups join counted as one."""
    train = opened.split(sweep.splits, replicate.repeat, replicate.fold).train
    return len(np.unique(kept_together(opened.dataset.frame)[train]))


def _telling(named: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    """Settings of arm blocks alone that arms need to be told apart, beside the columns.

    Of settings that change together with a column, as the size of images with the network, none.
    """
    found: list[str] = []
    for axis in dict.fromkeys(axis for arm in named for axis in arm if axis not in columns):
        values: dict[tuple[Any, ...], set[Any]] = {}
        for arm in named:
            key = tuple(str(arm.get(each, "")) for each in (*columns, *found))
            values.setdefault(key, set()).add(str(arm.get(axis, "")))
        if any(len(each) > 1 for each in values.values()):
            found.append(axis)
    return found
