"""Tables as text for a terminal, GitHub Markdown, CSV, LaTeX (booktabs) and HTML."""

from __future__ import annotations

import csv
import io
import math
import re
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from abl.errors import InputError, nearest
from abl.report.named import ends
from abl.report.tables.model import BOLD, Note, Raw, Table, TableCell
from abl.report.tables.pages import page_from
from abl.report.tables.wrapping import GAP, wrapped_blocks
from abl.visible import visible_line

FORMATS = ("text", "md", "csv", "latex", "html")
_STAR = "*"
_LATEX_LINE = 90  # characters that a line of a page in portrait holds, in 10 points
_PLUS_MINUS = " ± "
_INTERVAL = " ["
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_|~])")

# in LaTeX a bracket after \\ would be its optional argument, and a star its variant;
# \\textquotedbl would need another font encoding
_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "[": "{[}", "]": "{]}", "*": "{*}", "–": "--", "—": "---", "…": r"\ldots{}",
    "“": "``", "”": "''", "’": "'",
    **{mark: rf"\{mark}" for mark in "{}$&%#_"},
    **{
        mark: rf"${shown}$"
        for mark, shown in (
            ("±", r"\pm"), ("−", "-"), ("†", r"\dagger"), ("×", r"\times"), ("≤", r"\leq"),
            ("‡", r"\ddagger"),
            ("≥", r"\geq"), ("∞", r"\infty"), ("·", r"\cdot"), ("Δ", r"\Delta"), ("α", r"\alpha"),
            ("β", r"\beta"), ("γ", r"\gamma"), ("λ", r"\lambda"), ("µ", r"\mu"), ("μ", r"\mu"),
            ("σ", r"\sigma"),
        )
    },
}  # fmt: skip


def printed(table: Table, format: str, *, width: int = 120, colour: bool = False) -> str:
    """The table as text, md, csv, latex or html; ends with a line feed.

    Args:
        width: Columns of the terminal (text only); wider tables continue below.
        colour: The terminal shows bold (text only); otherwise a star marks the best arm.

    Raises:
        InputError: Unknown format.
    """
    writers: dict[str, Callable[[], str]] = {
        "text": lambda: _text_of(table, width=width, colour=colour),
        "md": lambda: _markdown_of(table),
        "csv": lambda: _csv_of(table),
        "latex": lambda: _latex_of(table),
        "html": lambda: page_from("table_page.html", {"table": table, "styled": True}),
    }
    if format not in writers:
        raise InputError(f"--format {format}: {nearest(format, FORMATS)}")
    return writers[format]()


def _text_of(table: Table, *, width: int, colour: bool) -> str:
    """Aligned columns; those beyond `width` continue in blocks below, each with what names a row,
    and without the rows that have nothing there."""
    table = _visible_table(table)
    columns = [_lines_of_column(table, index, colour=colour) for index in range(len(table.columns))]
    parts = [wrapped_text(table.title, width)]
    if table.lead:
        parts.append("\n".join(wrapped_text(text, width) for text in table.lead))
    for lines in wrapped_blocks(table, columns, width):
        parts.append("\n".join(GAP.join(line).rstrip() for line in lines))
    notes = [_note_line(note, width, colour=colour) for note in table.notes]
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts) + "\n"


def _visible_table(table: Table) -> Table:
    return replace(
        table,
        title=_one_line(table.title),
        lead=tuple(map(_one_line, table.lead)),
        columns=tuple(replace(each, label=_one_line(each.label)) for each in table.columns),
        rows=tuple(tuple(replace(c, text=_one_line(c.text)) for c in row) for row in table.rows),
        notes=tuple(replace(each, text=_one_line(each.text)) for each in table.notes),
    )


def _csv_of(table: Table) -> str:
    """Numbers in full precision as fractions; an undefined one is empty."""
    stream = io.StringIO()
    rows = [table.raw_columns, *([_csv_value(value) for value in row] for row in table.raw_rows)]
    csv.writer(stream, lineterminator="\n").writerows(rows)
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
    texts = [cell.text for cell in cells]
    texts = _aligned(texts) if column.numeric else texts
    text_width = max([*map(display_width, texts), display_width(column.label) - marks_width])
    full_width = text_width + marks_width
    lines = [_padded(column.label, full_width, right=column.numeric), "─" * full_width]
    for cell, text, mark in zip(cells, texts, marks, strict=True):
        line = _padded(text, text_width, right=column.numeric) + _padded(mark, marks_width)
        lines.append(f"\x1b[1m{line}\x1b[0m" if colour and cell.bold else line)
    return lines


def _marks(cell: TableCell, *, starred: bool) -> str:
    marks = ([_STAR] if cell.bold and starred else []) + list(cell.marks)
    return " " + ",".join(marks) if marks else ""


def _aligned(texts: Sequence[str]) -> list[str]:
    """`84.2 ± 1.3` and `84.2 [80.1, 87.9]` with what follows the number brought to one width, so
    that the numbers line up."""
    pairs = [text.partition(_PLUS_MINUS) for text in texts]
    widest = max((len(sd) for _, _, sd in pairs), default=0)
    texts = [mean + sign + sd.rjust(widest) if sign else mean for mean, sign, sd in pairs]
    intervals = [text.partition(_INTERVAL) for text in texts]
    widest = max((len(rest) for _, _, rest in intervals), default=0)
    if not widest:
        return texts
    return [
        mean + sign + rest.ljust(widest)
        if sign
        else mean + " " * (widest + len(_INTERVAL)) * (" " not in mean and bool(mean))
        for mean, sign, rest in intervals
    ]


def _note_line(note: Note, width: int, *, colour: bool) -> str:
    mark = note.mark
    if mark == BOLD and not colour:
        mark = _STAR
    return wrapped_text(f"{mark}  {note.text}" if mark else note.text, width, hang=bool(mark))


def wrapped_text(text: str, width: int, *, hang: bool = False) -> str:
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


def _markdown_of(table: Table) -> str:
    """A GitHub table under its title in bold, the notes as a list."""
    lines = [
        [markdown_escaped(column.label) for column in table.columns],
        ["---:" if column.numeric else ":---" for column in table.columns],
        *([_markdown.cell(cell) for cell in row] for row in table.rows),
    ]
    notes = ["", *(f"- {_markdown.note(note)}" for note in table.notes)] if table.notes else []
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    lead = [line for text in table.lead for line in (markdown_escaped(text), "")]
    return "\n".join([f"**{markdown_escaped(table.title)}**", "", *lead, *rows, *notes]) + "\n"


def answer_markdown(table: Table) -> str:
    """The title and the sentences before the table, as Markdown."""
    first, *others = table.lead or ("",)
    title = table.title if ends(table.title) else f"{table.title}."
    head = f"**{markdown_escaped(title)}** {markdown_escaped(first)}".rstrip()
    return "\n\n".join([head, *map(markdown_escaped, others)]) + "\n"


def _latex_of(table: Table) -> str:
    r"""A floating table for a document with \usepackage{booktabs}; notes under the rules."""
    alignment = "".join("r" if column.numeric else "l" for column in table.columns)
    label = re.sub(r"[^A-Za-z0-9]+", "-", table.name).strip("-") or "table"
    rows = [" & ".join(_latex.cell(cell) for cell in row) + r" \\" for row in table.rows]
    notes = [rf"{_latex.note(note)}\par" for note in table.notes]
    lines = [
        r"% needs \usepackage{booktabs}",
        *_latex_width_said(table),
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_escaped(table.title)}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        " & ".join(latex_escaped(column.label) for column in table.columns) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        *([r"\par\smallskip\footnotesize\raggedright", *notes] if notes else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_width_said(table: Table) -> list[str]:
    """A comment on a table that no page in portrait holds, with what to do."""
    columns = zip((each.label for each in table.columns), *_texts(table.rows), strict=True)
    width = sum(max(map(display_width, texts)) + 2 for texts in columns)
    if width <= _LATEX_LINE:
        return []
    return [
        f"% about {width} characters wide, a line has about {_LATEX_LINE}: --metric, --pivot;",
        r"% sidewaystable of \usepackage{rotating}; or \resizebox{\textwidth}{!}{ } around tabular",
    ]


def _texts(rows: Sequence[Sequence[TableCell]]) -> list[list[str]]:
    return [[cell.text for cell in row] for row in rows]


def latex_escaped(text: str) -> str:
    """Text that LaTeX prints as it stands, with any engine for Latin letters."""
    return "".join(_LATEX.get(mark, mark) for mark in _one_line(text))


def _one_line(text: str) -> str:
    # an empty line would end a caption, and any line a row of a Markdown table
    return visible_line(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text), "")


def markdown_escaped(text: str) -> str:
    """Text that Markdown shows as it stands."""
    text = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # an interval keeps its brackets; only what would make a link is escaped
    return _MARKDOWN_SPECIAL.sub(r"\\\1", text).replace("](", r"]\(")


@dataclass(frozen=True)
class _Markup:
    """How a language escapes text, and writes it bold and raised."""

    escaped: Callable[[str], str]
    bold: Callable[[str], str]
    raised: Callable[[str], str]
    of_bold: str
    gap: str

    def cell(self, cell: TableCell) -> str:
        text = self.escaped(cell.text)
        text = self.bold(text) if cell.bold and text else text
        return text + (self.gap + self.raised(",".join(cell.marks)) if cell.marks else "")

    def note(self, note: Note) -> str:
        text = self.escaped(note.text)
        if note.mark == BOLD:
            return f"{self.bold(self.of_bold)}: {text}"
        return f"{self.raised(note.mark)} {text}" if note.mark else text


_markdown = _Markup(markdown_escaped, "**{}**".format, "<sup>{}</sup>".format, "bold", " ")
_latex = _Markup(
    latex_escaped, r"\textbf{{{}}}".format,
    lambda marks: rf"\textsuperscript{{{latex_escaped(marks)}}}", "Bold", "",
)  # fmt: skip


def fragment_of(table: Table, *, styled: bool = True) -> str:
    """The table, to be placed into another page; with its style, which one of a page needs."""
    return page_from("table.html", {"table": table, "styled": styled})
