"""A table as GitHub Markdown and as LaTeX (booktabs)."""

from __future__ import annotations

import re

from abl.report.tables.model import BOLD, Note, Table, TableCell

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_|~])")

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",  # \\textquotedbl would need another font encoding
    # after \\ a bracket would be its optional argument, and a star its variant
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "†": r"$\dagger$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "∞": r"$\infty$",
    "·": r"$\cdot$",
    "…": r"\ldots{}",
    "Δ": r"$\Delta$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "λ": r"$\lambda$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "σ": r"$\sigma$",
    "“": "``",
    "”": "''",
    "’": "'",
}


def markdown_of(table: Table) -> str:
    """A GitHub table under its title in bold, the notes as a list."""
    columns = table.columns
    lines = [f"**{markdown_escaped(table.title)}**", ""]
    lines.append(_md_row([markdown_escaped(column.label) for column in columns]))
    lines.append(_md_row(["---:" if column.numeric else ":---" for column in columns]))
    lines.extend(_md_row([_md_cell(cell) for cell in row]) for row in table.rows)
    if table.notes:
        lines.append("")
        lines.extend(f"- {_md_note(note)}" for note in table.notes)
    return "\n".join(lines) + "\n"


def latex_of(table: Table) -> str:
    r"""A floating table for a document with \usepackage{booktabs}; notes under the rules."""
    alignment = "".join("r" if column.numeric else "l" for column in table.columns)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_escaped(table.title)}}}",
        rf"\label{{tab:{_label(table.name)}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        _latex_row([latex_escaped(column.label) for column in table.columns]),
        r"\midrule",
        *(_latex_row([_latex_cell(cell) for cell in row]) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if table.notes:
        lines.append(r"\par\smallskip\footnotesize\raggedright")
        lines.extend(rf"{_latex_note(note)}\par" for note in table.notes)
    lines.append(r"\end{table}")
    return "\n".join(lines) + "\n"


def latex_escaped(text: str) -> str:
    """Text that LaTeX prints as it stands, with any engine for Latin letters."""
    return "".join(_LATEX.get(mark, mark) for mark in _one_line(text))


def _one_line(text: str) -> str:
    # an empty line would end a caption, and any line a row of a Markdown table
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)


def markdown_escaped(text: str) -> str:
    """Text that Markdown shows as it stands."""
    text = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # an interval keeps its brackets; only what would make a link is escaped
    return _MARKDOWN_SPECIAL.sub(r"\\\1", text).replace("](", r"]\(")


def _md_row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _md_cell(cell: TableCell) -> str:
    text = markdown_escaped(cell.text)
    if cell.bold and text:
        text = f"**{text}**"
    return text + (f" <sup>{','.join(cell.marks)}</sup>" if cell.marks else "")


def _md_note(note: Note) -> str:
    text = markdown_escaped(note.text)
    if note.mark == BOLD:
        return f"**bold**: {text}"
    return f"<sup>{note.mark}</sup> {text}" if note.mark else text


def _latex_row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_cell(cell: TableCell) -> str:
    text = latex_escaped(cell.text)
    if cell.bold and cell.text:
        text = rf"\textbf{{{text}}}"
    return text + (_superscript(",".join(cell.marks)) if cell.marks else "")


def _latex_note(note: Note) -> str:
    text = latex_escaped(note.text)
    if note.mark == BOLD:
        return rf"\textbf{{Bold}}: {text}"
    return f"{_superscript(note.mark)} {text}" if note.mark else text


def _superscript(marks: str) -> str:
    return rf"\textsuperscript{{{latex_escaped(marks)}}}"


def _label(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "table"
