"""The table of external sets: every arm on its internal test sets and, below it, on each set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from abl.plan.facts import Facts
from abl.plan.outcome import ArmOutcome, Cell, Outcome
from abl.report.labels import counted, joined, label_in, metric_label, one_line
from abl.report.named import axis_in, headed
from abl.report.tables.ablation import styled_table
from abl.report.tables.model import Table
from abl.report.tables.published import Published
from abl.report.tables.stated_tables import SET
from abl.spec.external import INTERNAL

# shares of positives that differ by more than this make metrics that depend on them incomparable
PREVALENCE_GAP = 0.02
OF_PREVALENCE = ("acc", "f1", "ppv", "npv", "ap")
ENSEMBLE = (
    " Its values are those of the mean of all replicates' probabilities: an ensemble, which is "
    "another predictor than the networks of the internal rows."
)


def external_table(outcome: Outcome, published: Published | None = None) -> Table:
    """A row an arm and set, without marks and comparison, for which external sets are not there.

    Args:
        published: Values to stand beside ours, read for `external_outcome`.
    """
    shown = styled_table(external_outcome(outcome), published=published)
    return replace(shown, lead=tuple(_lead(outcome)))


def _lead(outcome: Outcome) -> list[str]:
    """What was asked, and where the differences stand that this table has none of."""
    arms, sets = outcome.arms, [one_line(str(row["name"])) for row in outcome.facts.external]
    axes = [axis_in(outcome, axis) for axis in outcome.told_apart]
    by = f" by {joined(axes)}" if axes and len(arms) > 1 else ""
    replicates = max((len(arm.replicates) for arm in arms), default=0)
    failed = sum(bool(arm.failed) for arm in arms)
    asked = (
        f"Asked: {counted(len(arms), 'arm')}{by}, on the internal test sets and on "
        f"{counted(len(sets), 'external set')} ({joined(sets)}), "
        f"{label_in(outcome, outcome.primary)} over {counted(replicates, 'replicate')}"
        f"{f'; {failed} failed' if failed else ''}."
    )
    why = "External sets decide nothing, so that no arms are compared on them"
    if any(arm.comparison is not None for arm in arms):
        why += f": differences to the base are in `abl table {one_line(outcome.name)}`"
    return [asked, f"{why}."]


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
