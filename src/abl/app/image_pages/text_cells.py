"""Tables of text cells, none of which a spreadsheet computes.

A cell that begins with = + - @ (or a tab, or their full-width forms) is a formula to a spreadsheet,
unless it is a number. It gets an apostrophe in front, and so does one that begins with one, so that
reading takes exactly that apostrophe away. Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from abl.data.tables.words import NUMBER

_MARK = "'"
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]|'")
_GUARDED = re.compile(r"'(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]|')")


def as_text_cell(cell: str) -> str:
    """The cell as a spreadsheet takes it for text."""
    is_formula = _FORMULA.match(cell) is not None and not NUMBER.fullmatch(cell)
    return _MARK + cell if is_formula else cell


def from_text_cell(cell: str) -> str:
    """What `as_text_cell` was given."""
    return cell[1:] if _GUARDED.match(cell) else cell


def sheet_text(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A CSV (RFC 4180) of text cells."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow([as_text_cell(name) for name in columns])
    writer.writerows([as_text_cell(cell) for cell in row] for row in rows)
    return stream.getvalue()
