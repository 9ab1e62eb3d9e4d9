"""A table that is wider than the terminal, in blocks of columns one below the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from abl.report.tables.model import Table

GAP = "  "
_HEADING = 2  # lines of a column above its first row: its name and a rule


def wrapped_blocks(
    table: Table, columns: Sequence[Sequence[str]], width: int
) -> Iterator[list[tuple[str, ...]]]:
    """The lines of each block, a text a column: one block if all of them fit.

    Otherwise each block begins with the columns that name a row, and those after the first leave
    out rows that have nothing there.

    Args:
        columns: Of the table, its lines padded to one width; the second is a rule without escape
            codes.
    """
    whole = range(len(columns))
    naming = naming_columns(table)
    blocks = [whole] if _width(columns, whole) <= width else _wrapped(columns, naming, width)
    for number, block in enumerate(blocks):
        lines = list(zip(*(columns[at] for at in block), strict=True))
        if number:
            own = [at for at in block if at not in naming]
            told = [any(row[at].text.strip() or row[at].marks for at in own) for row in table.rows]
            kept = [line for line, tells in zip(lines[_HEADING:], told, strict=True) if tells]
            lines = lines[:_HEADING] + (kept or lines[_HEADING:])
        yield lines


def naming_columns(table: Table) -> list[int]:
    """Columns that tell the rows apart: the axes, and of the text after them what they lack."""
    chosen = list(range(table.axis_count))

    def named(columns: Sequence[int]) -> int:
        return len({tuple(row[at].text for at in columns) for row in table.rows})

    for at in range(table.axis_count, len(table.columns)):
        apart = named(chosen)
        if apart == len(table.rows):
            break
        if not table.columns[at].numeric and named([*chosen, at]) > apart:
            chosen.append(at)
    return chosen


def _wrapped(
    columns: Sequence[Sequence[str]], naming: Sequence[int], width: int
) -> list[Sequence[int]]:
    """Columns of each block."""
    blocks: list[Sequence[int]] = []
    block = list(naming)
    for at in range(len(columns)):
        if at in naming:
            continue
        if len(block) > len(naming) and _width(columns, [*block, at]) > width:
            blocks.append(block)
            block = list(naming)
        block.append(at)
    return [*blocks, block]


def _width(columns: Sequence[Sequence[str]], block: Sequence[int]) -> int:
    return len(GAP.join(columns[at][1] for at in block))
