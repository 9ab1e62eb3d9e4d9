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


def page_policy(scripts: Sequence[str], *, evaluates: bool = False) -> str:
    """Content-Security-Policy of a page that holds all it shows.

    Args:
        evaluates: One of the scripts makes functions of its own specifications, as Vega does.
    """
    hashes = [f"'sha256-{_hash(text)}'" for text in scripts]
    hashes += ["'unsafe-eval'"] if evaluates else []
    allowed = " ".join(hashes) or "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
