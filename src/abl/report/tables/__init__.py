"""Tables of an Outcome, and what writes them: text, Markdown, CSV, LaTeX, HTML."""

from abl.report.tables.ablation import styled_table, table_of
from abl.report.tables.render import FORMATS, render

__all__ = ["FORMATS", "render", "styled_table", "table_of"]
