"""What comes after the trainings is loaded beside them, and not where nothing was computed."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from abl.api import Callback
from abl.app.warming import AFTERWARDS, Warming
from abl.plan.stage import Stage
from abl.runner.protocols import RunReport

told = []
class Told(Callback):
    def finished(self, stage, seconds, reused):
        told.append(stage.kind)

def run(listener):
    assert "abl.report.figures.every" not in sys.modules
    reused = sys.argv[1] == "there"
    for at in range(2):
        listener.finished(Stage(kind="nap", version=1, settings={"at": at}), 0.0, reused)
    return RunReport()

Warming(Told()).run(run)
assert told == ["nap", "nap"]
print(all(name in sys.modules for name in AFTERWARDS))
"""


@pytest.mark.parametrize(("stages", "loaded"), [("computed", "True"), ("there", "False")])
def test_it_is_loaded_by_the_end_of_a_run_that_computed_something(stages: str, loaded: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT, stages], capture_output=True, text=True, check=False
    )
    assert said.stdout.strip() == loaded, said.stderr
