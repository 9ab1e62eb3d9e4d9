"""MLflow is asked for what is new: a sweep that it holds whole is run again without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import abl
from abl.app.sweep_result import SweepResult
from abl.errors import InputError
from abl.record.mlflow_writer import MlflowRecord
from recorded import all_keys, all_runs
from tiny_sweeps import write_sweep


def run(folder: Path, **options: object) -> SweepResult:
    loaded = abl.load(folder / "tiny.yaml", root=folder / "mlruns")
    return abl.run(loaded, executor="local", **options)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_images: Path) -> Path:
    folder = tmp_path_factory.mktemp("held")
    shutil.copytree(tiny_images.parent, folder / "images")
    write_sweep(folder)
    assert run(folder).address
    return folder


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def client(record: MlflowRecord, *_: object) -> None:
        raise InputError("MLflow was asked")

    monkeypatch.setattr(MlflowRecord, "client", client)


def test_a_sweep_that_is_recorded_whole_asks_mlflow_nothing(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(made)
    with monkeypatch.context() as without:
        refuse(without)
        again = run(made)
    assert again.address == first.address != ""
    assert again.messages == first.messages


def test_runs_that_somebody_deleted_are_written_again(made: Path) -> None:
    record = MlflowRecord(made / "mlruns")
    before = sorted(all_keys(record))
    arms = [each for each in all_runs(record) if each.data.tags["abl.kind"] == "arm"]
    stages = [each for each in all_runs(record) if each.data.tags["abl.kind"] == "train"]
    with record.client() as client:
        for each in (arms[0], stages[0]):
            client.delete_run(each.info.run_id)
    assert sorted(all_keys(record)) != before
    run(made)
    assert sorted(all_keys(record)) == before


def test_a_note_of_another_database_says_nothing(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(made)
    (made / "mlruns" / "mlflow.db").rename(made / "mlruns" / "kept.db")
    refuse(monkeypatch)
    with pytest.raises(InputError, match="MLflow was asked"):
        run(made)
    (made / "mlruns" / "kept.db").rename(made / "mlruns" / "mlflow.db")
