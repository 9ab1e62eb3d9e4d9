"""Decisions side by side: what each sets, sends on and scores, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from abl.report.labels import NOTHING, metric_label, scale_of, with_unit
from abl.report.tables.model import Column, Note, Raw, Table, TableCell

SETTING_LABELS = {
    "threshold": "T*",
    "weight": "weight of True",
    "cutoff": "cut-off",
    "false_threshold": "False T*",
}


@dataclass(frozen=True)
class DecisionRow:
    """One way to decide, over folds (or once, without).

    Attributes:
        label: Its name in the table.
        settings: What is set -> its value in each fold.
        share: Of the scored images, sent to the second network, in each fold.
        chosen_by: Metric it was chosen by on validation; "" if nothing was chosen.
        chosen_at: The value of that metric there, in each fold.
        values: Metric -> value on the scored images, in each fold.
        intervals: Metric -> ends of its 95 % interval, where there is one.
    """

    label: str
    settings: Mapping[str, tuple[float, ...]]
    share: tuple[float, ...]
    chosen_by: str = ""
    chosen_at: tuple[float, ...] = ()
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def decision_table(
    rows: Sequence[DecisionRow],
    metrics: Sequence[str],
    notes: Sequence[str],
    *,
    title: str,
    validation_label: str = "on validation",
) -> Table:
    """A table of decisions; with several folds mean ± sd, and the median setting with its range.

    Args:
        metrics: Columns of scores; a metric that no row has is left out.
        notes: Sentences under the table.
        validation_label: Follows the name of the metric that was chosen by.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.settings))
    shown = [name for name in metrics if any(name in row.values for row in rows)]
    chosen_by = next((row.chosen_by for row in rows if row.chosen_by), "")
    scales = {
        name: scale_of(name, [v for row in rows for v in row.values.get(name, ())], per_cent=True)
        for name in shown
    }
    columns = [Column("decision", False)]
    columns += [Column(setting_label(name), True) for name in names]
    columns += [Column("sent on, %", True)]
    if chosen_by:
        by = scale_of(chosen_by, [v for row in rows for v in row.chosen_at], per_cent=True)
        said = with_unit(f"{metric_label(chosen_by)} {validation_label}", by.unit)
        columns.append(Column(said, True))
    columns += [Column(with_unit(metric_label(name), scales[name].unit), True) for name in shown]
    cells = []
    for row in rows:
        line = [TableCell(row.label)]
        line += [TableCell(_setting(row.settings.get(name, ()))) for name in names]
        line.append(TableCell(_mean_sd([100 * value for value in row.share], "{:.1f}")))
        if chosen_by:
            line.append(TableCell(_mean_sd(row.chosen_at, by.number)))
        for name in shown:
            text = _mean_sd(row.values.get(name, ()), scales[name].number)
            # with folds the table shows ± sd; JSON and CSV hold the interval too
            if name in row.intervals and len(row.share) == 1:
                text += " " + scales[name].interval(*row.intervals[name])
            line.append(TableCell(text))
        cells.append(tuple(line))
    raw_columns, raw_rows = _raw(rows, names, shown, chosen_by)
    return Table(
        "decide", title, tuple(columns), 1, tuple(cells),
        tuple(Note("", text) for text in notes), raw_columns, raw_rows,
    )  # fmt: skip


def decision_facts(row: DecisionRow) -> dict[str, Any]:
    """A row as JSON: lists have a value a fold; infinity is "always", undefined null."""

    def plain(values: Sequence[float]) -> list[float | str | None]:
        return [
            None if math.isnan(value) else "always" if math.isinf(value) else value
            for value in values
        ]

    facts: dict[str, Any] = {
        "decision": row.label,
        "settings": {name: plain(values) for name, values in row.settings.items()},
        "share": plain(row.share),
    }
    if row.chosen_by:
        facts["chosen_by"] = row.chosen_by
        facts["chosen_at"] = plain(row.chosen_at)
    facts["metrics"] = {}
    for name, values in row.values.items():
        mean, sd = mean_and_sd(values)
        low, high = row.intervals.get(name, (math.nan, math.nan))
        told = dict(zip(("mean", "sd", "low", "high"), plain((mean, sd, low, high)), strict=True))
        facts["metrics"][name] = {**told, "folds": plain(values)}
    return facts


def setting_label(name: str) -> str:
    """`T*`, or `T* for 0` where each predicted class has its own."""
    kind, _, number = name.rpartition("_")
    if kind in SETTING_LABELS and number.isdigit():
        return f"{SETTING_LABELS[kind]} for {number}"
    return SETTING_LABELS.get(name, name)


def mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    """Over folds, those with an undefined value left out; sd has ddof = 1."""
    defined = np.array([value for value in values if not math.isnan(value)])
    mean = float(defined.mean()) if len(defined) else math.nan
    return mean, float(defined.std(ddof=1)) if len(defined) > 1 else math.nan


def setting_text(value: float) -> str:
    """A value of T*, a weight or a cut-off in a few digits."""
    return "always" if math.isinf(value) else f"{value:.4g}"


def _setting(values: Sequence[float]) -> str:
    if not values:
        return NOTHING
    low, high = min(values), max(values)
    if low == high:
        return setting_text(low)
    # a middle value that occurs: between a number and `always` there is none
    middle = float(np.quantile(values, 0.5, method="inverted_cdf"))
    return f"{setting_text(middle)} [{setting_text(low)}, {setting_text(high)}]"


def _mean_sd(values: Sequence[float], write: Any) -> str:
    if not values:
        return NOTHING
    number = write if callable(write) else write.format
    mean, sd = mean_and_sd(values)
    text = NOTHING if math.isnan(mean) else str(number(mean))
    return text if math.isnan(sd) else f"{text} ± {number(sd)}"


def _raw(
    rows: Sequence[DecisionRow], names: Sequence[str], metrics: Sequence[str], chosen_by: str
) -> tuple[tuple[str, ...], tuple[tuple[Raw, ...], ...]]:
    columns = ["decision", *names, "share"]
    if chosen_by:
        columns.append(f"{chosen_by}_chosen_at")
    for name in metrics:
        columns += [f"{name}_{part}" for part in ("mean", "sd", "low", "high")]
    lines = []
    for row in rows:
        line: list[Raw] = [row.label]
        line += [
            float(np.quantile(row.settings[name], 0.5, method="inverted_cdf"))
            if name in row.settings
            else ""
            for name in names
        ]
        line.append(mean_and_sd(row.share)[0])
        if chosen_by:
            line.append(mean_and_sd(row.chosen_at)[0])
        for name in metrics:
            line += [*mean_and_sd(row.values.get(name, ()))]
            line += [*row.intervals.get(name, (math.nan, math.nan))]
        lines.append(tuple(line))
    return tuple(columns), tuple(lines)
