"""A table for the terminal, and as CSV."""

from __future__ import annotations

import csv
import io
import math
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence

from abl.report.tables.model import BOLD, Note, Raw, Table, TableCell

_GAP = "  "
_STAR = "*"
_PLUS_MINUS = " ± "


def text_of(table: Table, *, width: int = 120, colour: bool = False) -> str:
    """Aligned columns; those beyond `width` continue in blocks below, each with the axes."""
    columns = [_lines_of_column(table, index, colour=colour) for index in range(len(table.columns))]
    axes, numbers = columns[: table.axis_count], columns[table.axis_count :]
    parts = [wrapped(table.title, width)]
    for block in _blocks(axes, numbers, width):
        lines = zip(*block, strict=True)
        parts.append("\n".join(_GAP.join(line).rstrip() for line in lines))
    notes = [_note_line(note, width, colour=colour) for note in table.notes]
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts) + "\n"


def csv_of(table: Table) -> str:
    """Numbers in full precision as fractions; an undefined one is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table.raw_columns)
    for row in table.raw_rows:
        writer.writerow([_csv_value(value) for value in row])
    return stream.getvalue()


def _csv_value(value: Raw) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(float(value))
    return str(value)


def _lines_of_column(table: Table, index: int, *, colour: bool) -> list[str]:
    """Heading, rule and cells of a column, padded to the same width."""
    column = table.columns[index]
    cells = [row[index] for row in table.rows]
    starred = not colour and index >= table.axis_count
    marks = [_marks(cell, starred=starred) for cell in cells]
    marks_width = max((display_width(mark) for mark in marks), default=0)
    texts = (
        _aligned_sd([cell.text for cell in cells]) if column.numeric else [c.text for c in cells]
    )
    text_width = max(
        [display_width(text) for text in texts] + [display_width(column.label) - marks_width]
    )
    full_width = text_width + marks_width
    lines = [_padded(column.label, full_width, right=column.numeric), "─" * full_width]
    for cell, text, mark in zip(cells, texts, marks, strict=True):
        line = _padded(text, text_width, right=column.numeric) + _padded(mark, marks_width)
        lines.append(f"\x1b[1m{line}\x1b[0m" if colour and cell.bold else line)
    return lines


def _marks(cell: TableCell, *, starred: bool) -> str:
    marks = ([_STAR] if cell.bold and starred else []) + list(cell.marks)
    return " " + ",".join(marks) if marks else ""


def _aligned_sd(texts: Sequence[str]) -> list[str]:
    """`84.2 ± 1.3` with the deviations of a column brought to one width, so that means line up."""
    pairs = [text.partition(_PLUS_MINUS) for text in texts]
    widest = max((len(sd) for _, _, sd in pairs), default=0)
    return [mean + sign + sd.rjust(widest) if sign else mean for mean, sign, sd in pairs]


def _blocks(
    axes: list[list[str]], numbers: list[list[str]], width: int
) -> Iterable[list[list[str]]]:
    block = list(axes)
    for column in numbers:
        if len(block) > len(axes) and _width([*block, column]) > width:
            yield block
            block = list(axes)
        block.append(column)
    yield block


def _width(block: Sequence[Sequence[str]]) -> int:
    # the rule under the heading carries no escape codes
    return sum(len(column[1]) for column in block) + len(_GAP) * (len(block) - 1)


def _note_line(note: Note, width: int, *, colour: bool) -> str:
    mark = note.mark
    if mark == BOLD and not colour:
        mark = _STAR
    return wrapped(f"{mark}  {note.text}" if mark else note.text, width, hang=bool(mark))


def wrapped(text: str, width: int, *, hang: bool = False) -> str:
    """The text in lines of a terminal; `hang` moves all but the first to the right."""
    return textwrap.fill(
        text, max(width, 20), subsequent_indent="   " if hang else "", break_on_hyphens=False
    )


def _padded(text: str, width: int, *, right: bool = False) -> str:
    padding = " " * (width - display_width(text))
    return padding + text if right else text + padding


def display_width(text: str) -> int:
    """Columns a text takes in a terminal: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(mark) else 2 if unicodedata.east_asian_width(mark) in "WF" else 1
        for mark in text
    )
