"""kill -9 of the driver at random moments, and the same command again."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from faulty_runs import (
    Driver,
    Forker,
    attempts,
    contents,
    forking,
    only_lines,
    store_in,
    tables,
    tidy,
    wait_for,
)

from abl.record.mlflow_writer import MlflowRecord
from abl.record.store import Store
from recorded import all_keys, incomplete_runs
from tiny_sweeps import write_sweep

PLAN = """
from pathlib import Path
from tiny_sweeps import Heard, by_digest, double
from abl.record.store import Store
from abl.runner.engine import run_plan
assert "torch" not in sys.modules

def attempt(words):
    # a driver that waited until a dead one's lease is stale would wait for ever
    store = Store(Path("store"), stale_s=1e9)
    stages, layer = [], []
    for level in range(5):
        layer = [
            double("nap", f"{level}.{at}", *layer, seconds=0.03, local=level == 2, count="begun")
            for at in range(6)
        ]
        stages += layer
    report = run_plan(by_digest(*stages), store, Heard(), executor="local")
    assert not report.failed and not report.blocked, report
    assert "torch" not in sys.modules
    print(len(report.ran), len(report.reused))
"""


@pytest.fixture(scope="module")
def planners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    # what fills the table of kinds imports torch on use alone
    with forking(tmp_path_factory.mktemp("planners"), PLAN) as forker:
        yield forker


def has_stages(store: Store, count: int) -> bool:
    return len(store.digests()) >= count


def is_large(file: Path, size: int) -> bool:
    return file.exists() and file.stat().st_size >= size


def killed_at_random(driver: Driver, draw: random.Random, most_s: float) -> int:
    time.sleep(draw.uniform(0, most_s))
    return driver.kill()


def test_twenty_kills_compute_nothing_twice_and_wait_for_no_lease(
    planners: Forker, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    status, said = planners.run(tmp_path / "whole")
    assert (status, said) == (0, "30 0\n"), said
    folder, draw = tmp_path / "broken", random.Random(7)
    folder.mkdir()
    begun, store = folder / "begun", Store(folder / "store")
    begun.touch()
    finished: dict[str, str] = {}
    statuses = []
    for _ in range(20):
        statuses.append(killed_at_random(planners.start(folder), draw, 0.25))
        found = attempts(store)
        assert finished.items() <= found.items(), "computed again though it was finished"
        finished = found
    assert statuses.count(-9) >= 10, statuses
    status, said = planners.run(folder)
    assert status == 0, said
    ran, reused = map(int, said.split())
    assert (ran + reused, reused) == (30, len(finished))
    assert finished.items() <= attempts(store).items()
    # a kill costs the stages that were under way: one of the driver's, one of its thread
    assert sum(Counter(begun.read_text().split()).values()) <= 30 + 2 * 20
    assert contents(store) == contents(Store(tmp_path / "whole/store"))
    assert tidy(store)


@pytest.fixture(scope="module")
def record_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty record with its schema made, which takes seconds."""
    root = tmp_path_factory.mktemp("record") / "mlruns"
    MlflowRecord(root).check_reachable()
    return root


@pytest.fixture
def sweep_folder(tiny_folder: Path, record_root: Path) -> Path:
    shutil.copytree(record_root, tiny_folder / "mlruns")
    write_sweep(tiny_folder)
    return tiny_folder


def finish_after_kills(drivers: Forker, folder: Path, moments: list[int], *words: str) -> None:
    """Kills after so many stages, at a random moment; then the same command to its end."""
    draw, store = random.Random(11), store_in(folder)
    finished: dict[str, str] = {}
    for wanted in moments:
        driver = drivers.start(folder, "sweep", "tiny.yaml", *words)
        wait_for(partial(has_stages, store, wanted), f"stage {wanted}")
        assert killed_at_random(driver, draw, 0.3) in (-9, 0), driver.said
        found = attempts(store)
        assert finished.items() <= found.items()
        finished = found
    status, said = drivers.run(folder, "sweep", "tiny.yaml", *words)
    assert status == 0, said
    assert only_lines(said) == []
    assert finished.items() <= attempts(store).items()
    assert tidy(store)


def test_kills_of_real_trainings_that_are_recorded(drivers: Forker, sweep_folder: Path) -> None:
    words = ("--executor", "local")
    status, said = drivers.run(sweep_folder, "sweep", "tiny.yaml", *words, "--mlruns", "whole")
    assert status == 0, said
    (sweep_folder / "mlruns").rename(sweep_folder / "empty")
    (sweep_folder / "whole").rename(sweep_folder / "mlruns")
    whole = tables(sweep_folder), contents(store_in(sweep_folder))
    keys = sorted(all_keys(MlflowRecord(sweep_folder / "mlruns")))
    shutil.rmtree(sweep_folder / "mlruns")
    (sweep_folder / "empty").rename(sweep_folder / "mlruns")
    finish_after_kills(drivers, sweep_folder, [1, 4], *words)
    assert (tables(sweep_folder), contents(store_in(sweep_folder))) == whole
    record = MlflowRecord(sweep_folder / "mlruns")
    assert incomplete_runs(record) == []
    assert sorted(all_keys(record)) == keys
    assert len(set(keys)) == len(keys) == 5 + 1 + 2


def test_kills_while_the_record_is_first_made(drivers: Forker, tmp_path: Path) -> None:
    database = tmp_path / "mlruns/mlflow.db"
    for size in (1, 300_000):
        driver = drivers.start(tmp_path, "reach")
        wait_for(partial(is_large, database, size), f"{size} bytes")
        assert driver.kill() == -9, driver.said
    status, said = drivers.run(tmp_path, "reach")
    assert (status, said) == (0, "")
    assert incomplete_runs(MlflowRecord(tmp_path / "mlruns")) == []
    made = database.stat().st_ino
    assert drivers.run(tmp_path, "reach") == (0, "")
    assert database.stat().st_ino == made


@pytest.mark.slow
@pytest.mark.cluster
def test_kills_under_ray_of_real_trainings_that_are_recorded(
    drivers: Forker, sweep_folder: Path
) -> None:
    # workers know no networks but those of the package
    write_sweep(sweep_folder, {"train.network": "plain4", "options.panel": ["plain4", "cnn1"]})
    words = ("--executor", "local", "--record", "off", "--mlruns", "whole")
    status, said = drivers.run(sweep_folder, "sweep", "tiny.yaml", *words)
    assert status == 0, said
    finish_after_kills(drivers, sweep_folder, [1, 2], "--workers", "2")
    found = tables(sweep_folder), contents(store_in(sweep_folder))
    record = MlflowRecord(sweep_folder / "mlruns")
    keys = all_keys(record)
    assert incomplete_runs(record) == []
    assert len(set(keys)) == len(keys) == len(found[1]) + 1 + 2
    (sweep_folder / "mlruns").rename(sweep_folder / "killed")
    (sweep_folder / "whole").rename(sweep_folder / "mlruns")
    assert (tables(sweep_folder), contents(store_in(sweep_folder))) == found
