"""A table as HTML: a page of its own, or a fragment for the report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from abl.report.tables.model import BOLD, Table


def page_of(table: Table) -> str:
    """A complete page without remote resources, light or dark as the reader's system is."""
    return _environment().get_template("table_page.html").render(table=table, bold=BOLD)


def fragment_of(table: Table) -> str:
    """The table with its style, to be placed into another page."""
    return _environment().get_template("table.html").render(table=table, bold=BOLD)


def page_from(template: str, values: Mapping[str, Any]) -> str:
    """A page made from a template of the package; every value is escaped."""
    return _environment().get_template(template).render(**values, bold=BOLD)


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
