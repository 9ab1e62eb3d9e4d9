"""What the benchmarks share: the machine in a line, and time and memory of a tree of processes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

MIB = 2**20
# names the file to which a script that `against.py` runs tells its figures
FIGURES = "ABL_BENCHMARK_FIGURES"
# context of stages of the kind "nap", which wait
NAPS = {"module": str(Path(__file__).parents[1] / "tests" / "doubles.py")}


def machine_line() -> str:
    """Processor, CPUs, memory and versions, for the head of a section of figures."""
    cpus = len(os.sched_getaffinity(0))
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray", "mlflow"))
    return (
        f"Machine: {model}, {cpus} CPUs, {pages / 2**30:.0f} GiB, {platform.system()}; "
        f"Python {platform.python_version()}, {versions}; "
        f"load when started {os.getloadavg()[0]:.1f}."
    )


def figure(name: str, value: float) -> None:
    """Tells a figure (its unit in its name, less is better) to `against.py`, if that runs this."""
    if told := os.environ.get(FIGURES):
        with Path(told).open("a") as file:
            file.write(json.dumps([name, value]) + "\n")


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, rule, *rows))


def descendants(root: int) -> list[int]:
    """A process and everything that it started, directly or not."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # field 4 of stat is the parent, counted after the name, which may hold spaces
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children[parent].append(int(entry.name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children[pid]
    return found


def resident_bytes(pid: int) -> int:
    """PSS of a process: pages that several share are divided among them. 0 if it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class PeakMemory:
    """Highest PSS of a tree of processes, sampled while it is entered.

    The kernel walks all pages for it, so that more samples would take time from what is measured.

    Attributes:
        mib: The peak.
        processes: How many there were then.
    """

    def __init__(self, root: int, interval_s: float = 2.0):
        self.mib = 0.0
        self.processes = 0
        self._root, self._interval_s = root, interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            tree = [pid for pid in descendants(self._root) if pid != os.getpid()]
            mib = sum(map(resident_bytes, tree)) / MIB
            if mib > self.mib:
                self.mib, self.processes = mib, len(tree)
            if self._stop.wait(self._interval_s):
                return


@dataclass(frozen=True)
class Measured:
    """A command that was run to its end: times by time.time(), peak memory of all its processes."""

    began: float
    ended: float
    peak_mib: float
    output: str

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.ended - self.began


def run_measured(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Measured:
    """Runs a command from nothing; its output is returned.

    Raises:
        SystemExit: It failed; the end of its output is shown.
    """
    began = time.time()
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with PeakMemory(process.pid) as peak:
        output, errors = process.communicate()
    ended = time.time()
    if process.returncode:
        what = f"{' '.join(command)} ended with {process.returncode}"
        raise SystemExit(f"{what}:\n{(output + errors)[-4000:]}")
    return Measured(began, ended, peak.mib, output)
