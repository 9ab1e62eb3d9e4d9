"""`benchmarks/against.py`, its smallest form: two builds run, and are told apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def test_two_builds_side_by_side(tmp_path: Path) -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no commit to compare with: this is no checkout")
    script = tmp_path / "asks.py"
    script.write_text(
        "import os, pathlib, sys\n"
        f"sys.path.append({str(REPOSITORY / 'benchmarks')!r})\n"
        "import abl\n"
        "from measuring import figure\n"
        "tree = pathlib.Path(abl.__file__).parents[2]\n"
        f"figure('is today', 1 + (tree == pathlib.Path({str(REPOSITORY)!r})))\n"
        "pathlib.Path(sys.argv[1], 'here').touch(exist_ok=False)\n"
    )
    words = ["benchmarks/against.py", "HEAD", "--turns", "2", "--", str(script), "{new}"]
    found = subprocess.run(
        [sys.executable, *words], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    rows = [line.strip("| ").split(" | ") for line in found.stdout.splitlines() if "|" in line]
    figures = {row[0]: row[1:] for row in rows}
    assert figures["is today"] == ["1 (1 to 1)", "2 (2 to 2)", "0.50"]
    assert {"wall, s", "CPU, s", "peak memory, MiB"} <= set(figures)
    listed = subprocess.run(
        ["git", "worktree", "list"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "abl-against-" not in listed.stdout
