"""A table in a text file, as programs and spreadsheets save one: header, records, what was odd.

Fields are separated by commas, or by semicolons or tabs as a first line `sep=;` or the header says.
Where they are not separated by commas, numbers may have decimal commas. Columns with neither name
nor value and rows of empty fields, which spreadsheets add, are passed over.
"""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abl.data.tables.words import DECIMAL_COMMA
from abl.errors import InputError, Problem
from abl.spec.limits import TABLE_MB, TABLE_ROWS, bounded_bytes

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  # .xlsx, .ods; .xls
_PACKED = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"
}  # fmt: skip
_SEP_LINE = re.compile(r"[\s\"]*sep=(?P<mark>[,;\t|])[\"\s,;]*", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class TextTable:
    """The table of a text file.

    Attributes:
        header: Names of the columns, stripped, each once.
        header_row: Its row in the file, from 1.
        records: Fields as written, as many as the header has names.
        numbers: Row of each record in the file.
        ragged: A problem for each row of another number of fields.
        note: What was read other than as plain CSV, a sentence; "" if nothing.
    """

    header: list[str]
    header_row: int
    records: list[list[str]]
    numbers: list[int]
    ragged: list[Problem]
    note: str = ""


def text_of(data: bytes, file: str) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark. Raises InputError if it is none."""
    if data.startswith(_WORKBOOKS):
        message = "is a workbook of a spreadsheet; save its sheet as CSV (UTF-8)"
        raise InputError(Problem(message, file=file))
    packed = next((name for mark, name in _PACKED.items() if data.startswith(mark)), "")
    if packed:
        message = f"is compressed ({packed}); unpack it, and name the file that comes out"
        raise InputError(Problem(message, file=file))
    try:
        if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            return data.decode("utf-16")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # an odd number of bytes, or half a pair, is no text of UTF-16 either
        message = f"is not UTF-8 (byte {error.start}); save it as UTF-8"
        raise InputError(Problem(message, file=file)) from None
    if "\0" in text[: text.find("\n") + 1]:
        message = "has zero bytes, as text of UTF-16 without its mark; save it as UTF-8"
        raise InputError(Problem(message, file=file))
    return text


def is_plain(text: str) -> bool:
    """Whether a table is separated by commas and says so nowhere: its first line tells."""
    first = text[: text.find("\n") + 1 or None]
    return "," in first and separator_of(first) == "," and not _SEP_LINE.fullmatch(first.strip())


def separator_of(header: str) -> str:
    """What separates the names of a header: a comma unless its first name holds another."""
    first, found = header.split(",")[0], ","
    for mark in (";", "\t", "|"):
        if mark in first and header.count(mark) > header.count(found) * (found != ","):
            found = mark
    return found


def read_text_table(path: Path) -> TextTable:
    """The table of a text file.

    Raises:
        InputError: It cannot be read, is no text or empty; a name given twice, columns with values
            and no name; it is over a limit.
    """
    file = str(path)
    try:
        text = text_of(bounded_bytes(path, TABLE_MB), file)
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", file=file)) from None
    said: list[str] = []
    lines = io.StringIO(text, newline="")
    start, skipped = 0, 0
    first = lines.readline()
    mark = _SEP_LINE.fullmatch(first)
    if mark:
        start, skipped = lines.tell(), 1
        separator = mark["mark"]
        said.append(f"a first line 'sep={separator}'")
    else:
        separator = separator_of(_first_line(text))
    lines.seek(start)
    if separator != ",":
        said.insert(0, f"fields separated by {SEPARATORS[separator]}")
    rows: list[tuple[int, list[str]]] = []
    blank, most = 0, TABLE_ROWS.most
    try:
        reader = csv.reader(lines, delimiter=separator, strict=True)
        for at, record in enumerate(reader, 1 + skipped):
            if record and (record[0].strip() or any(map(str.strip, record))):
                rows.append((at, record))
                if len(rows) > most + 1:  # the header too
                    said_more = TABLE_ROWS.refusal(f"has more than {most:,} rows")
                    raise InputError(Problem(said_more, file=file))
            else:
                blank += bool(record)
    except csv.Error as error:
        at = _row_of_error(text[start:], separator) + skipped
        raise InputError(Problem(f"not CSV: {error}", file=file, line=at)) from None
    if not rows:
        raise InputError(Problem("is empty", file=file))
    (header_row, names), *rest = rows
    if len(names) == 1 and len(names[0].split()) > 1:
        message = f"is not separated by commas, semicolons or tabs: '{names[0].strip()[:60]}'"
        raise InputError(Problem(message, file=file, line=header_row))
    table, columns = _squared(file, header_row, [name.strip() for name in names], rest)
    counted = [_counted(columns, "column without a name", "columns without names")] * bool(columns)
    counted += [_counted(blank, "row of empty fields", "rows of empty fields")] * bool(blank)
    if counted:
        said.append(f"{' and '.join(counted)} passed over")
    if separator != ",":
        commas = _with_points(table.records)
        if commas:
            said.append(f"{_counted(commas, 'decimal comma', 'decimal commas')} read as points")
    note = f"{path.name}: {', '.join(said)}." if said else ""
    return TextTable(
        table.header, table.header_row, table.records, table.numbers, table.ragged, note
    )


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip(' \t,;"')), "")


def _row_of_error(text: str, separator: str) -> int:
    row = 0
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            row += 1
    except csv.Error:
        pass
    return row + 1


def _squared(
    file: str, header_row: int, header: list[str], rows: Sequence[tuple[int, list[str]]]
) -> tuple[TextTable, int]:
    """The rows with as many fields as there are names, and how many empty columns there were."""
    width = len(header)
    ragged, records, numbers = [], [], []
    for at, record in rows:
        if len(record) > width and not any(map(str.strip, record[width:])):
            record = record[:width]
        if len(record) == width:
            records.append(record)
            numbers.append(at)
            continue
        fields = "1 field" if len(record) == 1 else f"{len(record)} fields"
        too_many = len(record) > width
        advice = "put a text with a comma in double quotes" if too_many else "fill in what lacks"
        message = f"has {fields}, the header has {width}: {advice}"
        ragged.append(Problem(message, file=file, line=at))
    nameless = [at for at, name in enumerate(header) if not name]
    empty = {at for at in nameless if not any(record[at].strip() for record in records)}
    kept = [at for at in range(width) if at not in empty]
    problems = [
        Problem(f"column '{name}' is there twice", file=file, line=header_row)
        for name in sorted({name for name in header if name and header.count(name) > 1})
    ]
    if len(unnamed := [at + 1 for at in nameless if at not in empty]) > 1:
        message = f"columns {', '.join(map(str, unnamed))} have values and no name: name them"
        problems.append(Problem(message, file=file, line=header_row))
    if problems:
        raise InputError([*problems, *ragged])
    if empty:
        header = [header[at] for at in kept]
        records = [[record[at] for at in kept] for record in records]
    return TextTable(header, header_row, records, numbers, ragged), len(empty)


def _with_points(records: Sequence[list[str]]) -> int:
    """Writes decimal commas as points, in place; returns how many."""
    count = 0
    for record in records:
        for at, field in enumerate(record):
            if "," in field and DECIMAL_COMMA.fullmatch(field.strip()):
                record[at] = field.replace(",", ".")
                count += 1
    return count


def _counted(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"
