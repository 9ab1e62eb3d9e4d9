"""The command `abl`: thin commands over the API; every module is imported where it is used."""

from __future__ import annotations

from typing import NoReturn

# each registers its commands, in the order in which `abl --help` lists them
from abl.cli import sweeping  # noqa: F401

# isort: split
from abl.cli import looking  # noqa: F401

# isort: split
from abl.cli import decide  # noqa: F401

# isort: split
from abl.cli import data  # noqa: F401
from abl.cli.app import app


def main() -> NoReturn:
    """Entry point of the command."""
    app()
    raise SystemExit(0)
