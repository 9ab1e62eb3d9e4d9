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
from abl.runner.ray_guarding import guarded
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


ENDING = """
import ctypes, os, signal, subprocess, sys, time
from abl.runner.ray_guarding import foretell, guarded
from abl.runner.ray_watch import end_process

def a_library_exits():
    ctypes.CDLL(None)._exit(1)
def a_library_aborts():
    ctypes.CDLL(None).abort()
def foretold():
    foretell("Ray's GCS has died; what is finished is kept: the same command goes on")
    a_library_exits()
def foretold_and_told():
    foretell("Ray's GCS has died")
    exits()
def killed():
    os.kill(os.getpid(), signal.SIGKILL)
def forked():
    if os.fork() == 0:  # holds all pipes open
        for each in (1, 2):
            os.close(each)
        time.sleep(5)
        os._exit(0)
    killed()
def child_returns():
    if os.fork():
        os.wait()
        killed()
def returns():
    pass
def exits():
    sys.exit("abl: said by itself")
def interrupted():
    raise KeyboardInterrupt
def ended_from_a_thread():
    print("abl: said by itself", file=sys.stderr)
    end_process(1)
def guard_killed_first():
    guard, = map(int, open(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read().split())
    os.kill(guard, signal.SIGKILL)
    time.sleep(1)
    killed()

with guarded("/no/package/of/this/name/"):
    globals()[sys.argv[1]]()
"""


def ended(how: str) -> tuple[int, list[str]]:
    """Exit status of a driver that ends in some way, and the lines that people read of it."""
    done = subprocess.run(
        [sys.executable, "-c", ENDING, how], capture_output=True, text=True, timeout=120
    )
    return done.returncode, [each for each in done.stderr.splitlines() if each.startswith("abl: ")]


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("a_library_exits", 1, "Ray's library"),
        ("a_library_aborts", -signal.SIGABRT, "--executor local"),
        ("foretold", 1, "Ray's GCS has died"),
        ("killed", -signal.SIGKILL, "was killed"),
        ("child_returns", -signal.SIGKILL, "was killed"),
        ("forked", -signal.SIGKILL, "was killed"),
        ("guard_killed_first", -signal.SIGKILL, "was killed"),
    ],
)
def test_an_end_of_which_the_driver_can_say_nothing_is_told(
    how: str, status: int, words: str
) -> None:
    found, (line,) = ended(how)
    assert found == status
    assert words in line
    assert "what is finished is kept: the same command goes on" in line


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("returns", 0),
        ("exits", 1),
        ("foretold_and_told", 1),
        ("interrupted", -signal.SIGINT),
        ("ended_from_a_thread", 1),
    ],
)
def test_an_end_of_its_own_is_not_told_by_another(how: str, status: int) -> None:
    found, lines = ended(how)
    assert found == status
    assert lines == (["abl: said by itself"] if status == 1 else [])


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


ORPHANED = """
import os, subprocess, sys, time
from abl.runner.ray_guarding import guarded
package = sys.argv[1]
session = f"/tmp/ray/session_2026-01-01_00-00-00_000000_{os.getpid()}"
other = session + "0"
sleep = "import time; time.sleep(600)"
# each starts one that loses it before the guard has come
leave = (
    "import subprocess as s, sys; "
    "print(s.Popen(sys.argv[1:], stdout=s.DEVNULL, stderr=s.DEVNULL).pid)"
)
def orphan(*words):
    run = [sys.executable, "-c", leave, sys.executable, "-c", sleep, *words]
    return subprocess.run(run, stdout=subprocess.PIPE, text=True).stdout.strip()
print(orphan(package, session), orphan("less", session), orphan(package, other), flush=True)
with guarded(package):
    time.sleep(600)
"""


def test_one_that_lost_its_parent_before_anyone_looked_ends_too(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ORPHANED, f"{tmp_path}{os.sep}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        orphan, reader, other = map(int, driver.stdout.readline().split())
        starts = {pid: process_start(pid) for pid in (orphan, reader, other)}
        assert None not in starts.values()
        time.sleep(1)  # its guard has come
        driver.kill()
    try:
        wait_for_end(orphan, starts[orphan])
        # who reads the logs, and another's Ray
        assert process_start(reader) == starts[reader]
        assert process_start(other) == starts[other]
    finally:
        for pid, start in starts.items():
            if process_start(pid) == start is not None:
                os.kill(pid, signal.SIGKILL)


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
