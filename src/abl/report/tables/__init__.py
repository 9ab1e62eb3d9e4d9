"""Tables of an Outcome, and what writes them: text, Markdown, CSV, LaTeX, HTML."""

from abl.report.tables.ablation import styled_table, table_of
from abl.report.tables.render import FORMATS, printed

__all__ = ["FORMATS", "printed", "styled_table", "table_of"]
