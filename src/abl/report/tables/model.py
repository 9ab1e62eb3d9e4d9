"""A table as one list of columns: what each is called, shows and holds in full precision."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from abl.report.labels import one_line
from abl.report.numbers import Scale

BOLD = "bold"
TIED = "†"
DIFFERS = "‡"  # of a published value

Raw = str | int | float | bool


@dataclass(frozen=True)
class TableCell:
    """What is shown in one place, the marks behind it that refer to notes, and emphasis."""

    text: str
    marks: tuple[str, ...] = ()
    bold: bool = False


@dataclass(frozen=True)
class Column:
    """A column of any table: to add one is to add an entry to a table's list.

    Attributes:
        label: Its heading.
        numeric: Aligned on the right.
        cell: What a row shows here; None for a column of CSV alone.
        raw: Name in CSV -> a row's value in full precision; none for a column that CSV leaves out.
    """

    label: str
    numeric: bool
    cell: Callable[[Any], TableCell | str] | None = field(default=None, compare=False)
    raw: Mapping[str, Callable[[Any], Raw]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Note:
    """A sentence under the table; `mark` is "" (general), BOLD, TIED or a letter."""

    mark: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table ready to be written in any format.

    Attributes:
        name: Label of the LaTeX table.
        title: Caption, plain text.
        columns: The first `axis_count` name the arm.
        rows: Each as long as `columns`.
        lead: Sentences before the table: what was asked, and what came out.
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
    lead: tuple[str, ...] = ()


def table_from(
    name: str,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Any],
    *,
    axis_count: int = 1,
    notes: Iterable[Note | str] | Callable[[], Iterable[Note | str]] = (),
    in_csv: Callable[[Any], bool] = lambda row: True,
) -> Table:
    """The table of some rows, each as the columns show it.

    Args:
        notes: Or what gives them once every cell is made, as cells may ask for marks.
        in_csv: Rows that have numbers.
    """
    shown = [(column, column.cell) for column in columns if column.cell is not None]
    raw = {at: column.raw for at, column in enumerate(columns)}
    cells = tuple(tuple(_cell(cell(row)) for _, cell in shown) for row in rows)
    said = notes() if callable(notes) else notes
    return Table(
        name,
        title,
        tuple(column for column, _ in shown),
        axis_count,
        cells,
        tuple(each if isinstance(each, Note) else Note("", each) for each in said),
        tuple(key for each in raw.values() for key in each),
        tuple(
            tuple(value(row) for each in raw.values() for value in each.values())
            for row in rows
            if in_csv(row)
        ),
    )


def shown_json(table: Table) -> str:
    """What is shown as MLflow's UI shows tables: JSON with columns and data."""
    columns = [column.label for column in table.columns]
    data = [[cell.text for cell in row] for row in table.rows]
    return json.dumps({"columns": columns, "data": data}, ensure_ascii=False)


def text_column(
    name: str,
    label: str = "",
    value: Callable[[Any], Any] | None = None,
    write: Callable[[Any], str] = str,
) -> Column:
    """A column of text.

    Args:
        name: In CSV.
        label: Heading; the name if not given.
        value: Of a row; by default what a row that is a mapping has by this name.
    """
    raw = value or item(name)
    return Column(label or name, False, lambda row: write(raw(row)), {name: raw})


def number_column(
    name: str,
    write: Callable[[Any], str] = str,
    label: str = "",
    value: Callable[[Any], Any] | None = None,
) -> Column:
    """A column of numbers as `write` writes them, otherwise like `text_column`."""
    raw = value or item(name, math.nan)
    return Column(label or name, True, lambda row: write(raw(row)), {name: raw})


def interval_column(scale: Scale, label: str = "95 % interval", of: str = "") -> Column:
    """`[low, high]` of a row that is a mapping; in CSV its ends, named after `of`."""
    low, high = (item(end, math.nan) for end in ("low", "high"))
    raw = {f"{of}low": low, f"{of}high": high}
    return Column(label, True, lambda row: scale.interval(low(row), high(row)), raw)


def item(
    name: str, default: Any = "", kind: Callable[[Any], Any] | None = None
) -> Callable[[Any], Any]:
    """What a row that is a mapping has by this name, as `kind`; None counts as not there."""

    def value(row: Mapping[str, Any]) -> Any:
        found = row.get(name)
        return default if found is None else kind(found) if kind else found

    return value


def _cell(shown: TableCell | str) -> TableCell:
    return shown if isinstance(shown, TableCell) else TableCell(one_line(shown))
