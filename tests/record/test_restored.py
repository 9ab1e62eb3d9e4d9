"""`abl record` writes again what MLflow has lost, whatever it was, and says how much."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import abl
from abl.app.recording import record_store
from abl.app.results import ENVIRONMENT
from abl.errors import InputError
from abl.record.mlflow_whole import FILES
from abl.record.mlflow_writer import MlflowRecord
from recorded import all_runs
from tiny_sweeps import write_sweep


def git(folder: Path, *words: str) -> str:
    names = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    command = ["git", "-C", str(folder), *names, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_images: Path) -> Path:
    """A folder with a sweep in a git checkout, run and recorded in `mlruns`."""
    folder = tmp_path_factory.mktemp("restored")
    shutil.copytree(tiny_images.parent, folder / "images")
    write_sweep(folder)
    git(folder, "init", "-q")
    git(folder, "add", "tiny.yaml")
    git(folder, "commit", "-qm", "as it ran")
    loaded = abl.load(folder / "tiny.yaml", root=folder / "mlruns")
    abl.run(loaded, executor="local", record=False)
    record_store(folder / "mlruns", None)
    return folder


@pytest.fixture
def root(made: Path) -> Iterator[Path]:
    """Its mlruns, as after the first recording."""
    root = made / "mlruns"
    kept = made / "kept"
    shutil.copytree(root, kept)
    yield root
    # into the same file: MLflow keeps connections to it
    with (
        closing(sqlite3.connect(kept / "mlflow.db")) as before,
        closing(sqlite3.connect(root / "mlflow.db")) as database,
    ):
        before.backup(database)
    for folder in ("artifacts", "store"):
        shutil.rmtree(root / folder, ignore_errors=True)
        (kept / folder).rename(root / folder)
    shutil.rmtree(kept)


def held(root: Path) -> list[Any]:
    """All that MLflow holds: of each run name, params, metrics, and files with their bytes."""
    found = []
    for run in all_runs(MlflowRecord(root)):
        folder = Path(str(run.info.artifact_uri).removeprefix("file://"))
        files = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in folder.rglob("*")
            if path.is_file()
        }
        metrics = {k: v for k, v in run.data.metrics.items() if v == v}
        found.append([str(run.info.run_name), run.data.params, metrics, files, run.info.status])
    return sorted(found, key=repr)


def stage_line(said: list[str]) -> str:
    (line,) = [line for line in said if line.startswith("stages: ")]
    return line


def sweep_line(said: list[str]) -> str:
    (line,) = [line for line in said if line.startswith("sweep ")]
    return line


def test_nothing_lost_is_nothing_written(root: Path) -> None:
    before, database = held(root), (root / "mlflow.db").stat().st_size
    said = record_store(root, None)
    assert stage_line(said).startswith("stages: 0 written, ")
    assert "restored" not in " ".join(said)
    assert sweep_line(said).endswith(" arms")
    assert held(root) == before
    assert (root / "mlflow.db").stat().st_size == database


def test_all_files_are_restored_and_counted(root: Path) -> None:
    before = held(root)
    with_files = [each for each in before if each[3]]
    shutil.rmtree(root / "artifacts")
    said = record_store(root, None)
    assert f"stages: 0 written, {len(with_files) - 1} restored, " in stage_line(said)
    (of_sweep,) = [each[3] for each in with_files if "table.json" in each[3]]
    assert sweep_line(said).endswith(f", {len(of_sweep)} restored")
    assert held(root) == before
    assert "restored" not in " ".join(record_store(root, None))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("lose", [Path.unlink, cut_short, emptied])
@pytest.mark.parametrize("tagged", [True, False], ids=["", "of an earlier version"])
def test_a_file_that_is_missing_or_cut_short_is_restored(
    root: Path, lose: Callable[[Path], None], tagged: bool
) -> None:
    before = held(root)
    if not tagged:
        with closing(sqlite3.connect(root / "mlflow.db")) as database:
            database.execute("DELETE FROM tags WHERE key = ?", (FILES,))
            database.commit()
    (of_sweep,) = (root / "artifacts").rglob("replicates.parquet")
    every = (root / "artifacts").rglob("predictions.parquet")
    lose(next(file for file in every if file.parent != of_sweep.parent))
    lose(of_sweep)
    said = record_store(root, None)
    assert ", 1 restored, " in stage_line(said)
    assert sweep_line(said).endswith(", 1 restored")
    assert held(root) == before


LOSSES = {
    "a param of an arm": "DELETE FROM params WHERE run_uuid IN (SELECT run_uuid FROM tags "
    "WHERE key = 'abl.kind' AND value = 'arm' LIMIT 1)",
    "metrics of an arm": "DELETE FROM latest_metrics WHERE run_uuid IN (SELECT run_uuid FROM tags "
    "WHERE key = 'abl.kind' AND value = 'arm' LIMIT 1)",
    "another value of an arm": "UPDATE params SET value = 'other' WHERE run_uuid IN "
    "(SELECT run_uuid FROM tags WHERE key = 'abl.kind' AND value = 'arm' LIMIT 1)",
    "the notes of an arm": "DELETE FROM tags WHERE key = 'mlflow.note.content' AND run_uuid IN "
    "(SELECT run_uuid FROM tags WHERE key = 'abl.kind' AND value = 'arm' LIMIT 1)",
}


@pytest.mark.parametrize("loss", LOSSES)
def test_numbers_of_an_arm_are_restored(root: Path, loss: str) -> None:
    before = held(root)
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        database.execute(LOSSES[loss])
        database.execute(
            "DELETE FROM metrics WHERE run_uuid NOT IN (SELECT run_uuid FROM latest_metrics)"
        )
        database.commit()
    said = record_store(root, None)
    assert sweep_line(said).endswith(", 1 restored")
    assert held(root) == before
    assert "restored" not in " ".join(record_store(root, None))


def test_curves_and_settings_of_a_stage_are_restored(root: Path) -> None:
    before = held(root)
    trained = "(SELECT run_uuid FROM tags WHERE key = 'abl.kind' AND value = 'train' LIMIT 1)"
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        for table in ("metrics", "latest_metrics", "params"):
            database.execute(f"DELETE FROM {table} WHERE run_uuid IN {trained}")
        database.commit()
    assert ", 1 restored, " in stage_line(record_store(root, None))
    assert held(root) == before


def test_deleted_runs_and_experiments_are_written_again(root: Path) -> None:
    before = held(root)
    record = MlflowRecord(root)
    with record.client() as client:
        for run in list(all_runs(record)):
            client.delete_run(run.info.run_id)
    said = record_store(root, None)
    assert " 0 were there" in stage_line(said)
    assert " runs written" in sweep_line(said)
    assert held(root) == before
    with record.client() as client:
        for each in client.search_experiments():
            if each.name != "Default":
                client.delete_experiment(each.experiment_id)
    record_store(root, None)
    assert held(root) == before
    # arms lead to the runs of stages that are there now
    ids = {run.info.run_id for run in all_runs(record)}
    links = [run.data.tags.get("abl.stages", "").split() for run in all_runs(record)]
    assert {each for few in links for each in few} <= ids


def recorded_git(root: Path) -> Any:
    (file,) = (root / "artifacts").rglob(ENVIRONMENT)
    return json.loads(file.read_text())["git"]


def test_the_git_state_is_that_of_the_run(made: Path, root: Path) -> None:
    ran = git(made, "rev-parse", "HEAD").strip()
    assert recorded_git(root)["commit"] == ran
    with (made / "tiny.yaml").open("a") as sweep:
        sweep.write("# edited since\n")
    git(made, "commit", "-qam", "later")
    shutil.rmtree(root / "artifacts")
    record_store(root, None)
    assert recorded_git(root)["commit"] == ran
    # a run in which all was there has computed nothing with the code of now
    abl.run(abl.load(made / "tiny.yaml", root=root), executor="local", record=False)
    shutil.rmtree(root / "artifacts")
    record_store(root, None)
    assert recorded_git(root)["commit"] == ran


def test_what_was_not_kept_is_said_not_to_be_known(root: Path) -> None:
    (kept,) = (root / "store" / "sweeps").rglob(ENVIRONMENT)
    kept.unlink()
    shutil.rmtree(root / "artifacts")
    record_store(root, None)
    assert recorded_git(root) == "not known: it was not kept when this sweep ran"


def test_numbers_that_mlflow_takes_only_once_are_restored_in_one_go(root: Path) -> None:
    # points are there, and the table of last values has lost them: MLflow writes no point twice
    with closing(sqlite3.connect(root / "mlflow.db")) as database, database:
        database.execute("delete from latest_metrics where rowid % 3 = 0")
    assert any("restored" in line for line in record_store(root, None))
    again = record_store(root, None)
    assert not any("restored" in line for line in again), again


def test_a_copied_folder_is_not_recorded_where_it_came_from(root: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    shutil.rmtree(copy / "artifacts")
    before = sorted(path for path in root.rglob("*") if "artifacts" in path.parts)
    with pytest.raises(InputError, match="was copied or moved") as told:
        record_store(copy, None)
    assert str(root / "artifacts") in str(told.value)
    assert sorted(path for path in root.rglob("*") if "artifacts" in path.parts) == before
    # as the line says: without them all is written again
    left_out = shutil.ignore_patterns("mlflow.db*", "artifacts")
    moved = Path(shutil.copytree(root, tmp_path / "moved", ignore=left_out))
    assert "written" in record_store(moved, None)[0]
    assert list((moved / "artifacts").rglob("predictions.parquet"))


def test_a_folder_by_another_path_is_the_same(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert "were there" in record_store(tmp_path / "link", None)[0]
