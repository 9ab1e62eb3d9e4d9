"""Columns of text within a width, and how numbers stand in them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Sequence

from abl.decide.readers.contrasts import ReaderContrast
from abl.visible import visible_line

_GAP = "  "
_LEAST = 16  # signs of a name before it goes on below


def decimal_text(value: float, decimals: int) -> str:
    """A number, a dash if it is none."""
    if math.isnan(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if not text.strip("-0.") else text


def p_words(p: float) -> str:
    """A P value with four decimals, or that it is below the last of them."""
    if math.isnan(p):
        return ""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def p_is(p: float) -> str:
    """A P value in a sentence: `P = 0.0409`, `P < 0.0001`."""
    words = p_words(p)
    return f"P {words}" if words.startswith("<") else f"P = {words}"


def spread_words(found: ReaderContrast, decimals: int) -> str:
    """The interval, or that there is none; why stands elsewhere, once."""
    if found.why:
        return "none"
    return f"{decimal_text(found.low, decimals)} to {decimal_text(found.high, decimals)}"


def wrapped_lines(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of a sentence, those after the first indented."""
    return textwrap.wrap(
        visible_line(text), width, initial_indent=indent, subsequent_indent=indent + "  "
    ) or [""]


def laid_out(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    right: Collection[int] = (),
    names: int = 1,
) -> list[str]:
    """Columns beside each other; those that do not fit follow below, names repeated.

    Args:
        head: Names of the columns, "" of none.
        rows: Cells.
        right: Positions of columns that are aligned to the right.
        names: How many of the first columns say what a row is.
    """
    cells = [[visible_line(cell) for cell in row] for row in [head, *rows]]
    sizes = [max(len(row[at]) for row in cells) for at in range(len(head))]
    sizes[0] = min(sizes[0], max(_LEAST, width // 2))
    lines: list[str] = []
    start = names
    while start < len(head) or start == names:
        stop, used = start, sum(sizes[:names]) + len(_GAP) * names
        while stop < len(head) and (stop == start or used + len(_GAP) + sizes[stop] <= width):
            used += len(_GAP) + sizes[stop]
            stop += 1
        shown = [*range(names), *range(start, stop)]
        lines += [line for row in cells for line in _line(row, shown, sizes, width, right)]
        if stop >= len(head):
            break
        lines.append("")
        start = stop
    return lines


def _line(
    row: Sequence[str], shown: Sequence[int], sizes: Sequence[int], width: int,
    right: Collection[int],
) -> list[str]:  # fmt: skip
    """A row; a name that is too long goes on below."""
    first = textwrap.wrap(row[0], sizes[0], subsequent_indent=" ") or [""]
    rest = [row[at].rjust(sizes[at]) if at in right else row[at].ljust(sizes[at])
            for at in shown[1:]]  # fmt: skip
    line = (_GAP + _GAP.join([first[0].ljust(sizes[0]), *rest])).rstrip()
    lines = [line] if len(line) <= width else wrapped_lines(line.strip(), width, _GAP)
    return lines + [_GAP + each for each in first[1:]]
