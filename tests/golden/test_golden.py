"""What users have trained stays theirs: an upgrade finds every stage of an older store finished."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from made_up_sets import write_made_up_sets

import abl
from commands import abl as command
from golden import DIGESTS, HERE, SHIPPED, digests_of, name_of, without_hubs

OLD = json.loads(DIGESTS.read_text(encoding="utf-8"))
STORE = HERE / "store_0_1.tar.xz"  # written by version 0.1.0 as of 23 November 2026
SWEEPS = sorted((HERE / "sweeps").glob("*.yaml"))


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made_up_sets(tmp_path_factory.mktemp("golden") / "data")


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_every_stage_of_a_shipped_sweep_has_the_digest_it_had(path, made_up, tmp_path, monkeypatch):
    for name, value in without_hubs(tmp_path).items():
        monkeypatch.setenv(name, value)
    found = digests_of(path, made_up, tmp_path / "mlruns")
    was = OLD[name_of(path)]
    for kind in was:  # the first stage's settings come first: they say what is another
        if kind != "arms":
            assert found.get(kind, {}).get("first") == was[kind]["first"], kind
    assert found == was


@pytest.fixture(scope="module")
def old_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mlruns folder of an earlier version."""
    root = tmp_path_factory.mktemp("old") / "mlruns"
    (root / "store").mkdir(parents=True)
    with tarfile.open(STORE) as archive:
        archive.extractall(root / "store", filter="data")
    return root


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_an_older_store_is_finished_down_to_the_last_stage(path, old_store):
    sweep = abl.load(path, root=old_store)
    kept = old_store / "store" / "sweeps" / sweep.name
    (folder,) = {file.parent for file in kept.glob("*/table.csv")}
    was = (folder / "table.csv").read_text(encoding="utf-8")
    # what an older version kept is printed with the numbers that it had
    assert abl.table(sweep.name, format="csv", root=old_store) == was
    result = abl.run(sweep, executor="local", record=False)
    assert result.report.failed == {}
    assert result.report.ran == []
    assert len(result.report.reused) >= len(sweep.plan.stages)
    # what was measured is as it was; how surely it is known is said by the statistics of today
    now = measured(io.StringIO(abl.table(result, format="csv")))
    pd.testing.assert_frame_equal(now, measured(folder / "table.csv"))


def test_an_older_store_verifies_whole_and_gets_the_checksums_it_lacks(tmp_path):
    store = tmp_path / "mlruns" / "store"
    store.mkdir(parents=True)
    with tarfile.open(STORE) as archive:
        archive.extractall(store, filter="data")
    files = {path: path.stat().st_ino for path in store.rglob("*") if path.is_file()}
    result = command(tmp_path, "store", "verify")
    assert (result.exit_code, "all are right" in result.output) == (0, True), result.output
    for path, inode in files.items():
        if path.name == "DONE.json":
            assert "checksum" in json.loads(path.read_text(encoding="utf-8"))
        else:
            assert path.stat().st_ino == inode


def measured(table: Path | io.StringIO) -> pd.DataFrame:
    """Means, spread and counts of a table in CSV, and its differences."""
    rows = pd.read_csv(table)
    ends = ("_mean", "_sd", "_count", "_undefined")
    kept = [name for name in rows if name.endswith(ends) or name in ("base", "difference")]
    assert kept
    return rows[kept]
