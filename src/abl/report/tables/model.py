"""A table ready to be written in any format: headings, cells, marks and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BOLD = "bold"
TIED = "†"

Raw = str | int | float | bool


@dataclass(frozen=True)
class TableCell:
    """What is shown in one place, the marks behind it that refer to notes, and emphasis."""

    text: str
    marks: tuple[str, ...] = ()
    bold: bool = False


@dataclass(frozen=True)
class Column:
    """A heading; `numeric` columns are aligned on the right."""

    label: str
    numeric: bool


@dataclass(frozen=True)
class Note:
    """A sentence under the table; `mark` is "" (general), BOLD, TIED or a letter."""

    mark: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table ready to be written in any format.

    Attributes:
        name: The sweep's name: label of the LaTeX table.
        title: Caption, plain text.
        columns: Headings; the first `axis_count` name the arm.
        rows: One an arm, each as long as `columns`.
        notes: Sentences under the table.
        raw_columns, raw_rows: The same numbers in full precision, unscaled: what CSV holds.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    axis_count: int
    rows: tuple[tuple[TableCell, ...], ...]
    notes: tuple[Note, ...]
    raw_columns: tuple[str, ...]
    raw_rows: tuple[tuple[Raw, ...], ...]


@dataclass(frozen=True)
class Field:
    """A column of a plain table: its name in CSV, its heading, and whether it holds numbers."""

    name: str
    label: str
    numeric: bool = True


def plain_table(
    name: str,
    title: str,
    fields: Sequence[Field],
    shown: Sequence[Sequence[TableCell]],
    raw: Sequence[Sequence[Raw]],
    *,
    axis_count: int = 1,
    notes: Sequence[Note] = (),
    raw_columns: Sequence[str] | None = None,
) -> Table:
    """A Table from its columns; CSV has their names unless `raw_columns` says otherwise."""
    return Table(
        name=name,
        title=title,
        columns=tuple(Column(field.label, field.numeric) for field in fields),
        axis_count=axis_count,
        rows=tuple(map(tuple, shown)),
        notes=tuple(notes),
        raw_columns=tuple(raw_columns or [field.name for field in fields]),
        raw_rows=tuple(map(tuple, raw)),
    )
