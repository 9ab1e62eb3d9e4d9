"""A table that calls what is scored by its name: see `plan/scored_part.py`."""

from __future__ import annotations

from dataclasses import replace

from abl.plan.outcome import Outcome
from abl.plan.scored_part import TEST, as_scored, as_scored_role
from abl.report.tables.model import Table


def scored_table(table: Table, outcome: Outcome) -> Table:
    """The table as it is shown; CSV keeps the names of its columns, and the role `test`."""
    part = outcome.scored
    if part == TEST:
        return table
    return replace(
        table,
        lead=tuple(as_scored(each, part) for each in table.lead),
        columns=tuple(
            replace(each, label=as_scored(as_scored_role(each.label, part), part))
            for each in table.columns
        ),
        rows=tuple(
            tuple(replace(cell, text=as_scored_role(cell.text, part)) for cell in row)
            for row in table.rows
        ),
        notes=tuple(replace(each, text=as_scored(each.text, part)) for each in table.notes),
    )
