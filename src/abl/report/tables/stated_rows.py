"""Stated values beside a table whose rows are no arms: readers, features of images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from abl.data.tables.rows import Rows, read_rows
from abl.data.tables.words import same_name
from abl.decide.stated_errors import apart, sampling_error
from abl.errors import Problem, nearest, raise_if_any
from abl.report.labels import counted, metric_label, one_line
from abl.report.numbers import Scale
from abl.report.tables.model import DIFFERS, Column, Note, Raw, Table, TableCell
from abl.report.tables.published import Z, own_error
from abl.report.tables.stated_tables import BESIDE, COUNTS, DESCRIBING, RowTable

_SCALE, _COUNT = Scale(100.0, 1, "%"), Scale(1.0, 0, "")
_TOLD = ("source", "unit", "group")


def with_stated_rows(table: Table, path: Path, how: RowTable) -> Table:
    """The table with what a file states of the same rows, in columns at its end.

    A value is marked where it differs from ours by more than sampling of both sizes explains; rows
    of the file without one of the table are listed.

    Raises:
        InputError: Unknown columns, no value, values that are no numbers.
    """
    rows = read_rows(path)
    _check_columns(rows, how)
    ours = [dict(zip(table.raw_columns, row, strict=True)) for row in table.raw_rows]
    texts = {str(name): rows.text(name) for name in rows.frame.columns}
    keys = [column for column in how.keys if column in texts]
    place: dict[tuple[str, ...], list[int]] = {}
    for at, mine in enumerate(ours):
        named = tuple(same_name(str(mine.get(how.keys[column], ""))) for column in keys)
        place.setdefault(named, []).append(at)
    found = [
        place.get(tuple(same_name(texts[column][at]) for column in keys), [])
        for at in range(len(rows.frame))
    ]
    stated = _Stated(rows, texts, how, ours)
    columns, cells, raw = list(table.columns), [list(r) for r in table.rows], _lists(table)
    names, z_values = list(table.raw_columns), []
    for column, name in {**how.values, **how.counts}.items():
        if column not in texts:
            continue
        label = f"{_heading(table, name)} published{'' if column in how.counts else ', %'}"
        columns.append(Column(label, True))
        shown: dict[int, TableCell] = {}
        known: dict[int, tuple[Raw, Raw]] = {}
        for at, row in ((at, row) for at, own in enumerate(found) for row in own):
            value = stated.number(column, at)
            if math.isnan(value):
                continue
            if column in how.counts:
                shown[row], known[row] = TableCell(_COUNT.number(value)), (value, "")
                continue
            value, low, high = (each * stated.factor(column) for each in stated.ends(column, at))
            z = stated.apart(column, name, at, row, value, low, high)
            z_values += [] if math.isnan(z) else [z]
            text = _SCALE.mean_and_interval(value, low, high)
            shown[row] = TableCell(text, (DIFFERS,) if abs(z) > Z else ())
            known[row] = value, "" if math.isnan(z) else z
        names += [f"{name}_published", f"{name}_published_z"]
        for row, (own, numbers) in enumerate(zip(cells, raw, strict=True)):
            own.append(shown.get(row, TableCell("")))
            numbers += known.get(row, ("", ""))
    raise_if_any(stated.problems)
    return replace(
        table,
        columns=tuple(columns),
        rows=tuple(map(tuple, cells)),
        raw_columns=tuple(names),
        raw_rows=tuple(map(tuple, raw)),
        notes=(*table.notes, *_notes(rows, texts, keys, found, z_values)),
    )


def _lists(table: Table) -> list[list[Raw]]:
    return [list(row) for row in table.raw_rows]


def _heading(table: Table, name: str) -> str:
    """As the table heads its own column of the name, without what stands in brackets there."""
    label = next((each.label for each in table.columns if name in each.raw), metric_label(name))
    return label.partition("[")[0].partition(",")[0].replace("_", " ").strip()


class _Stated:
    """Numbers of the file, and how far they are from ours."""

    def __init__(
        self,
        rows: Rows,
        texts: Mapping[str, Sequence[str]],
        how: RowTable,
        ours: Sequence[Mapping[str, Any]],
    ):
        self.rows, self.texts, self.how, self.ours = rows, texts, how, ours
        self.problems: list[Problem] = []

    def number(self, column: str, at: int) -> float:
        text = self.texts[column][at] if column in self.texts else ""
        try:
            return float(text) if text else math.nan
        except ValueError:
            problem = self.rows.problem(at, f"{column}: '{text}' is no number")
            self.problems += [] if problem in self.problems else [problem]
            return math.nan

    def factor(self, column: str) -> float:
        """0.01 for a column in per cent."""
        values = [self.number(column, at) for at in range(len(self.rows.frame))]
        return 0.01 if any(abs(each) > 1 for each in values) else 1.0

    def ends(self, column: str, at: int) -> tuple[float, float, float]:
        """A value and its interval."""
        low, high = (
            next(
                (n for part in parts if not math.isnan(n := self.number(column + part, at))),
                math.nan,
            )
            for parts in (("_lo", "_low"), ("_hi", "_high"))
        )
        return self.number(column, at), low, high

    def apart(
        self, column: str, name: str, at: int, row: int, value: float, low: float, high: float
    ) -> float:
        """Our value less the stated one over its standard error; nan if one is not known."""
        mine, size = self.ours[row], self.how.size
        share = float(mine[name])
        if size:
            images = float(mine[size]) / share if share else math.nan
            own = math.sqrt(share * (1 - share) / images) if images else math.nan
            tested = self.how.tested.get(Path(self.rows.file).name, math.nan)
            theirs = math.sqrt(value * (1 - value) / tested) if 0 <= value <= 1 else math.nan
            return apart(share, own, value, theirs)
        lower, upper = (float(mine.get(f"{name}_{end}", math.nan)) for end in ("low", "high"))
        own = own_error(share, lower, upper, value)
        counts = {each: self.number(each, at) for each in COUNTS if each in self.texts}
        negatives = counts.get("negatives", counts.get("fp", math.nan) + counts.get("tn", math.nan))
        positives = counts.get("positives", counts.get("tp", math.nan) + counts.get("fn", math.nan))
        errors = [(high - low) / (2 * Z), sampling_error(name, value, negatives, positives, {})]
        theirs = max((each for each in errors if not math.isnan(each)), default=math.nan)
        return apart(share, own, value, theirs)


def _check_columns(rows: Rows, how: RowTable) -> None:
    named = [*how.keys, *how.values, *how.counts]
    known = [*named, *_TOLD, *COUNTS, *DESCRIBING]
    known += [f"{name}{part}" for name in how.values for part in BESIDE]
    columns = [str(column) for column in rows.frame.columns]
    faults = [
        f"column '{column}' is none of this table: take it out, or rename it; "
        f"{nearest(column, known)}"
        for column in columns
        if column not in known
    ]
    if not faults and not set(how.keys) & set(columns):
        faults.append(f"no column says which row: valid: {', '.join(how.keys)}")
    if not faults and not {*how.values, *how.counts} & set(columns):
        faults.append(f"no value among its columns; valid: {', '.join([*how.values, *how.counts])}")
    raise_if_any([rows.header_problem(each) for each in faults])


def _notes(
    rows: Rows,
    texts: Mapping[str, Sequence[str]],
    keys: Sequence[str],
    found: Sequence[Sequence[int]],
    z_values: Sequence[float],
) -> list[Note]:
    file = Path(rows.file).name
    notes = []
    if any(found):
        differ = sum(abs(each) > Z for each in z_values)
        judged = (
            f"{differ} of {counted(len(z_values), 'value')} differ ({DIFFERS}) by more than "
            "sampling of both sizes explains (difference over its standard error above 1.96; about "
            f"{0.05 * len(z_values):.1f} would by chance)."
            if z_values
            else "None can be judged by its size."
        )
        notes.append(
            Note("", f"Published: as stated in {one_line(file)}; not computed here. {judged}")
        )
    lost = [
        f"row {rows.numbers[at]} ({one_line(', '.join(texts[key][at] for key in keys))})"
        for at, own in enumerate(found)
        if not own
    ]
    if several := [str(rows.numbers[at]) for at, own in enumerate(found) if len(own) > 1]:
        notes.append(
            Note(
                "",
                f"{file}: beside several rows each, which it does not tell apart: rows "
                f"{', '.join(several)}.",
            )
        )
    if lost:
        notes.append(Note("", f"{file}: no row here for {'; '.join(lost)}."))
    return notes
