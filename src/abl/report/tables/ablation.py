"""The ablation table of an Outcome: arms in rows, or one metric over two axes.

Shares are shown in per cent or as fractions, AUC and the share of images sent to the second network
like every other. CSV always holds fractions, in full precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.plan.outcome import IMPORTED, OPTIMISM, ArmOutcome, Outcome
from abl.report.answer import answer_sentences
from abl.report.labels import label_in, one_line, with_unit
from abl.report.named import axis_called, axis_in, headed, setting_in, title_in, value_in
from abl.report.tables.ablation_columns import EMPTY_CELL, PARTS, TableLayout
from abl.report.tables.model import Column, Table, TableCell, table_from, text_column
from abl.report.tables.published import Published
from abl.report.tables.scored_table import scored_table
from abl.spec.class_metrics import with_position, without_position

Value = str | int | float


def table_of(
    outcome: Outcome,
    *,
    per_cent: bool = True,
    decimals: int | None = None,
    spread: bool = False,
    intervals: bool = False,
    runs: bool = False,
    metric: str = "",
    pivot: tuple[str, str] | None = None,
    published: Published | None = None,
) -> Table:
    """The ablation table of an outcome.

    Args:
        per_cent: Shares in per cent; otherwise fractions.
        decimals: Digits after the point; default 1 in per cent, 3 in fractions.
        spread: Mean ± standard deviation over replicates, instead of the 95 % interval.
        intervals: Beside the spread, a column with the 95 % interval of each metric; without it
            every cell has its interval anyway.
        runs: A column with mean and 95 % interval over replicates beside each metric.
        metric: Show this one alone; best arm, ties and comparison belong to the primary metric.
        pivot: Axis of the rows and axis of the columns; default: arms in rows.
        published: Values to stand beside ours.

    Raises:
        InputError: A metric or an axis that the outcome does not have.
    """
    shown = _of_metric(outcome, metric) if metric else outcome
    layout = partial(
        TableLayout,
        per_cent=per_cent,
        decimals=decimals,
        spread=spread,
        intervals=intervals,
        runs=runs,
        published=published,
    )

    if pivot is not None:
        return scored_table(_pivot_table(shown, pivot, layout), outcome)
    made = layout(shown)
    table = table_from(
        f"{shown.name}-{without_position(shown.primary)}" if metric else shown.name,
        title_in(shown),
        made.columns(),
        shown.arms,
        axis_count=min(len(shown.axes), 1),
        notes=lambda: [*made.notes(), *map(one_line, shown.notes)],
    )
    answers = not metric or shown.primary == outcome.primary
    lead = tuple(answer_sentences(outcome, per_cent=per_cent) * answers)
    return scored_table(replace(table, lead=lead), outcome)


def styled_table(outcome: Outcome, **changes: Any) -> Table:
    """The table of an outcome, printed as its sweep file asks; `changes` as table_of takes them."""
    return table_of(outcome, **{**outcome.facts.table.model_dump(), **changes})


def _of_metric(outcome: Outcome, metric: str) -> Outcome:
    """The outcome with one metric, which takes no marks and tests from another one."""
    metric = with_position(metric, outcome.facts.classes)
    if metric not in outcome.metrics:
        hint = nearest(metric, [without_position(name) for name in outcome.metrics])
        raise InputError(f"--metric: no metric '{metric}' in {outcome.name}: {hint}")
    shown = replace(outcome, metrics=(metric,), primary=metric, notes=_notes_of(outcome, metric))
    if metric == outcome.primary:
        return shown
    return replace(shown, arms=tuple(arm.without_marks() for arm in outcome.arms))


def _notes_of(outcome: Outcome, metric: str) -> tuple[str, ...]:
    """The notes of a table with this column alone."""
    return tuple(
        note for note in outcome.notes if metric == "optimism" or not note.startswith(OPTIMISM)
    )


def pivot_axes(text: str) -> tuple[str, str]:
    """`ROWS,COLUMNS` as two names. Raises InputError if it is not two."""
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names):
        raise InputError(f"--pivot {text}: write two axes as ROWS,COLUMNS")
    return names[0], names[1]


@dataclass
class _PivotRow:
    """Settings that name a row, and its arms by value of the columns' axis."""

    settings: tuple[Value, ...]
    arms: dict[Value, ArmOutcome] = field(default_factory=dict)


def _pivot_table(
    outcome: Outcome, axes: tuple[str, str], layout_of: Callable[[Outcome], TableLayout]
) -> Table:
    """The primary metric over two axes; the other axes stay beside the row's.

    Imported arms have no value of an axis: they are left out, and a note says so.
    """
    found, problems = [], []
    for name in axes:
        try:
            found.append(axis_called(outcome, name))
        except InputError as error:
            problems.append(Problem(f"--pivot: {error}"))
    raise_if_any(problems)
    row_axis, column_axis = axes = found[0], found[1]
    if row_axis == column_axis:
        raise InputError(f"--pivot {row_axis},{column_axis}: rows and columns are one axis")
    named = (row_axis, *(axis for axis in outcome.axes if axis not in axes))
    metric = outcome.primary
    outcome, left_out = _without_imported(outcome)
    plain = tuple(replace(arm, comparison=None) for arm in outcome.arms)
    layout = layout_of(replace(outcome, metrics=(metric,), arms=plain))
    columns: list[Column] = [_setting_column(outcome, *each) for each in enumerate(named)]
    for value in dict.fromkeys(arm.params.get(column_axis, "") for arm in outcome.arms):
        label = setting_in(outcome, column_axis, value)
        made = layout.with_failures(layout.metric_columns(metric, label))
        columns += [_lifted(column, value) for column in made]
        columns.append(Column("", True, raw=_raw_of(metric, label, value)))
    notes = [*map(one_line, _notes_of(outcome, metric))]
    if any(arm.comparison is not None for arm in outcome.arms):
        notes.append(
            "Differences to the base with their P stand in the table with the arms as rows."
        )
    what = with_unit(label_in(outcome, metric), layout.unit(metric))
    return table_from(
        "-".join([outcome.name, without_position(metric), *axes]),
        headed(outcome, what),
        columns,
        _pivot_rows(outcome.arms, named, column_axis),
        axis_count=len(named),
        notes=lambda: [*layout.notes(), *notes, *left_out],
    )


def _setting_column(outcome: Outcome, at: int, axis: str) -> Column:
    write = partial(value_in, outcome, axis)
    return text_column(axis, axis_in(outcome, axis), lambda row: row.settings[at], write)


def _lifted(column: Column, value: Value) -> Column:
    """A column of arms as one of rows: of the arm that has this value; empty where none has."""

    def cell(row: _PivotRow) -> TableCell | str:
        shown = column.cell
        return shown(row.arms[value]) if shown and value in row.arms else ""

    return Column(column.label, column.numeric, cell)


def _raw_of(metric: str, label: str, value: Value) -> dict[str, Callable[[_PivotRow], Any]]:
    def raw(part: str) -> Callable[[_PivotRow], Any]:
        return lambda row: getattr(
            row.arms[value].cells.get(metric, EMPTY_CELL) if value in row.arms else EMPTY_CELL, part
        )

    return {f"{metric}_{part} ({label})": raw(part) for part in PARTS}


def _without_imported(outcome: Outcome) -> tuple[Outcome, list[str]]:
    imported = set(outcome.facts.imported)
    if not imported:
        return outcome, []
    gone = [arm for arm in outcome.arms if arm.key in imported]
    names = ", ".join(one_line(str(next(iter(arm.params.values()), ""))) for arm in gone)
    text = f"Imported arms have no axes and are left out: {names}"
    text += "; one of them is the best arm." if any(arm.best for arm in gone) else "."
    kept = replace(
        outcome,
        arms=tuple(arm for arm in outcome.arms if arm.key not in imported),
        notes=tuple(note for note in outcome.notes if not note.startswith(IMPORTED)),
    )
    return kept, [text]


def _pivot_rows(
    arms: Sequence[ArmOutcome], named: Sequence[str], column_axis: str
) -> list[_PivotRow]:
    """Rows in the order of the arms."""
    rows: dict[tuple[tuple[Value, ...], int], _PivotRow] = {}
    for arm in arms:
        settings = tuple(arm.params.get(axis, "") for axis in named)
        value = arm.params.get(column_axis, "")
        again = 0
        while (settings, again) in rows and value in rows[settings, again].arms:
            again += 1  # arms told apart by no axis: rows below
        rows.setdefault((settings, again), _PivotRow(settings)).arms[value] = arm
    return list(rows.values())
