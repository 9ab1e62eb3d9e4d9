"""The arms on external sets, beside their internal results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from abl.plan.outcome import ArmOutcome, Cell, Facts, Outcome
from abl.report.labels import counted, metric_label, one_line
from abl.report.tables.ablation import styled_table
from abl.report.tables.model import Table
from abl.spec.external import INTERNAL

SET = "set"  # the column that says where an arm was scored
# shares of positives that differ by more than this make metrics that depend on them incomparable
PREVALENCE_GAP = 0.02
OF_PREVALENCE = ("acc", "f1", "ppv", "npv", "ap")
ENSEMBLE = (
    " Its values are those of the mean of all replicates' probabilities: an ensemble, which is "
    "another predictor than the networks of the internal rows."
)


def external_table(outcome: Outcome) -> Table | None:
    """Every arm on the internal test sets and on each external set; None if there is none.

    One row an arm and set, metrics with 95 % intervals; no marks and no tests.
    """
    rows = outcome.facts.external
    if not rows:
        return None
    measured = {name for row in rows for cells in row["arms"].values() for name in cells}
    return styled_table(
        replace(
            outcome,
            name=f"{outcome.name}-external",
            title=f"{one_line(outcome.title or outcome.name)}: external sets",
            axes=(*outcome.axes, SET),
            metrics=tuple(name for name in outcome.metrics if name in measured),
            curve_axis="",
            arms=tuple(shown for arm in outcome.arms for shown in _shown(arm, rows)),
            notes=tuple(_notes(outcome, rows)),
            facts=Facts(table=outcome.facts.table),
        ),
        intervals=True,
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
            "prevalence": float(row["prevalence"]),
        }
        for row in rows
        if "patients" in row
    ]


def prevalence_sentence(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> str:
    """Which metrics the sets' prevalences keep from being compared; "" if they are alike."""
    concerned = [metric_label(name) for name in OF_PREVALENCE if name in metrics]
    concerned += [metric_label(name) for name in ("f1", "ppv") if name not in metrics]
    different = [
        f"{row['name']} {100 * row['prevalence']:.0f} %"
        for row in rows
        if "prevalence" in row
        and abs(row["prevalence"] - row["internal_prevalence"]) > PREVALENCE_GAP
    ]
    if not different:
        return ""
    internal = 100 * float(rows[0]["internal_prevalence"])
    return (
        f"Prevalence differs ({', '.join(different)} positive, internal test sets {internal:.0f} "
        f"%): {', '.join(concerned)} depend on it and are not comparable between these sets."
    )


def _shown(arm: ArmOutcome, rows: Sequence[Mapping[str, Any]]) -> list[ArmOutcome]:
    """An arm's rows: internal, then one a set; without marks and comparison."""
    plain = arm.without_marks()
    shown = [replace(plain, params={**arm.params, SET: INTERNAL})]
    for row in rows:
        name = str(row["name"])
        cells = {k: Cell(**v) for k, v in row["arms"].get(arm.key, {}).items()}
        why = "" if cells else str(row["missing"].get(arm.key, "its network is not at hand here"))
        shown.append(
            replace(
                plain,
                key=f"{arm.key}-{name}",
                params={**arm.params, SET: name},
                cells=cells,
                failed=why,
            )
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
            f"{100 * float(row['prevalence']):.0f} % positive "
            f"(internal test sets: {_share(float(row['internal_prevalence']))})."
            + (ENSEMBLE if row["how"] == "ensemble" else "")
        )
    said = prevalence_sentence(rows, outcome.metrics)
    return [*notes, said] if said else notes


def _share(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{100 * share:.0f} %"
