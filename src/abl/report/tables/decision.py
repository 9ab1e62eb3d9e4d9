"""Decisions side by side: what each sets, sends on and scores, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np

from abl.report.labels import metric_label, with_unit
from abl.report.numbers import NOTHING, Scale, scale_of
from abl.report.tables.model import Column, Raw, Table, table_from, text_column

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

    def told(self, metric: str) -> dict[str, float]:
        """mean, sd, low and high of a metric; nan where there is none."""
        mean, sd = mean_and_sd(self.values.get(metric, ()))
        low, high = self.intervals.get(metric, (math.nan, math.nan))
        return {"mean": mean, "sd": sd, "low": low, "high": high}


def decision_table(
    rows: Sequence[DecisionRow],
    metrics: Sequence[str],
    notes: Sequence[str],
    *,
    title: str,
    classes: int,
) -> Table:
    """A table of decisions; with several folds mean ± sd, and the median setting with its range.

    A metric that no row has is left out.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.settings))
    shown = [name for name in metrics if any(name in row.values for row in rows)]
    chosen_by = next((row.chosen_by for row in rows if row.chosen_by), "")
    scales = {
        name: scale_of(name, [v for row in rows for v in row.values.get(name, ())], per_cent=True)
        for name in shown
    }
    columns = [
        text_column("decision", value=attrgetter("label")),
        *map(_setting_column, names),
        _fold_column("sent on, %", attrgetter("share"), lambda v: f"{100 * v:.1f}", "share"),
    ]
    if chosen_by:
        by = scale_of(chosen_by, [v for row in rows for v in row.chosen_at], per_cent=True)
        said = with_unit(f"{metric_label(chosen_by, classes)} on validation", by.unit)
        at = f"{chosen_by}_chosen_at"
        columns.append(_fold_column(said, attrgetter("chosen_at"), by.number, at))
    columns += [_metric_column(name, scales[name], classes) for name in shown]
    return table_from("decide", title, columns, rows, notes=notes)


def _setting_column(name: str) -> Column:
    def raw(row: DecisionRow) -> Raw:
        return _middle(row.settings[name]) if name in row.settings else ""

    def cell(row: DecisionRow) -> str:
        return _setting(row.settings.get(name, ()))

    return Column(decision_setting_label(name), True, cell, {name: raw})


def _fold_column(
    label: str,
    values: Callable[[DecisionRow], Sequence[float]],
    write: Callable[[float], str],
    name: str,
) -> Column:
    raw = {name: lambda row: mean_and_sd(values(row))[0]}
    return Column(label, True, lambda row: _mean_sd(values(row), write), raw)


def _metric_column(name: str, scale: Scale, classes: int) -> Column:
    def cell(row: DecisionRow) -> str:
        text = _mean_sd(row.values.get(name, ()), scale.number)
        # with folds the table shows ± sd; JSON and CSV hold the interval too
        if name in row.intervals and len(row.share) == 1:
            text += " " + scale.interval(*row.intervals[name])
        return text

    def raw(part: str) -> Callable[[DecisionRow], float]:
        return lambda row: row.told(name)[part]

    parts = ("mean", "sd", "low", "high")
    label = with_unit(metric_label(name, classes), scale.unit)
    return Column(label, True, cell, {f"{name}_{part}": raw(part) for part in parts})


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
        told = {part: plain((value,))[0] for part, value in row.told(name).items()}
        facts["metrics"][name] = {**told, "folds": plain(values)}
    return facts


def decision_setting_label(name: str) -> str:
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


def _setting(values: Sequence[float]) -> str:
    if not values:
        return NOTHING
    middle, low, high = (
        "always" if math.isinf(value) else f"{value:.4g}"
        for value in (_middle(values), min(values), max(values))
    )
    return low if min(values) == max(values) else f"{middle} [{low}, {high}]"


def _middle(values: Sequence[float]) -> float:
    """A middle value that occurs: between a number and `always` there is none."""
    return float(np.quantile(values, 0.5, method="inverted_cdf"))


def _mean_sd(values: Sequence[float], write: Callable[[float], str]) -> str:
    """`84.2 ± 1.3`, and over how many folds where some have no value."""
    mean, sd = mean_and_sd(values)
    text = NOTHING if math.isnan(mean) else write(mean)
    text += "" if math.isnan(sd) else f" ± {write(sd)}"
    known = sum(not math.isnan(value) for value in values)
    if known == len(values) or len(values) == 1:
        return text
    return f"{text} ({known} of {len(values)} folds)"
