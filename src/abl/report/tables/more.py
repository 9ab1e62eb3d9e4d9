"""What stands behind the ablation table: every replicate, subgroups of the tests, one image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from abl.data.dataset import UNIT_LABEL
from abl.data.manifest import COMPUTED, PATHS
from abl.data.tables.words import unknown_words
from abl.data.train_labels import TRAIN_LABEL
from abl.decide.intervals import RESAMPLES, cell_of, patient_interval
from abl.decide.metric_names import metric_named
from abl.decide.replicates import KEYS, replicate_scores
from abl.errors import InputError, nearest
from abl.plan.outcome import Outcome
from abl.report.labels import counted, label_in, letters, one_line, with_unit
from abl.report.named import axis_in, headed, value_in
from abl.report.numbers import scale_of
from abl.report.prediction_frames import arm_tests, probability_columns, scored_replicates
from abl.report.tables.model import (
    Column,
    Note,
    Table,
    TableCell,
    interval_column,
    item,
    number_column,
    table_from,
    text_column,
)

FEW_IN_GROUP = 10
FEWEST_FOR_INTERVAL = 5
MOST_GROUPS = 8
UNKNOWN = "unknown"
# columns of a data set that make no groups of images: names of files, and what is computed
_NO_GROUPS = frozenset({"image", TRAIN_LABEL, UNIT_LABEL, *PATHS, *COMPUTED})


def replicates_table(
    outcome: Outcome, *, per_cent: bool = True, decimals: int | None = None
) -> Table:
    """Every arm on every replicate: metrics, and what was chosen on validation."""
    done = [arm for arm in outcome.arms if not arm.failed]
    failed = [arm for arm in outcome.arms if arm.failed]
    marks = {arm.key: letters(at) for at, arm in enumerate(failed)}
    found = dict.fromkeys(str(name) for arm in done for name in arm.replicates.columns)

    def why(row: Mapping[str, Any]) -> TableCell | str:
        arm = row["arm"]
        return TableCell("failed", (marks[arm.key],)) if arm.failed else str(int(row[KEYS[0]]))

    def measured(name: str) -> Column:
        values = [v for arm in done if name in arm.replicates for v in arm.replicates[name]]
        scale = scale_of(name, values, per_cent=per_cent, decimals=decimals)
        label, value = with_unit(label_in(outcome, name), scale.unit), item(name, math.nan, float)

        def cell(row: Mapping[str, Any]) -> str:
            # what an arm has no need to choose is left blank
            return scale.number(value(row)) if name in row else ""

        return Column(label, True, cell, {name: value})

    first, *others = (number_column(key, value=item(key, 0, int)) for key in KEYS)
    metrics = [measured(name) for name in found if name not in KEYS]
    rows: list[dict[Any, Any]] = []
    for arm in outcome.arms:
        each = [{}] if arm.failed else arm.replicates.sort_values(KEYS).to_dict("records")
        rows += [{**values, "arm": arm} for values in each]
    return table_from(
        f"{outcome.name}-replicates",
        headed(outcome, "every replicate"),
        [
            *(_of_arm(outcome, axis) for axis in outcome.axes),
            replace(first, cell=why),
            *others,
            *metrics,
        ],
        rows,
        axis_count=len(outcome.axes) + len(KEYS),
        notes=[Note(marks[arm.key], f"failed: {one_line(arm.failed)}") for arm in failed],
        in_csv=lambda row: not row["arm"].failed,
    )


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
        metric: Default: the primary one.

    Raises:
        InputError: No such column or metric, a unit that is there twice, or no predictions.
    """
    chosen = metric_named(metric or outcome.primary)
    groups = _groups_of(outcome, predictions, metadata, column)
    parts: list[dict[str, Any]] = []
    for arm in outcome.arms:
        rows = arm_tests(predictions, arm.key)
        group = rows["unit"].map(groups)
        for name in groups.cat.categories:
            part = rows[(group == name).to_numpy()]
            if len(part):
                known = _group_row(part, chosen.name, resamples)
                parts.append({"arm": arm, "group": str(name), **known})
    scale = scale_of(
        chosen.name, [each["mean"] for each in parts], per_cent=per_cent, decimals=decimals
    )
    label = label_in(outcome, chosen.name)
    mean, undefined = item("mean"), item("undefined")

    # of three classes none is the positive one
    several = len(probability_columns(predictions)) > 2

    def few(row: Mapping[str, Any]) -> bool:
        return bool(row["patients"] < FEW_IN_GROUP)

    def group_cell(row: Mapping[str, Any]) -> TableCell:
        return TableCell(one_line(row["group"]), ("a",) * few(row))

    def mean_cell(row: Mapping[str, Any]) -> TableCell:
        total = int(row["count"]) + int(undefined(row))
        known = f" ({row['count']} of {counted(total, 'replicate')})" if undefined(row) else ""
        return TableCell(scale.number(mean(row)) + known)

    columns = [
        *(_of_arm(outcome, axis) for axis in outcome.axes),
        Column(one_line(column), False, group_cell, {column: item("group")}),
        number_column("patients"),
        number_column("units"),
        *([] if several else [number_column("positive", _rounded_share, "positive, %")]),
        Column(with_unit(label, scale.unit), True, mean_cell, {f"{chosen.name}_mean": mean}),
        interval_column(scale, f"{label} 95 % interval", f"{chosen.name}_"),
        Column("", True, raw={f"{chosen.name}_undefined": undefined}),
    ]
    notes = [
        Note("", "Exploratory: 95 % intervals, no tests, nothing corrected."),
        Note("", "Patients and units counted over the test sets of all replicates."),
    ]
    if any(map(few, parts)):
        notes.append(Note("a", f"under {FEW_IN_GROUP} patients: too few to conclude from"))
    if any(map(undefined, parts)):
        notes.append(Note("", "Of replicates: in the others the metric is undefined."))
    title = headed(outcome, f"{label} by {one_line(column)}")
    axis_count = len(outcome.axes) + 1
    name = f"{outcome.name}-{chosen.name}-{column}"
    return table_from(name, title, columns, parts, axis_count=axis_count, notes=notes)


def _rounded_share(share: float) -> str:
    return f"{100 * share:.0f}"


def _group_row(part: pd.DataFrame, metric: str, resamples: int) -> dict[str, Any]:
    """What is known of an arm on one group of the test units."""
    replicates = scored_replicates(part)
    values = replicate_scores(replicates, [metric]).rename(columns={metric: "value"})
    undefined = values["value"].isna().tolist()
    defined = [each for each, gone in zip(replicates, undefined, strict=True) if not gone]
    cell, patients = cell_of(values), part["patient"].nunique()
    if patients >= FEWEST_FOR_INTERVAL and defined:
        interval = patient_interval(defined, metric, resamples=resamples)
        cell = replace(cell, low=interval.low, high=interval.high)
    units = part["unit"].nunique()
    positive = float((part.drop_duplicates("unit")["label"] > 0).mean())
    return {"patients": patients, "units": units, "positive": positive, **vars(cell)}


def _groups_of(
    outcome: Outcome, predictions: pd.DataFrame, metadata: pd.DataFrame, column: str
) -> pd.Series:
    """Group of each unit, an ordered categorical; `unknown` last, where the metadata say nothing.

    Quartiles are those of the units that were tested.
    """
    if predictions.empty:
        raise InputError(f"{outcome.name} kept no predictions: run `abl sweep` again")
    if column not in metadata:
        offered = [name for name in map(str, metadata.columns) if name not in _NO_GROUPS]
        hint = nearest(column, offered)
        raise InputError(f"subgroup '{column}': the metadata have no such column; {hint}")
    if metadata.index.has_duplicates:
        twice = metadata.index[metadata.index.duplicated()][0]
        raise InputError(f"metadata: '{twice}' is there twice")
    tested = predictions.loc[predictions["role"] == "test", "unit"].unique()
    values = metadata[column].reindex(tested)
    texts = values.astype(str).str.strip()
    values = values.mask(texts.isin(unknown_words(texts.dropna())))
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


def _of_arm(outcome: Outcome, axis: str) -> Column:
    """The value of an axis of a row's arm."""
    write = partial(value_in, outcome, axis)
    value = item("arm")
    label = axis_in(outcome, axis)
    return text_column(axis, label, lambda row: value(row).params.get(axis, ""), write)


def image_table(
    history: pd.DataFrame,
    networks: Mapping[str, str],
    classes: Sequence[str],
    *,
    name: str,
    image: str,
    decimals: int | None = None,
) -> Table:
    """What every network said of one image: one row a network and role.

    Args:
        history: As `image_history` gives it.
        networks: Digest -> label of the network.
        name: Of the sweep.
    """
    p = [str(column) for column in history.columns if str(column).startswith("p_")]
    titles = [classes[at] if at < len(classes) else str(at) for at in range(len(p))]
    write = f"{{:.{3 if decimals is None else decimals}f}}".format
    rows = []
    for row in history.to_dict("records"):
        largest = titles[max(range(len(p)), key=lambda at: (float(row[p[at]]), at))]
        network = networks.get(str(row["network"]), str(row["network"])[:12])
        rows.append({**row, "network": network, "class": largest})
    columns = [
        text_column("network"),
        text_column("role"),
        *(number_column(name, write, f"P({title})") for name, title in zip(p, titles, strict=True)),
        text_column("class", "largest"),
    ]
    title = f"{one_line(name)}: {one_line(image)} in {history['network'].nunique()} networks"
    note = (
        "P: averaged over the epochs that a network keeps. Role train: it was trained on the image."
    )
    return table_from(f"{name}-image", title, columns, rows, notes=[note])
