"""The command `abl` in this process."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from abl.cli.every import app


def abl(folder: Path, *words: str) -> Result:
    """Runs a command in a folder."""
    with chdir(folder):
        return CliRunner().invoke(app, list(words))


def facts_of(folder: Path, *words: str) -> dict[str, Any]:
    """What `abl readers --json` says, every number one that JSON has."""
    found = abl(folder, "readers", *words, "--json")
    assert found.exit_code == 0, found.output
    facts: dict[str, Any] = json.loads(found.stdout, parse_constant=pytest.fail)
    return facts
