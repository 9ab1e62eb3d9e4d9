"""A Ray that is started here, with a real one."""

from __future__ import annotations

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
