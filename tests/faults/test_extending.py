"""A finished sweep with something added computes only that, and old numbers stay."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faulty_runs import attempts, contents, store_in, tables

import abl
from abl.app.sweep_result import SweepResult
from tiny_sweeps import write_sweep, write_tiny_set

AXES = {"consensus": [1], "rule": ["original", "model1"], "threshold": [0.5]}
# of a row, what is of its own arm: not P corrected over all, nor who is best of all
OWN = ("acc_", "spe_", "sen_", "f1_", "auc_", "share_", "difference", "failed")


def run(folder: Path, changes: dict[str, Any] | None = None) -> SweepResult:
    path = write_sweep(folder, changes)
    result = abl.run(abl.load(path, root=folder / "mlruns"), executor="local", record=False)
    assert not result.report.failed, result.report
    return result


def rows(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Arm -> the numbers of its own."""
    lines = csv.DictReader(tables(folder)["csv"].decode().splitlines())
    return {
        (line["consensus"], line["rule"]): {k: v for k, v in line.items() if k.startswith(OWN)}
        for line in lines
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SweepResult]]:
    """The tiny sweep, finished. Its folder is not to be written to."""
    folder = tmp_path_factory.mktemp("finished")
    write_tiny_set(folder / "images")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("abl.app.session._draw", lambda *given: None)
        yield folder, run(folder)


@pytest.fixture
def folder(finished: tuple[Path, SweepResult], tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished[0], tmp_path / "copy"))


def computed(folder: Path, changes: dict[str, Any]) -> Counter[str]:
    """Kinds of what is computed for a change; what was there must stay as it is."""
    store = store_in(folder)
    before, were = attempts(store), contents(store)
    result = run(folder, changes)
    after = attempts(store)
    assert before.items() <= after.items()
    assert were.items() <= contents(store).items()
    assert set(result.report.ran) == set(after) - set(before)
    stages = store.known(after)
    return Counter(str(stages[digest].stage["kind"]) for digest in result.report.ran)


def test_nothing_added_computes_nothing(folder: Path) -> None:
    assert computed(folder, {}) == {}


def test_a_value_more_on_an_axis_trains_its_network_alone(folder: Path) -> None:
    before = rows(folder)
    assert computed(folder, {"axes": AXES | {"consensus": [1, 2]}}) == {"train": 1}
    after = rows(folder)
    assert len(after) == len(before) + 1
    assert {arm: after[arm] for arm in before} == before


def test_a_rule_or_a_threshold_more_trains_nothing(folder: Path) -> None:
    before = rows(folder)
    assert computed(folder, {"axes": AXES | {"rule": ["original", "model1", "average"]}}) == {}
    after = rows(folder)
    assert {arm: after[arm] for arm in before} == before
    assert computed(folder, {"axes": AXES | {"threshold": [0.5, 0.9]}}) == {}


def test_a_metric_more_trains_nothing_and_changes_no_number(folder: Path) -> None:
    before = rows(folder)
    assert computed(folder, {"metrics": ["acc", "spe", "sen", "f1", "auc", "brier"]}) == {}
    after = rows(folder)
    assert after == before
    header = tables(folder)["csv"].decode().splitlines()[0]
    assert "brier_mean" in header


@pytest.mark.parametrize(
    ("more", "column"),
    [({"replicates.seeds": [0, 1]}, "seed"), ({"replicates.repeats": 2}, "repeat")],
)
def test_a_replicate_more_computes_that_replicate_alone(
    folder: Path, finished: tuple[Path, SweepResult], more: dict[str, Any], column: str
) -> None:
    assert computed(folder, more) == {"train": 4, "select": 1}
    result = run(folder, more)
    assert result.report.ran == []
    for old, new in zip(finished[1].outcome.arms, result.outcome.arms, strict=True):
        assert len(new.replicates) == 2
        kept = new.replicates[new.replicates[column] == 0].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, old.replicates.reset_index(drop=True))
