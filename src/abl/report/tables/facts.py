"""Tables made of what an outcome keeps beside its arms: searches, tests, label noise, the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from abl.decide.adaptive import spread
from abl.decide.replicates import KEYS
from abl.plan.outcome import Outcome
from abl.report.labels import NOTHING, arm_label, metric_label, one_line, p_label, scale_of
from abl.report.tables.external import external_table
from abl.report.tables.model import Column, Table, interval_column, item, numbers, table_from, words
from abl.report.tables.searches import searches_table
from abl.report.tables.setup import data_table


def facts_tables(outcome: Outcome) -> dict[str, Table]:
    """Name (as `abl table --show` has it) -> table, of those that the outcome has facts for."""
    made = {
        "searches": searches_table(outcome),
        "tests": _tests_table(outcome),
        "choices": _choices_table(outcome),
        "noise": _noise_table(outcome),
        "data": data_table(outcome.facts.data, name=outcome.name) if outcome.facts.data else None,
        "external": external_table(outcome),
    }
    return {name: table for name, table in made.items() if table is not None}


def _tests_table(outcome: Outcome) -> Table | None:
    rows = outcome.facts.tests
    if not rows:
        return None
    metric = metric_label(outcome.primary)
    scale = scale_of(outcome.primary, [row["difference"] for row in rows], per_cent=True)
    notes = ["P: permutation of patients; corrected P: max-T over all contrasts of the table."]
    cross_validated = any("corrected_t_p" in row for row in rows)
    t_p = item("corrected_t_p", math.nan)
    columns = [
        words("arm"),
        words("base", "against"),
        numbers("difference", scale.difference, f"Δ {metric}" + (", points" if scale.unit else "")),
        interval_column(scale),
        numbers("p", p_label, "P"),
        numbers("p_corrected", p_label, "corrected P"),
        *([Column("P, corrected t", True, lambda row: p_label(t_p(row)))] * cross_validated),
        words("verdict"),
        *([Column("", True, raw={"corrected_t_p": t_p})] * cross_validated),
    ]
    notes = ["P: permutation of patients; corrected P: max-T over all contrasts of the table."]
    if cross_validated:
        notes.append(
            "Corrected t: t-test of means over splits whose training sets overlap, with variance "
            "factor 1/J + n_test/n_train (Nadeau, Bengio 2003)."
        )
    return _table(outcome, "tests", "every comparison", columns, rows, notes, axis_count=2)


def _choices_table(outcome: Outcome) -> Table | None:
    """Spread over the replicates of what was chosen, and of what it promised."""
    known = {*KEYS, *outcome.metrics}
    rows: list[Mapping[str, Any]] = []
    for arm in outcome.arms:
        if arm.failed or not any(str(name).startswith("validation_") for name in arm.replicates):
            continue
        title = arm_label(arm.params, outcome.axes)
        chosen = arm.replicates.drop(columns=[n for n in arm.replicates if n in known])
        rows += [{"arm": title, **row} for row in spread(chosen).to_dict("records")]
    if not rows:
        return None
    columns = [
        words("arm"),
        Column("chosen", False, lambda row: metric_label(row["name"]), {"chosen": item("name")}),
        numbers("median", _number),
        numbers("low", _number, "smallest"),
        numbers("high", _number, "largest"),
    ]
    notes = ["validation ...: the score on validation that the choice was made by."]
    said = "what was chosen on validation, by replicate"
    return _table(outcome, "choices", said, columns, rows, notes)


def _noise_table(outcome: Outcome) -> Table | None:
    rows = outcome.facts.study.get("label_noise", ())
    if not rows:
        return None
    shares = {
        "flipped": "wrong labels, %",
        "kept": "kept, %",
        "flipped_kept": "wrong among kept, %",
        "precision": "precision, %",
        "recall": "recall, %",
    }
    columns = [
        *(_spaced(name) for name in ("data", "selection", "criterion")),
        *(numbers(name, _per_cent, label) for name, label in shares.items()),
    ]
    note = (
        "Precision and recall of `excluded` as a sign of `label is wrong`, mean over replicates; "
        "confident learning (cleanlab) on the mean prediction of the same panel."
    )
    said = "which wrong labels selection leaves out"
    return _table(outcome, "noise", said, columns, rows, [note], axis_count=3)


def _spaced(name: str) -> Column:
    return Column(name, False, lambda row: str(row[name]).replace("_", " "), {name: item(name)})


def _table(
    outcome: Outcome,
    name: str,
    said: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    *,
    axis_count: int = 1,
) -> Table:
    title = f"{one_line(outcome.title or outcome.name)}: {said}"
    return table_from(
        f"{outcome.name}-{name}", title, columns, rows, axis_count=axis_count, notes=notes
    )


def _number(value: float) -> str:
    return "always" if math.isinf(value) else f"{value:.3g}"


def _per_cent(share: float) -> str:
    return NOTHING if math.isnan(share) else f"{100 * share:.1f}"
