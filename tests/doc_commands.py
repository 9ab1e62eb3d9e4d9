"""Commands of README and docs/, read off their code blocks; those that no test runs, with why."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
# what a line of a shell begins with; a line that begins otherwise is YAML, Python, output
PROGRAMS = {
    "abl", "bash", "cp", "export", "git", "mkdocs", "mypy", "lint-imports", "optuna-dashboard",
    "pip", "pytest", "python", "python3", "ray", "ruff", "sbatch", "cluster/on-premises.sh",
    "cluster/mlflow-server.sh", "NO_MKDOCS_2_WARNING=1",
}  # fmt: skip

INSTALLS = "installs packages: every run of CI begins so"
CHECKS = "the project's own checks: CI runs them"
CLUSTER = "wants a Ray cluster or a server: tests/cluster starts them"
SERVES = "a server that runs until it is stopped: tests/record/test_browser.py opens it"
# beginning of a command -> why no test of the docs runs it
NOT_RUN = {
    "python3 -m venv .venv": INSTALLS,
    ". .venv/bin/activate": INSTALLS,
    "pip install": INSTALLS,
    "pytest": CHECKS,
    "ruff": CHECKS,
    "mypy": CHECKS,
    "lint-imports": CHECKS,
    "bash .ci/run": CHECKS,
    "abl sweep FILE --address": CLUSTER,
    "abl sweep sweeps/threshold.yaml --address": CLUSTER,
    "cluster/": CLUSTER,
    "export MLFLOW_": "settings of a server that is on no machine of ours",
    "sbatch cluster/slurm.sh": "wants Slurm: tests/cluster runs the script with stand-ins for it",
    "abl ui": SERVES,
    "optuna-dashboard": "a server that runs until it is stopped",
    "mkdocs serve": "a server that runs until it is stopped; test_site.py builds the site",
    "NO_MKDOCS_2_WARNING=1 mkdocs build": "test_site.py runs it",
    "python docs/pictures.py": "half an hour of trainings; its pictures are looked at",
}


@dataclass(frozen=True)
class Command:
    """One command of a page, as it stands there."""

    page: Path
    text: str
    block: int = 0  # which code block of the page it stands in

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def not_run(self) -> str:
        """Why no test runs it, "" if one does."""
        found = [why for start, why in NOT_RUN.items() if self.text.startswith(start)]
        return found[0] if found else ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}: {self.text}"


def shell_blocks(text: str) -> list[list[str]]:
    """Indented blocks, and fenced ones that name no language but a shell's: their lines."""
    blocks: list[list[str]] = [[]]
    fence = ""
    for line in text.splitlines():
        if line.startswith("```"):
            fence = "" if fence else (line.strip("` ") or "text")
        elif fence in ("text", "bash", "sh", "console") or (not fence and line.startswith("    ")):
            blocks[-1].append(line.strip())
        elif line.strip():  # an empty line ends no block
            blocks.append([])
    return [block for block in blocks if block]


def commands_of(page: Path) -> list[Command]:
    """The commands of a page in their order; several of one line apart."""
    found = []
    for number, block in enumerate(shell_blocks(page.read_text(encoding="utf-8"))):
        for line in block:
            # an arm may be called threshold:#4
            parts = re.sub(r"\s+#\s.*$", "", line).strip().split(" && ")
            if parts[0].partition(" ")[0] in PROGRAMS:
                texts = [re.sub(r"\s+", " ", each.strip()) for each in parts]
                found += [Command(page, each, number) for each in texts]
    return found


def all_commands() -> list[Command]:
    return [each for page in PAGES for each in commands_of(page)]
