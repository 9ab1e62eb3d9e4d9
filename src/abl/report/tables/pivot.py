"""The table of one metric with the values of one axis as its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.imported.arm import NOTE
from abl.report.labels import metric_label, one_line, setting_label, value_label, with_unit
from abl.report.tables.cell_words import EMPTY_CELL
from abl.report.tables.layout import TableLayout
from abl.report.tables.model import Column, Note, Raw, Table, TableCell
from abl.report.tables.published import Published

Value = str | int | float


def pivot_axes(text: str) -> tuple[str, str]:
    """`ROWS,COLUMNS` as two names. Raises InputError if it is not two."""
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names):
        raise InputError(f"--pivot {text}: write two axes as ROWS,COLUMNS")
    return names[0], names[1]


def pivot_table(
    outcome: Outcome,
    axes: tuple[str, str],
    *,
    per_cent: bool = True,
    decimals: int | None = None,
    intervals: bool = False,
    published: Published | None = None,
) -> Table:
    """The primary metric over two axes; the other axes stay beside the row's.

    Imported arms have no value of an axis: they are left out, and a note says so.

    Args:
        outcome: Of its metrics the primary one is shown.
        axes: The axis of the rows and that of the columns.

    Raises:
        InputError: Unknown axes, or twice the same.
    """
    _check(outcome, axes)
    row_axis, column_axis = axes
    named = (row_axis, *(axis for axis in outcome.axes if axis not in axes))
    metric = outcome.primary
    outcome, left_out = _without_imported(outcome)
    plain = replace(
        outcome,
        metrics=(metric,),
        arms=tuple(replace(arm, comparison=None) for arm in outcome.arms),
    )
    layout = TableLayout(
        plain, per_cent=per_cent, decimals=decimals, intervals=intervals, published=published
    )
    values = _distinct([arm.params.get(column_axis, "") for arm in outcome.arms])
    grid = _grid(outcome.arms, named, column_axis)
    rows = tuple(_row(layout, metric, settings, arms, values) for settings, arms in grid)
    raw_columns, raw_rows = _raw(grid, named, column_axis, values, metric)
    unit = layout.unit(metric)
    return Table(
        name=outcome.name,
        title=f"{one_line(outcome.title) or one_line(outcome.name)}: "
        + with_unit(metric_label(metric), unit),
        columns=(
            *(Column(one_line(axis), False) for axis in named),
            *(
                column
                for value in values
                for column in layout.metric_columns(metric, setting_label(column_axis, value))
            ),
        ),
        axis_count=len(named),
        rows=rows,
        notes=(*layout.notes(), *_notes(outcome), *left_out),
        raw_columns=raw_columns,
        raw_rows=raw_rows,
    )


Grid = Sequence[tuple[tuple[Value, ...], dict[Value, ArmOutcome]]]


def _check(outcome: Outcome, axes: tuple[str, str]) -> None:
    problems = [
        Problem(f"--pivot: no axis '{axis}' in {outcome.name}: {nearest(axis, outcome.axes)}")
        for axis in axes
        if axis not in outcome.axes
    ]
    if not problems and axes[0] == axes[1]:
        problems.append(Problem(f"--pivot {axes[0]},{axes[1]}: rows and columns are one axis"))
    raise_if_any(problems)


def _without_imported(outcome: Outcome) -> tuple[Outcome, list[Note]]:
    imported = set(outcome.facts.get("imported", ()))
    if not imported:
        return outcome, []
    gone = [arm for arm in outcome.arms if arm.key in imported]
    names = ", ".join(one_line(str(next(iter(arm.params.values()), ""))) for arm in gone)
    text = f"Imported arms have no axes and are left out: {names}"
    text += "; one of them is the best arm." if any(arm.best for arm in gone) else "."
    kept = replace(
        outcome,
        arms=tuple(arm for arm in outcome.arms if arm.key not in imported),
        notes=tuple(note for note in outcome.notes if not note.startswith(NOTE)),
    )
    return kept, [Note("", text)]


def _distinct(values: Sequence[Value]) -> list[Value]:
    return list(dict.fromkeys(values))


def _grid(arms: Sequence[ArmOutcome], named: Sequence[str], column_axis: str) -> Grid:
    """Rows in the order of the arms: settings of the row, arm by value of the column axis."""
    rows: dict[tuple[tuple[Value, ...], int], dict[Value, ArmOutcome]] = {}
    for arm in arms:
        settings = tuple(arm.params.get(axis, "") for axis in named)
        value = arm.params.get(column_axis, "")
        again = 0
        while value in rows.get((settings, again), {}):  # arms told apart by no axis: rows below
            again += 1
        rows.setdefault((settings, again), {})[value] = arm
    return [(settings, cells) for (settings, _), cells in rows.items()]


def _row(
    layout: TableLayout,
    metric: str,
    settings: Sequence[Value],
    arms: dict[Value, ArmOutcome],
    values: Sequence[Value],
) -> tuple[TableCell, ...]:
    cells = [TableCell(value_label(value)) for value in settings]
    width = len(layout.metric_columns(metric))
    for value in values:
        arm = arms.get(value)
        if arm is None:
            cells += [TableCell("")] * width
        elif arm.failed:
            cells += [layout.failed_cell(arm.failed), *[TableCell("")] * (width - 1)]
        else:
            cells += layout.metric_cells(arm, metric)
    return tuple(cells)


def _notes(outcome: Outcome) -> list[Note]:
    notes = [Note("", one_line(text)) for text in outcome.notes]
    if any(arm.comparison is not None for arm in outcome.arms):
        text = "Differences to the base with their P stand in the table with the arms as rows."
        notes.append(Note("", text))
    return notes


def _raw(
    grid: Grid, named: Sequence[str], column_axis: str, values: Sequence[Value], metric: str
) -> tuple[tuple[str, ...], tuple[tuple[Raw, ...], ...]]:
    parts = ("mean", "sd", "low", "high")
    columns = list(named)
    for value in values:
        columns += [f"{metric}_{part} ({setting_label(column_axis, value)})" for part in parts]
    rows = []
    for settings, arms in grid:
        row: list[Raw] = list(settings)
        for value in values:
            cell = arms[value].cells.get(metric, EMPTY_CELL) if value in arms else EMPTY_CELL
            row += [cell.mean, cell.sd, cell.low, cell.high]
        rows.append(tuple(row))
    return tuple(columns), tuple(rows)
