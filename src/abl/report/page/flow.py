"""The flow of images and patients: source, what was left out, parts of the splits, what was scored.

A flow as STARD 2015 asks for one (Bossuyt et al., BMJ 2015; 351:h5527), as rows of a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from abl.plan.scored_part import as_scored_role
from abl.report.labels import counted
from abl.report.page.data_parts import DataPart
from abl.report.page.report_facts import ReportFacts

SECOND_ROW = "whose second images are samples of their own in some arms (mode mixed)"


@dataclass(frozen=True)
class FlowTable:
    """Rows of (step, images, patients, units); without patients where none is known, and without
    units where images are scored.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def flow_tables(facts: ReportFacts) -> list[FlowTable]:
    """One a data set; those of which the source is not known are left out."""
    return [_table(part, facts) for part in facts.data if part.flow]


def _table(part: DataPart, facts: ReportFacts) -> FlowTable:
    flow = part.flow
    others = tuple(word for word in part.counted if word != "image")
    rows = [("in the source", flow["listed"])]
    rows += [(f"left out: {each['why']}", each) for each in flow["left_out"]]
    rows.append(("in the sweep", flow["used"]))
    if flow["second"]:
        rows.append((SECOND_ROW, {"images": flow["second"]}))
    over = "" if part.splits == 1 else f", over {counted(part.splits, 'split')}"
    scored = facts.outcome.scored
    rows += [
        (f"{as_scored_role(size['role'], scored)}{over}", size)
        for size in flow["parts"]
        # an empty part of the name of what is scored would be read as that
        if int(size["units"]) or size["role"] != scored
    ]
    shown = [
        (
            name,
            _signed(name, row.get("images")),
            *(_signed(name, _count(row, word, part)) for word in others),
        )
        for name, row in rows
    ]
    columns = ("", "images", *(f"{word}s" for word in others))
    return FlowTable(part.name, columns, (*shown, *_scored(part, facts, others)))


def _count(row: Mapping[str, Any], word: str, part: DataPart) -> int | None:
    """How many clusters or units a row has; None where it counts others."""
    if "role" not in row:  # a source lists patients, known or not; groups are made of them
        return row.get("patients") if word == "patient" else None
    return row.get("patients" if word == part.cluster else "units")


def _scored(part: DataPart, facts: ReportFacts, others: Sequence[str]) -> list[tuple[str, ...]]:
    """What the predictions on test sets are of, where they were kept."""
    if facts.scored.empty or part.name:
        return []
    tests = facts.scored
    count = tests["unit"].nunique()
    if part.unit == "image" and facts.all_mixed:
        count //= 2  # both images of a pair
    units, clusters = f"{count:,}", f"{tests['patient'].nunique():,}"
    images = units if part.unit == "image" else ""
    counts = [clusters if word == part.cluster else units for word in others]
    return [(f"scored on {facts.outcome.scored}", images, *counts)]


def _signed(name: str, count: int | None) -> str:
    if count is None:
        return ""
    sign = "−" if name.startswith("left out") else ""
    return f"{sign}{int(count):,}" if count else "0"


def parts_note(part: DataPart, splits: int) -> str:
    """What the sizes of the parts count."""
    if part.splits < splits:
        return f"Of the first of {splits} splits."
    if part.splits == 1:
        return "Of the one split that there is."
    named = " and ".join(f"{word}s" for word in part.counted)
    return (
        f"{named.capitalize()}: distinct ones over {part.splits} splits, so that one may be in "
        "several parts. Classes: mean of a split."
    )


def sizes_words(data: Sequence[DataPart], splits: int, scored: str) -> str:
    """`train: 30 patients, 60 images; ...`, and over which splits; `scored`: see scored_part."""
    said = []
    for part in data:
        sizes = "; ".join(
            f"{as_scored_role(size.role, scored)}: "
            + ", ".join(map(counted, part.counts(size), part.counted))
            for size in part.sizes.values()
        )
        over = ""
        if part.splits < splits:
            over = f" (the first of {splits} splits)"
        elif part.splits > 1:
            over = f" (distinct ones over {part.splits} splits)"
        said.append((f"{part.name}: " if part.name else "") + sizes + over)
    return "; ".join(said)
