"""The command `abl` in this process."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

from typer.testing import CliRunner, Result

from abl.cli import app


def abl(folder: Path, *words: str) -> Result:
    """Runs a command in a folder."""
    with chdir(folder):
        return CliRunner().invoke(app, list(words))
