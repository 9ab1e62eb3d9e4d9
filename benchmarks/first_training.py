"""How long `abl sweep` takes to its first training, from nothing.

    python benchmarks/first_training.py
    python benchmarks/against.py 78bfe0a -- benchmarks/first_training.py

Starts the sweep in an empty folder, waits for a stage to be at work, and ends it there: start of
Python, imports, plan, decoded images, MLflow's database, Ray and its workers. The sweep file is the
build's own. Prints a section for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import figure, machine_line, markdown_table

import abl

COMMAND = "import sys\nfrom abl.cli import main\nsys.exit(main())\n"
PATIENCE_S = 600.0


def seconds_to_first(sweep: Path) -> tuple[float, float]:
    """Wall and CPU seconds until a stage is at work.

    Raises:
        SystemExit: The sweep ended, or nothing is at work after ten minutes.
    """
    with tempfile.TemporaryDirectory(prefix="abl-first-") as folder:
        script, root = Path(folder, "abl"), Path(folder, "mlruns")
        script.write_text(COMMAND)
        words = [sys.executable, str(script), "sweep", str(sweep), "--mlruns", str(root)]
        began = time.perf_counter()
        run = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            while not any(Path(root, "store", "work").glob("*/*")):
                if run.poll() is not None or time.perf_counter() - began > PATIENCE_S:
                    raise SystemExit(f"{sweep}: no stage was started")
                time.sleep(0.02)
            wall, used = time.perf_counter() - began, cpu_of_session(run.pid)
        finally:
            run.send_signal(signal.SIGINT)
            run.wait()
    return wall, used


def cpu_of_session(session: int) -> float:
    """CPU seconds of the living processes of a session, and of those that they waited for."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    own = Path(abl.__file__).parents[2] / "sweeps" / "threshold.yaml"
    parser.add_argument("sweep", nargs="?", type=Path, default=own)
    asked = parser.parse_args()
    wall, used = seconds_to_first(asked.sweep)
    figure("to the first training, s", wall)
    figure("CPU to the first training, s", used)
    print(machine_line() + "\n")
    rows = [["to the first training", f"{wall:.1f}", f"{used:.1f}"]]
    print(markdown_table(["", "wall, s", "CPU, s"], rows))


if __name__ == "__main__":
    main()
