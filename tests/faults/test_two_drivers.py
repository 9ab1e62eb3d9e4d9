"""Two drivers at once on one store."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_runs import Forker, attempts, contents, forking, only_lines, store_in, tables, tidy

from abl.record.store import Store
from tiny_sweeps import write_sweep

PLAN = """
from pathlib import Path
from tiny_sweeps import Heard, by_digest, double
from abl.record.store import Store
from abl.runner.engine import run_plan

def attempt(words):
    # leases that are stale at once unless they beat, which they do ten times in that while
    store = Store(Path("store"), beat_s=0.05, stale_s=float(words[0]))
    stages, layer = [], []
    for level in range(3):
        layer = [
            double("nap", f"{level}.{at}", *layer, seconds=0.1, count="begun") for at in range(4)
        ]
        stages += layer
    report = run_plan(by_digest(*stages), store, Heard(), executor="local")
    print(len(report.ran), len(report.failed))
"""


@pytest.fixture(scope="module")
def planners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    with forking(tmp_path_factory.mktemp("planners"), PLAN) as forker:
        yield forker


def test_each_stage_is_computed_once_while_leases_beat(planners: Forker, tmp_path: Path) -> None:
    both = [planners.start(tmp_path, "1e9") for _ in range(2)]
    assert [driver.wait() for driver in both] == [0, 0], [driver.said for driver in both]
    ran = [driver.said.split() for driver in both]
    assert sum(int(each) for each, _ in ran) == 12
    assert [failed for _, failed in ran] == ["0", "0"]
    assert set(Counter((tmp_path / "begun").read_text().split()).values()) == {1}
    assert tidy(Store(tmp_path / "store"))


def test_each_stage_is_committed_once_though_no_lease_protects_it(
    planners: Forker, tmp_path: Path
) -> None:
    # every lease of another counts as stale as soon as it is looked at twice
    both = [planners.start(tmp_path, "-1") for _ in range(2)]
    assert [driver.wait() for driver in both] == [0, 0], [driver.said for driver in both]
    assert [driver.said.split()[1] for driver in both] == ["0", "0"]
    store = Store(tmp_path / "store")
    assert len(contents(store)) == 12
    begun = Counter((tmp_path / "begun").read_text().split())
    assert len(begun) == 12
    assert max(begun.values()) == 2, "no stage was computed twice: nothing was tested"


def test_two_commands_give_one_store_and_one_table(drivers: Forker, tiny_folder: Path) -> None:
    write_sweep(tiny_folder, {"replicates.seeds": [0, 1]})
    words = ("sweep", "tiny.yaml", "--executor", "local", "--record", "off")
    both = [drivers.start(tiny_folder, *words) for _ in range(2)]
    assert [driver.wait() for driver in both] == [0, 0], [driver.said for driver in both]
    # what each took is its own
    said = [re.sub(r"(?m)^time: .*\n", "", each.said.partition("\ntiny\n")[2]) for each in both]
    assert said[0] == said[1] != ""
    assert [only_lines(driver.said) for driver in both] == [[], []]
    store = store_in(tiny_folder)
    assert len(attempts(store)) == 10
    shown, were = tables(tiny_folder), contents(store)
    (tiny_folder / "mlruns").rename(tiny_folder / "both")
    assert drivers.run(tiny_folder, *words)[0] == 0
    assert (tables(tiny_folder), contents(store)) == (shown, were)
