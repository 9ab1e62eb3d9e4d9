"""One stage goes wrong: what it was is told in a line, the other arms stand in the table."""

from __future__ import annotations

import csv
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import faulty_nets  # noqa: F401 - its networks
import pytest
from faulty_runs import TESTS, attempts, local, only_lines, store_in, tables

from tiny_sweeps import write_sweep

pytestmark = pytest.mark.usefixtures("no_report")


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(tables(folder)["csv"].decode().splitlines()))


def runs_without(folder: Path, axis: str, good: Any, bad: Any) -> str:
    """Runs two arms of which one fails; the one line that says so."""
    axes = {"rule": ["original"], axis: [good, bad]}
    write_sweep(folder, {"axes": axes, "base": None})
    result = local(folder)
    assert result.exit_code == 1
    (line,) = only_lines(result.stderr)
    assert line.startswith("abl: failed: train ")
    well, failed = rows(folder)
    assert 0 <= float(well["acc_mean"]) <= 1
    assert failed["acc_mean"] == ""
    assert len(attempts(store_in(folder))) == 1
    # the good arm is what it is alone
    write_sweep(folder, {"axes": axes | {axis: [good]}, "base": None})
    again = local(folder)
    assert again.exit_code == 0
    assert rows(folder)[0]["acc_mean"] == well["acc_mean"]
    assert len(attempts(store_in(folder))) == 1
    return line


def test_a_loss_that_is_not_a_number(tiny_folder: Path) -> None:
    line = runs_without(tiny_folder, "train.optimizer.lr", 0.05, 1e30)
    assert "(arms: original · lr 1e+30)" in line
    assert "diverged in epoch 1: the loss is nan (learning rate 1e+30)" in line
    assert "lower train.optimizer.lr" in line


def test_a_training_that_asks_for_more_memory_than_there_is(tiny_folder: Path) -> None:
    line = runs_without(tiny_folder, "network", "pooled3", "hungry")
    assert "train hungry r0 f0 s0 (arms: hungry · original)" in line
    assert ": out of memory (it asked for 1125899906842624 bytes): set a smaller" in line


LIMITED = """
import json, resource, sys
from pathlib import Path
root, tests = sys.argv[1:]
sys.path.insert(0, tests)
from tiny_sweeps import Heard, by_digest, nap
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.runner.engine import run_plan
from abl.stages.kind import kind

@kind("eat")
def eat(work):
    return {"all": len(bytes(work.stage.settings["bytes"]))}

stages = [Stage("eat", 1, {"bytes": size}, label=f"eat {size}") for size in (1 << 10, 1 << 34)]
reader = nap("reader", stages[1])
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
heard = Heard()
report = run_plan(
    by_digest(*stages, reader, nap("other")), Store(Path(root)), heard, executor="local"
)
print(json.dumps([len(report.ran), heard.failures, heard.blocked_by, list(report.traces)]))
"""


def test_a_stage_beyond_the_memory_limit_of_its_process(tmp_path: Path) -> None:
    import json

    if resource.getrlimit(resource.RLIMIT_AS)[1] not in (resource.RLIM_INFINITY,):
        pytest.skip("this process has a limit already")
    told = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), str(TESTS)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    ran, failures, blocked, traces = json.loads(told.stdout)
    assert ran == 2
    assert list(failures) == ["eat 17179869184"]
    assert failures["eat 17179869184"].startswith("out of memory: ")
    assert blocked == {"nap reader": "eat 17179869184"}
    assert traces == []
