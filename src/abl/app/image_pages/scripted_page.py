"""HTML pages with scripts of their own, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import string
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from abl.report.tables.pages import page_from

SHARED_SCRIPT = "image_page.js"


def letters_of(classes: Sequence[str], taken: str = "jk") -> dict[str, str]:
    """Key of the keyboard -> class that it stands for, of as many as there are letters.

    Args:
        taken: Letters that do something else: j and k move.
    """
    letters = (each for each in string.ascii_lowercase if each not in taken)
    return dict(zip(letters, classes, strict=False))


def scripted_page(template: str, script: str, values: Mapping[str, Any]) -> str:
    """The page of a template with one script, whose hash is all that its policy lets run.

    Args:
        script: Its file name; what all such pages share stands before it.
        values: What the template takes besides `script` and `script_hash`.
    """
    folder = files("abl.report").joinpath("templates")
    text = "".join(
        folder.joinpath(name).read_text(encoding="utf-8") for name in (SHARED_SCRIPT, script)
    )
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    shown = {**values, "script": Markup(text), "script_hash": f"sha256-{digest}"}
    return page_from(template, shown)
