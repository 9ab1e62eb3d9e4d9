"""A Ray that is started here, with a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STARTED = """
import os
import sys
os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:1]))
from abl.runner.ray_nodes import ray_nodes
with ray_nodes(1, None):
    import ray
    def look():
        import pandas
        return sys.path
    print(os.getcwd() in ray.get(ray.remote(look).remote()))
"""


@pytest.mark.cluster
def test_workers_import_nothing_from_the_folder_that_the_command_runs_in(tmp_path: Path) -> None:
    marker = "open('ran', 'w').close()\nraise SystemExit('not to be imported')\n"
    (tmp_path / "pandas.py").write_text(marker, encoding="utf-8")
    # as the command `abl`, whose own path does not begin with this folder
    script = tmp_path.parent / "started.py"
    script.write_text(STARTED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout.strip().endswith("False"), done.stderr
    assert not (tmp_path / "ran").exists()


LEFT = """
import os, sys, threading
from pathlib import Path
os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:1]))
from abl.record.store import Store
from abl.runner.engine import run_plan
from abl.runner.held_ray import HeldRay
from tiny_sweeps import Heard, by_digest, nap
def run(name, held):
    stages = by_digest(nap(name))
    print(len(run_plan(stages, Store(Path.cwd()), Heard(), ray=held).ran))

with HeldRay() as held:
    held.start(1, print, lambda: print("meanwhile"))
    import ray
    print(ray.is_initialized())
    logs = Path(ray._private.worker.global_worker.node.get_logs_dir_path())
    run("a", held)
    print(len(list(logs.glob("worker-*.out"))), "worker")
    run("b", held)
with HeldRay() as held:
    held.start(1, print, lambda: None)  # nothing comes to need it
print(ray.is_initialized())
# Ray dies with the thread that starts it
thread = threading.Thread(target=run, args=("c", None))
thread.start()
thread.join()
print(ray.is_initialized(), [t.name for t in threading.enumerate() if t.name.startswith("ray")])
"""


@pytest.mark.cluster
def test_ray_is_started_before_what_needs_it_and_left_beside_what_follows(tmp_path: Path) -> None:
    script = tmp_path / "left.py"
    script.write_text(LEFT, encoding="utf-8")
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = ["meanwhile", "True", "1", "1 worker", "1", "False", "1", "False []"]
    assert done.stdout.splitlines() == told
