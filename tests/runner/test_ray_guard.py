"""What is left of a Ray ends with its driver, and nobody else does. Ray itself is not started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from abl.processes import process_start

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")

# a part of "Ray" whose child has lost it, as workers of a killed raylet have
PART = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
DRIVER = """
import os, signal, subprocess, sys, time
from abl.runner.ray_guard import guarded
package = sys.argv[1]
by = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with guarded(package):
    run = [sys.executable, package + "part.py"]
    part = subprocess.Popen(run, stdout=subprocess.PIPE, text=True)
    child = int(part.stdout.readline())
    time.sleep(3)  # seen by then
    part.kill()
    part.wait()
    print(by.pid, child, flush=True)
    if sys.argv[2] == "stay":
        time.sleep(600)
print("closed", flush=True)
by.kill()
"""
WATCHED = """
import subprocess, sys, time
code = (
    "import time; from abl.runner.worker_watch import end_with_ray as e; e(); e(); "
    "print('ready', flush=True); time.sleep(600)"
)
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == "ready\\n"
print(child.pid, flush=True)
time.sleep(600)
"""


def wait_for_end(pid: int, start: str | None) -> None:
    deadline = time.monotonic() + 60
    while start is not None and process_start(pid) == start:
        assert time.monotonic() < deadline, f"{pid} goes on"
        time.sleep(0.05)


@pytest.mark.parametrize("how", ["stay", "close"])
def test_orphans_end_with_their_driver_and_bystanders_do_not(tmp_path: Path, how: str) -> None:
    package = tmp_path / "ray"
    package.mkdir()
    (package / "part.py").write_text(PART)
    command = [sys.executable, "-c", DRIVER, f"{package}{os.sep}", how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        by, child = map(int, driver.stdout.readline().split())
        child_start, by_start = process_start(child), process_start(by)
        try:
            if how == "stay":
                assert child_start is not None
                driver.kill()
            else:
                assert driver.stdout.readline() == "closed\n"
            wait_for_end(child, child_start)
            if how == "stay":
                assert process_start(by) == by_start
        finally:
            driver.kill()
            if process_start(by) == by_start is not None:
                os.kill(by, signal.SIGKILL)


def test_a_worker_ends_with_its_raylet() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WATCHED], stdout=subprocess.PIPE, text=True
    ) as raylet:
        assert raylet.stdout is not None
        worker = int(raylet.stdout.readline())
        start = process_start(worker)
        assert start is not None
        raylet.kill()
    wait_for_end(worker, start)
