"""A benchmark, or a command, by the build of an older commit and by today's, side by side in turns.

    python benchmarks/against.py 9ba55ed -- abl sweep sweeps/threshold.yaml --mlruns {new}
    python benchmarks/against.py 9ba55ed --turns 5 -- benchmarks/decide.py --quick

A script of benchmarks/ is today's file in both builds, so that both are asked the same; with --own
each build runs its own. A command starts in the build's own tree. `{new}` is a folder that is empty
at each run, `{kept}` one that a build keeps over all of its runs (the first run fills it and is not
counted). Beside wall time, CPU time and peak memory, what a script tells by `figure()` of
measuring.py is compared too. Prints a section for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from collections import defaultdict
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from measuring import FIGURES, machine_line, markdown_table, run_measured
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[1]
WALL, CPU, PEAK = "wall, s", "CPU, s", "peak memory, MiB"


@dataclass
class Build:
    """A commit, ready to run.

    Attributes:
        name: As the table heads its column.
        tree: Its checkout.
        home: Its environment, and the folder that it keeps.
        figures: Every figure of every counted run, by its name.
    """

    name: str
    tree: Path
    home: Path
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def environment(self) -> None:
        """Makes an environment in which `abl` is this tree's.

        Its packages are those of the environment this runs in where they satisfy what the commit
        asks for, so that both builds stand on the same libraries; else they are installed.
        """
        lacking = self._lacking()
        venv.create(self.home / "env", symlinks=True, with_pip=bool(lacking))
        python = str(self._bin("python"))
        if lacking:
            print(f"{self.name}: installing {', '.join(lacking)}", file=sys.stderr)
            subprocess.run([python, "-m", "pip", "install", "-q", str(self.tree)], check=True)
            return
        inside = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = subprocess.run([python, "-c", inside], check=True, text=True, capture_output=True)
        paths = [self.tree / "src", sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        # as where it is installed: to compile a package takes as long as a plan
        compiled = [python, "-m", "compileall", "-q", str(self.tree / "src")]
        subprocess.run(compiled, check=True)
        lines = "\n".join(map(str, dict.fromkeys(paths)))
        (Path(site.stdout.strip()) / "build.pth").write_text(lines + "\n")
        command = f"#!{python}\nimport sys\nfrom abl.cli import main\nsys.exit(main())\n"
        self._bin("abl").write_text(command)
        self._bin("abl").chmod(0o755)

    def run(self, words: list[str], *, own: bool, counted: bool = True) -> None:
        """Runs the words once. Raises SystemExit where they fail, with the end of their output."""
        new, told = self.home / "new", self.home / "figures.jsonl"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        told.unlink(missing_ok=True)
        (self.home / "kept").mkdir(exist_ok=True)
        places = {"{new}": str(new), "{kept}": str(self.home / "kept")}
        said = [places.get(word, word) for word in words]
        scripts = self.tree if own else REPOSITORY
        if said[0].endswith(".py"):
            said = [str(self._bin("python")), str(scripts / said[0]), *said[1:]]
        else:
            said[0] = str(self._bin(said[0]))
        environment = {
            name: value
            for name, value in os.environ.items()
            # the builds' own code, not the one that this runs by
            if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        environment |= {FIGURES: str(told), "PATH": f"{self._bin('')}:{os.environ['PATH']}"}
        before = _cpu_of_children()
        measured = run_measured(said, cwd=self.tree, env=environment)
        found = {WALL: measured.seconds, CPU: _cpu_of_children() - before, PEAK: measured.peak_mib}
        if told.exists():
            found |= dict(json.loads(line) for line in told.read_text().splitlines())
        if counted:
            for name, value in found.items():
                self.figures[name].append(value)

    def _lacking(self) -> list[str]:
        project = tomllib.loads((self.tree / "pyproject.toml").read_text())["project"]
        lacking = []
        for text in project["dependencies"]:
            asked = Requirement(text)
            try:
                there = asked.specifier.contains(version(asked.name), prereleases=True)
            except PackageNotFoundError:
                there = False
            if not there:
                lacking.append(text)
        return lacking

    def _bin(self, name: str) -> Path:
        return self.home / "env" / "bin" / name


def _cpu_of_children() -> float:
    """CPU seconds of all ended children, and theirs that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    middle = f"{statistics.median(values):.4g}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.4g} to {max(values):.4g})"


def section(older: Build, today: Build, words: list[str], turns: int) -> str:
    """The figures of both builds: medians, least and greatest, and the older's over today's."""
    rows = []
    for name in dict.fromkeys((*older.figures, *today.figures)):
        then, now = older.figures[name], today.figures[name]
        both = bool(then and now and statistics.median(now))
        ratio = f"{statistics.median(then) / statistics.median(now):.2f}" if both else ""
        rows.append([name, _cell(then), _cell(now), ratio])
    head = ["", older.name, today.name, "older over today"]
    turned = f"Median of {turns} runs each, in turns (least to greatest)." if turns > 1 else ""
    table = markdown_table(head, rows)
    return "\n\n".join(part for part in (f"`{' '.join(words)}`", turned, table) if part)


def _git(*words: str) -> str:
    found = subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"git {' '.join(words)}: {found.stderr.strip()}")
    return found.stdout.strip()


def main() -> None:
    """Reads the command line and prints the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rev", help="the older commit")
    parser.add_argument("words", nargs="+", metavar="-- WORDS", help="a script or a command")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--own", action="store_true", help="each build runs its own script")
    asked = parser.parse_args()
    commit = _git("rev-parse", "--short", f"{asked.rev}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="abl-against-") as folder:
        tree = Path(folder, "older", "tree")
        _git("worktree", "add", "--detach", str(tree), commit)
        try:
            older = Build(commit, tree, Path(folder, "older"))
            today = Build("today", REPOSITORY, Path(folder, "today"))
            for build in (older, today):
                build.home.mkdir(exist_ok=True)
                build.environment()
                if "{kept}" in asked.words:
                    build.run(asked.words, own=asked.own, counted=False)
            machine = machine_line()
            for turn in range(asked.turns):
                # who goes first changes, as the first finds the files of the disk uncached
                for build in (older, today) if turn % 2 == 0 else (today, older):
                    build.run(asked.words, own=asked.own)
        finally:
            _git("worktree", "remove", "--force", str(tree))
    print(f"{machine}\n\n{section(older, today, asked.words, asked.turns)}")


if __name__ == "__main__":
    main()
