"""An imported arm is in MLflow at once, where its sweep is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import abl
import commands
from abl.app.split_file import splits_frame
from abl.record.mlflow_client import RecordPlace
from tiny_sweeps import TWO_NETWORKS, write_tiny_set


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A sweep file, and beside it predictions of an arm trained elsewhere."""
    write_tiny_set(tmp_path / "images")
    values = {**TWO_NETWORKS, "base": {"train.network": "pooled3"}}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    frame = splits_frame(abl.load(path, root=tmp_path / "mlruns"))
    tests = frame[frame["role"] == "test"].assign(p_0=0.4, p_1=0.6)
    tests.to_csv(tmp_path / "theirs.csv", index=False)
    return tmp_path


def rows_in(folder: Path) -> set[str]:
    """Names of the arms' runs."""
    place = RecordPlace(folder / "mlruns", None)
    with place.client() as client:
        experiment = client.get_experiment_by_name("tiny")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
    return {str(run.info.run_name) for run in runs if run.info.lifecycle_stage == "active"}


def test_an_import_is_recorded_and_forgotten_at_once(theirs: Path) -> None:
    sweep = abl.load(theirs / "tiny.yaml", root=theirs / "mlruns")
    abl.run(sweep, executor="local")
    assert not any("their net" in name for name in rows_in(theirs))
    words = ("import", "theirs.csv", "--as", "their net", "--into", "tiny")
    assert commands.abl(theirs, *words).exit_code == 0
    assert any("their net" in name for name in rows_in(theirs))


def test_nothing_is_recorded_where_nothing_was(theirs: Path) -> None:
    sweep = abl.load(theirs / "tiny.yaml", root=theirs / "mlruns")
    abl.run(sweep, executor="local", record=False)
    words = ("import", "theirs.csv", "--as", "their net", "--into", "tiny")
    done = commands.abl(theirs, *words)
    assert done.exit_code == 0
    assert "their net" in done.stdout
    assert not (theirs / "mlruns" / "mlflow.db").exists()
