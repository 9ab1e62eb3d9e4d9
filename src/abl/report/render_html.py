"""A table as HTML: a page of its own, or a fragment for the report."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from abl.report.table_model import BOLD, Table


def page_of(table: Table) -> str:
    """A complete page without remote resources, light or dark as the reader's system is."""
    return _environment().get_template("table_page.html").render(table=table, bold=BOLD)


def fragment_of(table: Table) -> str:
    """The table with its style, to be placed into another page."""
    return _environment().get_template("table.html").render(table=table, bold=BOLD)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("abl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
