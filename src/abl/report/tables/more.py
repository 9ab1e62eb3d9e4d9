"""What stands behind the ablation table: every replicate, and subgroups of the test units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from abl.decide.cells import cell_of
from abl.decide.intervals import RESAMPLES, patient_interval
from abl.decide.metrics import metric_named
from abl.decide.replicates import KEYS, replicate_scores
from abl.errors import InputError, nearest
from abl.plan.outcome import ArmOutcome, Cell, Outcome
from abl.report.labels import (
    letters,
    metric_label,
    one_line,
    scale_of,
    value_label,
    with_unit,
)
from abl.report.prediction_frames import arm_tests, replicates_of
from abl.report.tables.model import Field, Note, Raw, Table, TableCell, plain_table

FEW_IN_GROUP = 10
FEWEST_FOR_INTERVAL = 5
MOST_GROUPS = 8
UNKNOWN = "unknown"


def replicates_table(
    outcome: Outcome, *, per_cent: bool = True, decimals: int | None = None
) -> Table:
    """Every arm on every replicate: metrics, and what was chosen on validation."""
    done = [arm for arm in outcome.arms if not arm.failed]
    found = dict.fromkeys(str(name) for arm in done for name in arm.replicates.columns)
    measured = [name for name in found if name not in KEYS]
    columns = {
        name: [v for arm in done if name in arm.replicates for v in arm.replicates[name].tolist()]
        for name in measured
    }
    scales = {
        name: scale_of(name, values, per_cent=per_cent, decimals=decimals)
        for name, values in columns.items()
    }
    fields = [
        *(Field(axis, one_line(axis), False) for axis in outcome.axes),
        *(Field(key, key) for key in KEYS),
        *(Field(name, with_unit(metric_label(name), scales[name].unit)) for name in measured),
    ]
    shown: list[Sequence[TableCell]] = []
    raw: list[Sequence[Raw]] = []
    notes: list[Note] = []
    for arm in outcome.arms:
        words = _axis_cells(outcome, arm)
        if arm.failed:
            mark = letters(len(notes))
            notes.append(Note(mark, f"failed: {one_line(arm.failed)}"))
            words = [*words, TableCell("failed", (mark,))]
            shown.append([*words, *[TableCell("")] * (len(fields) - len(words))])
            continue
        for row in arm.replicates.sort_values(KEYS).to_dict("records"):
            keys = [int(row[key]) for key in KEYS]
            values = [float(row.get(name, math.nan)) for name in measured]
            # what an arm has no need to choose is left blank
            numbers = [
                TableCell(scales[name].number(value) if name in row else "")
                for name, value in zip(measured, values, strict=True)
            ]
            shown.append([*words, *(TableCell(str(key)) for key in keys), *numbers])
            raw.append([*_axis_values(outcome, arm), *keys, *values])
    title = f"{_title(outcome)}: every replicate"
    axis_count = len(outcome.axes) + len(KEYS)
    return plain_table(outcome.name, title, fields, shown, raw, axis_count=axis_count, notes=notes)


def subgroup_table(
    outcome: Outcome,
    predictions: pd.DataFrame,
    metadata: pd.DataFrame,
    column: str,
    metric: str = "",
    *,
    per_cent: bool = True,
    decimals: int | None = None,
    resamples: int = RESAMPLES,
) -> Table:
    """A metric of every arm by groups of the test units, with intervals by patients; no tests.

    Args:
        predictions: Of the arms: arm, repeat, fold, seed, role, unit, label, patient, p_0, ....
        metadata: Indexed by unit. Numbers with more than 8 values are cut at their quartiles.
        column: Of the metadata.
        metric: Default: the primary one.
        resamples: Bootstrap draws of an interval.

    Raises:
        InputError: No such column or metric, a unit that is there twice, or no predictions.
    """
    chosen = metric_named(metric or outcome.primary)
    groups = _groups_of(outcome, predictions, metadata, column)
    parts = []
    for arm in outcome.arms:
        rows = arm_tests(predictions, arm.key)
        group = rows["unit"].map(groups)
        for name in groups.cat.categories:
            part = rows[(group == name).to_numpy()]
            if len(part):
                parts.append((arm, str(name), part, _cell(part, chosen.name, resamples)))
    means = [cell.mean for *_, cell in parts]
    scale = scale_of(chosen.name, means, per_cent=per_cent, decimals=decimals)
    label = metric_label(chosen.name)
    fields = [
        *(Field(axis, one_line(axis), False) for axis in outcome.axes),
        Field(column, one_line(column), False),
        Field("patients", "patients"),
        Field("units", "units"),
        Field("positive", "positive, %"),
        Field(chosen.name, with_unit(label, scale.unit)),
        Field("interval", f"{label} 95 % interval"),
    ]
    shown: list[Sequence[TableCell]] = []
    raw: list[Sequence[Raw]] = []
    for arm, name, part, cell in parts:
        patients, units = part["patient"].nunique(), part["unit"].nunique()
        positive = float((part.drop_duplicates("unit")["label"] > 0).mean())
        shown.append(
            [
                *_axis_cells(outcome, arm),
                TableCell(one_line(name), ("a",) if patients < FEW_IN_GROUP else ()),
                TableCell(str(patients)),
                TableCell(str(units)),
                TableCell(f"{100 * positive:.0f}"),
                TableCell(scale.number(cell.mean), ("b",) if cell.undefined else ()),
                TableCell(scale.interval(cell.low, cell.high)),
            ]
        )
        numbers = [cell.mean, cell.low, cell.high, cell.undefined]
        raw.append([*_axis_values(outcome, arm), name, patients, units, positive, *numbers])
    ends = [f"{chosen.name}_{part}" for part in ("mean", "low", "high", "undefined")]
    return plain_table(
        outcome.name,
        f"{_title(outcome)}: {label} by {one_line(column)}",
        fields,
        shown,
        raw,
        axis_count=len(outcome.axes) + 1,
        notes=_subgroup_notes(shown),
        raw_columns=[*outcome.axes, column, "patients", "units", "positive", *ends],
    )


def _groups_of(
    outcome: Outcome, predictions: pd.DataFrame, metadata: pd.DataFrame, column: str
) -> pd.Series:
    """Group of each unit, an ordered categorical; `unknown` last, where the metadata say nothing.

    Quartiles are those of the units that were tested.
    """
    if predictions.empty:
        raise InputError(f"{outcome.name} kept no predictions: run `abl sweep` again")
    if column not in metadata:
        hint = nearest(column, map(str, metadata.columns))
        raise InputError(f"subgroup '{column}': the metadata have no such column; {hint}")
    if metadata.index.has_duplicates:
        twice = metadata.index[metadata.index.duplicated()][0]
        raise InputError(f"metadata: '{twice}' is there twice")
    tested = predictions.loc[predictions["role"] == "test", "unit"].unique()
    values = metadata[column].reindex(tested)
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_GROUPS:
        ranges = pd.qcut(values.astype(np.float64), 4, duplicates="drop")
        names = {each: f"{each.left:.4g} to {each.right:.4g}" for each in ranges.cat.categories}
        order = list(dict.fromkeys(names.values()))
        named = ranges.astype(object).map(names)
    else:
        order = [_name(value) for value in sorted(values.dropna().unique())]
        named = values.map(_name, na_action="ignore")
    dtype = pd.CategoricalDtype([*order, *([] if UNKNOWN in order else [UNKNOWN])], ordered=True)
    return named.astype(object).fillna(UNKNOWN).astype(dtype)


def _name(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _cell(part: pd.DataFrame, metric: str, resamples: int) -> Cell:
    replicates = replicates_of(part)
    values = replicate_scores(replicates, [metric]).rename(columns={metric: "value"})
    undefined = values["value"].isna().tolist()
    defined = [each for each, gone in zip(replicates, undefined, strict=True) if not gone]
    if part["patient"].nunique() < FEWEST_FOR_INTERVAL or not defined:
        return cell_of(values)
    interval = patient_interval(defined, metric, resamples=resamples)
    return cell_of(values, low=interval.low, high=interval.high)


def _subgroup_notes(shown: Sequence[Sequence[TableCell]]) -> list[Note]:
    marks = {mark for row in shown for cell in row for mark in cell.marks}
    notes = [
        Note("", "Exploratory: intervals by resampling patients, no tests, nothing corrected."),
        Note("", "Patients and units counted over the test sets of all replicates."),
    ]
    if "a" in marks:
        notes.append(Note("a", f"under {FEW_IN_GROUP} patients: too few to conclude from"))
    if "b" in marks:
        notes.append(Note("b", "undefined in some replicates, which are left out"))
    return notes


def _axis_values(outcome: Outcome, arm: ArmOutcome) -> list[Raw]:
    return [arm.params.get(axis, "") for axis in outcome.axes]


def _axis_cells(outcome: Outcome, arm: ArmOutcome) -> list[TableCell]:
    return [TableCell(value_label(arm.params.get(axis, ""))) for axis in outcome.axes]


def _title(outcome: Outcome) -> str:
    return one_line(outcome.title) or one_line(outcome.name)
