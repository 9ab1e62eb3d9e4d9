"""Tables made of what an outcome keeps beside its arms: tests, choices, noise, external sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from abl.decide.decision import spread
from abl.decide.replicates import KEYS
from abl.plan.outcome import ArmOutcome, Cell, Facts, Outcome
from abl.report.labels import (
    counted,
    label_in,
    metric_label,
    p_label,
    per_cent_label,
    scale_of,
    with_unit,
)
from abl.report.named import headed, words_of
from abl.report.tables.ablation import styled_table
from abl.report.tables.model import (
    Column,
    Table,
    interval_column,
    item,
    number_column,
    table_from,
    text_column,
)
from abl.report.tables.scored_table import scored_table
from abl.report.tables.searches import searches_table
from abl.report.tables.setup import data_table
from abl.report.tables.stated_tables import SET
from abl.spec.external import INTERNAL

# shares of positives that differ by more than this make metrics that depend on them incomparable
PREVALENCE_GAP = 0.02
OF_PREVALENCE = ("acc", "f1", "ppv", "npv", "ap")
ENSEMBLE = (
    " Its values are those of the mean of all replicates' probabilities: an ensemble, which is "
    "another predictor than the networks of the internal rows."
)


def facts_tables(outcome: Outcome) -> dict[str, Table]:
    """Name (as `abl table --show` has it) -> table, of those that the outcome has facts for."""
    made = {
        "searches": searches_table(outcome) if outcome.facts.searches else None,
        "tests": _tests_table(outcome),
        "choices": _choices_table(outcome),
        "noise": _noise_table(outcome),
        "data": data_table(outcome.facts.data, name=outcome.name) if outcome.facts.data else None,
        "external": _external_table(outcome),
    }
    return {n: scored_table(table, outcome) for n, table in made.items() if table is not None}


def _tests_table(outcome: Outcome) -> Table | None:
    rows = outcome.facts.tests
    if not rows:
        return None
    metric = label_in(outcome, outcome.primary)
    scale = scale_of(outcome.primary, [row["difference"] for row in rows], per_cent=True)
    points = "points" if scale.unit else ""
    cross_validated = any("corrected_t_p" in row for row in rows)
    t_p = item("corrected_t_p", math.nan)
    words = {outcome.title_of(arm): words_of(arm, outcome) for arm in outcome.arms}

    def named(title: str) -> str:
        return words.get(title, title)

    columns = [
        text_column("arm", write=named),
        text_column("base", "against", write=named),
        number_column("difference", scale.difference, with_unit(f"Δ {metric}", points)),
        interval_column(scale),
        number_column("p", p_label, "P"),
        number_column("p_corrected", p_label, "corrected P"),
        *([Column("P, corrected t", True, lambda row: p_label(t_p(row)))] * cross_validated),
        text_column("verdict"),
        *([Column("", True, raw={"corrected_t_p": t_p})] * cross_validated),
    ]
    notes = ["P and interval by one model; corrected P: over all contrasts of the table."]
    if cross_validated:
        notes.append(
            "Corrected t: t-test of means over splits whose training sets overlap, with variance "
            "factor 1/J + n_test/n_train (Nadeau, Bengio 2003)."
        )
    return _table(outcome, "tests", "every comparison", columns, rows, notes, axis_count=2)


def _choices_table(outcome: Outcome) -> Table | None:
    """Spread over the replicates of what was chosen, and of what it promised."""
    known = {*KEYS, *outcome.metrics}
    rows: list[dict[Any, Any]] = []
    for arm in outcome.arms:
        if arm.failed or not any(str(name).startswith("validation_") for name in arm.replicates):
            continue
        title = words_of(arm, outcome)
        chosen = arm.replicates.drop(columns=[n for n in arm.replicates if n in known])
        rows += spread(chosen).assign(arm=title).to_dict("records")
    if not rows:
        return None
    labels = {"median": "median", "low": "smallest", "high": "largest"}
    columns = [
        text_column("arm"),
        text_column("chosen", value=item("name"), write=partial(label_in, outcome)),
        *(number_column(name, _number, label) for name, label in labels.items()),
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
        *(
            text_column(name, write=lambda value: str(value).replace("_", " "))
            for name in ("data", "selection", "criterion")
        ),
        *(number_column(name, per_cent_label, label) for name, label in shares.items()),
    ]
    note = (
        "Precision and recall of `excluded` as a sign of `label is wrong`, mean over replicates; "
        "confident learning (cleanlab) on the mean prediction of the same panel."
    )
    said = "which wrong labels selection leaves out"
    return _table(outcome, "noise", said, columns, rows, [note], axis_count=3)


def _table(
    outcome: Outcome,
    name: str,
    said: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[Any, Any]],
    notes: Sequence[str],
    *,
    axis_count: int = 1,
) -> Table:
    title = headed(outcome, f"{said}")
    return table_from(
        f"{outcome.name}-{name}", title, columns, rows, axis_count=axis_count, notes=notes
    )


def _number(value: float) -> str:
    return "always" if math.isinf(value) else f"{value:.3g}"


def _external_table(outcome: Outcome) -> Table | None:
    """A row an arm and set (internal, then external), without marks; None if there is none."""
    return styled_table(external_outcome(outcome)) if outcome.facts.external else None


def external_outcome(outcome: Outcome) -> Outcome:
    """The outcome with an arm for each arm and set: internal, then external."""
    rows = outcome.facts.external
    measured = {name for row in rows for cells in row["arms"].values() for name in cells}
    return replace(
        outcome,
        name=f"{outcome.name}-external",
        title=headed(outcome, "external sets"),
        axes=(*outcome.axes, SET),
        metrics=tuple(name for name in outcome.metrics if name in measured),
        curve_axis="",
        arms=tuple(shown for arm in outcome.arms for shown in _shown(arm, rows)),
        notes=tuple(_notes(outcome, rows)),
        facts=Facts(
            table=outcome.facts.table,
            classes=outcome.facts.classes,
            controls=outcome.facts.controls,
        ),
    )


def external_sizes(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the sets as a summary of the data has them: role, set, patients, images, ...."""
    return [
        {
            "role": "external",
            "centre": str(row["name"]),
            "patients": int(row["patients"]),
            "images": int(row["images"]),
            **{str(name): int(count) for name, count in row["classes"].items()},
            **({"prevalence": float(row["prevalence"])} if len(row["classes"]) == 2 else {}),
        }
        for row in rows
        if "patients" in row
    ]


def prevalence_sentence(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> str:
    """Which metrics the sets' prevalences keep from being compared; "" if they are alike.

    Of three and more classes it is the share of any of them.
    """
    concerned = [metric_label(name) for name in OF_PREVALENCE if name in metrics]
    concerned += [metric_label(name) for name in ("f1", "ppv") if name not in metrics]
    different = [said for row in rows if (said := _other_shares(row))]
    if not different:
        return ""
    return (
        f"Prevalence differs ({'; '.join(different)}): {', '.join(concerned)} depend on it and are "
        "not comparable between these sets."
    )


def _other_shares(row: Mapping[str, Any]) -> str:
    """`B 60 % positive, internal test sets 40 %`; of more than two classes those that differ."""
    if "classes" not in row:
        return ""
    if len(row["classes"]) == 2:
        here, internal = float(row["prevalence"]), float(row["internal_prevalence"])
        if not abs(here - internal) > PREVALENCE_GAP:
            return ""
        return (
            f"{row['name']} {100 * here:.0f} % positive, internal test sets {100 * internal:.0f} %"
        )
    total = sum(row["classes"].values())
    shares = {name: count / total for name, count in row["classes"].items()}
    inside = row.get("internal_shares", {})
    found = [
        f"{name} {100 * share:.0f} %, internal test sets {100 * inside[name]:.0f} %"
        for name, share in shares.items()
        if name in inside and abs(share - inside[name]) > PREVALENCE_GAP
    ]
    return f"{row['name']}: {'; '.join(found)}" if found else ""


def _shown(arm: ArmOutcome, rows: Sequence[Mapping[str, Any]]) -> list[ArmOutcome]:
    """An arm's rows: internal, then one a set; without marks and comparison."""
    plain = arm.without_marks()
    shown = [replace(plain, params={**arm.params, SET: INTERNAL})]
    for row in rows:
        key, params = f"{arm.key}-{row['name']}", {**arm.params, SET: str(row["name"])}
        cells = {k: Cell(**v) for k, v in row["arms"].get(arm.key, {}).items()}
        why = "" if cells else str(row["missing"].get(arm.key, "its network is not at hand here"))
        # its cells are not of the internal replicates
        none = pd.DataFrame()
        shown.append(
            replace(plain, key=key, params=params, cells=cells, failed=why, replicates=none)
        )
    return shown


def _notes(outcome: Outcome, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = [
        "External sets decide nothing: networks, arms and cut-offs are those of the internal data; "
        "the metric of each replicate's network, averaged, if nothing else is said."
    ]
    for row in rows:
        if "patients" not in row:
            notes.append(f"{row['name']}: {row['source']}; no arm could be scored.")
            continue
        unit, units = str(row["unit"]), int(row["units"])
        of_units = "" if unit == "image" else f", {counted(units, unit)}"
        notes.append(
            f"{row['name']}: {row['source']}; {counted(int(row['patients']), 'patient')}, "
            f"{counted(int(row['images']), 'image')}{of_units}, "
            f"{_class_shares(row)}." + (ENSEMBLE if row["how"] == "ensemble" else "")
        )
    said = prevalence_sentence(rows, outcome.metrics)
    return [*notes, said] if said else notes


def _class_shares(row: Mapping[str, Any]) -> str:
    """`60 % positive (internal test sets: 40 %)`, or the share of each of more classes."""
    if len(row["classes"]) == 2:
        internal = float(row["internal_prevalence"])
        said = "unknown" if math.isnan(internal) else f"{100 * internal:.0f} %"
        return f"{100 * float(row['prevalence']):.0f} % positive (internal test sets: {said})"
    total = sum(row["classes"].values())
    return ", ".join(f"{name} {100 * n / total:.0f} %" for name, n in row["classes"].items())
