"""Scripts of a page, and the policy that lets these run and nothing else, from nowhere else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from markupsafe import Markup


def page_script(name: str) -> Markup:
    """A script of the package by its file name."""
    path = files("abl.report").joinpath("templates").joinpath(name)
    return Markup(path.read_text(encoding="utf-8"))


def page_policy(scripts: Sequence[str]) -> str:
    """Content-Security-Policy of a page that holds all it shows; no text of it is evaluated."""
    allowed = " ".join(f"'sha256-{_hash(text)}'" for text in scripts) or "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
