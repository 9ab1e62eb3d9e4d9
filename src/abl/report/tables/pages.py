"""Pages made from the package's templates, in which every value is escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from abl.report.tables.model import BOLD
from abl.visible import visible_text

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_CODE = re.compile(r"`([^`\n]+)`")


def page_from(template: str, values: Mapping[str, Any]) -> str:
    """A page made from a template of the package; every value is escaped."""
    return _environment().get_template(template).render(**values, bold=BOLD)


def _shown(value: Any) -> Any:
    # what is marked as safe was made from such a page
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return visible_text(value, "") if is_text else value


@cache
def _environment() -> Environment:
    # it takes a tenth of a second, and most that is printed is no page
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("abl.report"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sentence"] = _sentence
    return environment


def _sentence(text: str) -> Markup:
    """A sentence as HTML: what stands in backticks is code; nothing else of it is markup."""
    from markupsafe import Markup, escape

    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(_shown(text)))))
