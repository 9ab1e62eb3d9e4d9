"""Tables made of what an outcome keeps beside its arms: searches, tests, label noise, the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from abl.decide.decision import spread
from abl.decide.replicates import KEYS
from abl.plan.outcome import Outcome
from abl.report.labels import NOTHING, arm_label, metric_label, one_line, p_label, scale_of
from abl.report.tables.external import external_table
from abl.report.tables.model import Field, Note, Table, TableCell, plain_table
from abl.report.tables.searches import searches_table
from abl.report.tables.setup import data_table


def facts_tables(outcome: Outcome) -> dict[str, Table]:
    """Name (as `abl table --show` has it) -> table, of those that the outcome has facts for."""
    made = {
        "searches": searches_table(outcome),
        "tests": _tests_table(outcome),
        "choices": _choices_table(outcome),
        "noise": _noise_table(outcome),
        "data": _data_table(outcome),
        "external": external_table(outcome),
    }
    return {name: table for name, table in made.items() if table is not None}


def _tests_table(outcome: Outcome) -> Table | None:
    rows = _rows(outcome, "tests")
    if not rows:
        return None
    metric = metric_label(outcome.primary)
    scale = scale_of(outcome.primary, [row["difference"] for row in rows], per_cent=True)
    cross_validated = any("corrected_t_p" in row for row in rows)
    fields = [
        Field("arm", "arm", False),
        Field("base", "against", False),
        Field("difference", f"Δ {metric}" + (", points" if scale.unit else "")),
        Field("interval", "95 % interval"),
        Field("p", "P"),
        Field("p_corrected", "corrected P"),
        *([Field("corrected_t_p", "P, corrected t")] if cross_validated else []),
        Field("verdict", "verdict", False),
    ]
    shown = []
    for row in rows:
        numbers = [
            row["arm"],
            row["base"],
            scale.difference(row["difference"]),
            scale.interval(row["low"], row["high"]),
            p_label(row["p"]),
            p_label(row["p_corrected"]),
            *([p_label(row.get("corrected_t_p", math.nan))] if cross_validated else []),
            row["verdict"],
        ]
        shown.append([TableCell(one_line(str(text))) for text in numbers])
    notes = ["P: permutation of patients; corrected P: max-T over all contrasts of the table."]
    if cross_validated:
        notes.append(
            "Corrected t: t-test of means over splits whose training sets overlap, with variance "
            "factor 1/J + n_test/n_train (Nadeau, Bengio 2003)."
        )
    columns = ["arm", "base", "difference", "low", "high", "p", "p_corrected", "verdict"]
    columns += ["corrected_t_p"] if cross_validated else []
    return plain_table(
        f"{outcome.name}-tests",
        f"{one_line(outcome.title or outcome.name)}: every comparison",
        fields,
        shown,
        [[row.get(name, math.nan) for name in columns] for row in rows],
        axis_count=2,
        notes=[Note("", text) for text in notes],
        raw_columns=columns,
    )


def _choices_table(outcome: Outcome) -> Table | None:
    """Spread over the replicates of what was chosen, and of what it promised."""
    known = {*KEYS, *outcome.metrics}
    shown, raw = [], []
    for arm in outcome.arms:
        if arm.failed or not any(str(name).startswith("validation_") for name in arm.replicates):
            continue
        title = arm_label(arm.params, outcome.axes)
        chosen = arm.replicates.drop(columns=[n for n in arm.replicates if n in known])
        for row in spread(chosen).to_dict("records"):
            values = [row["median"], row["low"], row["high"]]
            shown.append([title, metric_label(row["name"]), *map(_number, values)])
            raw.append([title, row["name"], *values])
    if not shown:
        return None
    fields = [
        Field("arm", "arm", False),
        Field("chosen", "chosen", False),
        Field("median", "median"),
        Field("low", "smallest"),
        Field("high", "largest"),
    ]
    return plain_table(
        f"{outcome.name}-choices",
        f"{one_line(outcome.title or outcome.name)}: what was chosen on validation, by replicate",
        fields,
        [[TableCell(one_line(text)) for text in row] for row in shown],
        raw,
        notes=[Note("", "validation ...: the score on validation that the choice was made by.")],
    )


def _number(value: float) -> str:
    return "always" if math.isinf(value) else f"{value:.3g}"


def _noise_table(outcome: Outcome) -> Table | None:
    rows = _rows(outcome, "label_noise")
    if not rows:
        return None
    words = ["data", "selection", "criterion"]
    numbers = {
        "flipped": "wrong labels, %",
        "kept": "kept, %",
        "flipped_kept": "wrong among kept, %",
        "precision": "precision, %",
        "recall": "recall, %",
    }
    fields = [Field(name, name, False) for name in words]
    fields += [Field(name, label) for name, label in numbers.items()]
    shown = [
        [
            *(TableCell(one_line(str(row[name]).replace("_", " "))) for name in words),
            *(TableCell(_per_cent(row[name])) for name in numbers),
        ]
        for row in rows
    ]
    note = (
        "Precision and recall of `excluded` as a sign of `label is wrong`, mean over replicates; "
        "confident learning (cleanlab) on the mean prediction of the same panel."
    )
    return plain_table(
        f"{outcome.name}-noise",
        f"{one_line(outcome.title or outcome.name)}: which wrong labels selection leaves out",
        fields,
        shown,
        [[row[name] for name in (*words, *numbers)] for row in rows],
        axis_count=3,
        notes=[Note("", note)],
    )


def _data_table(outcome: Outcome) -> Table | None:
    rows = _rows(outcome, "data")
    return data_table(rows, name=outcome.name) if rows else None


def _rows(outcome: Outcome, name: str) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = outcome.facts.get(name, ())
    return found


def _per_cent(share: float) -> str:
    return NOTHING if math.isnan(share) else f"{100 * share:.1f}"
