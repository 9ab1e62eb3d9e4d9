"""kill -9 of a driver at any moment: nothing that was finished is computed again."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from abl.record.store import Store

DRIVER = """
import sys
from pathlib import Path
root, tests = sys.argv[1:]
sys.path.insert(0, tests)
from tiny_sweeps import Heard, by_digest, double, nap
from abl.record.store import Store
from abl.runner import doubles
from abl.stages import kind as kinds
from abl.runner.engine import run_plan

# every computation leaves a line, however it ends
def counted(work, nap=kinds.KINDS["nap"]):
    with open(Path(root) / "begun.txt", "a") as file:
        file.write(work.stage.digest + "\\n")
    return nap(work)
kinds.KINDS["nap"] = counted

stages, layer = [], []
for level in range(4):
    layer = [
        double("nap", f"{level}.{at}", *layer, seconds=0.03, local=level == 2) for at in range(5)
    ]
    stages += layer
print("ready", flush=True)
report = run_plan(by_digest(*stages), Store(Path(root) / "store"), Heard(), executor="local")
assert not report.failed and not report.blocked, report
print(len(report.ran), len(report.reused), flush=True)
"""


def start(root: Path) -> subprocess.Popen[str]:
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", DRIVER, str(root), tests]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def finish_after_kills(root: Path, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    root.mkdir()
    store = Store(root / "store")
    finished: dict[str, int] = {}
    begun = root / "begun.txt"
    begun.touch()
    for _ in range(kills):
        child = start(root)
        time.sleep(draw.uniform(0, 0.9))
        child.kill()
        child.wait()
        for digest in store.digests():
            finished.setdefault(digest, begun.read_text().split().count(digest))
    child = start(root)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    ran, reused = map(int, said.split())
    assert ran + reused == 20
    assert reused >= len(finished)
    counts = begun.read_text().split()
    for digest, before in finished.items():
        assert counts.count(digest) == before, "computed again though it was finished"
    # one attempt may be lost to each kill
    assert len(counts) <= 20 + 2 * kills
    assert len(store.digests()) == 20
    assert all(store.damaged(digest) == "" for digest in store.digests())
    assert not list((store.root / "lease").iterdir())
    assert not list((store.root / "work").iterdir())
    assert sorted(path.name for path in store.root.iterdir()) == ["done", "lease", "work"]


def test_three_kills(tmp_path: Path) -> None:
    finish_after_kills(tmp_path / "run", 3, seed=1)


@pytest.mark.slow
def test_twenty_kills_ten_times(tmp_path: Path) -> None:
    for number in range(10):
        finish_after_kills(tmp_path / str(number), 20, seed=100 + number)
