from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from recorded_outcomes import digest, predictions_file, threshold_outcome, training_history
from recorded_outcomes import with_failed_arm as failing

from abl.app.keeping import rendered
from abl.errors import InputError
from abl.plan.outcome import Outcome
from abl.record import mlflow_writer
from abl.record.mlflow_errors import RecordError
from abl.record.mlflow_writer import MlflowRecord

STARTER = """
import sys
from pathlib import Path
from abl.record.mlflow_writer import MlflowRecord
MlflowRecord(Path(sys.argv[1])).check_reachable()
"""


@pytest.fixture(scope="session")
def first_starts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, int]]]:
    """A new folder after two drivers started on it at once; what each printed, and its status."""
    root = tmp_path_factory.mktemp("new") / "mlruns"
    command = [sys.executable, "-c", STARTER, str(root)]
    drivers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    return root, [(driver.communicate()[0], driver.returncode) for driver in drivers]


@pytest.fixture(scope="session")
def empty_root(first_starts: tuple[Path, list[tuple[str, int]]]) -> Path:
    """A record with its schema made and nothing in it; making one takes seconds."""
    return first_starts[0]


@pytest.fixture
def record(empty_root: Path, tmp_path: Path) -> MlflowRecord:
    root = tmp_path / "mlruns"
    shutil.copytree(empty_root, root)
    return MlflowRecord(root)


def write(record: MlflowRecord, outcome: Outcome, **stage_runs: str) -> str:
    return record.record_outcome(
        outcome,
        sweep_file="name: threshold\n",
        rendered=rendered(outcome) | {"table.md": "| network |\n", "table.csv": "network\n"},
        environment={"torch": "2.15.0"},
        stage_runs=stage_runs,
    )


def contents(record: MlflowRecord) -> list[dict[str, Any]]:
    """Every active run with its id, tags, params and all metric points."""
    with record.client() as client:
        found = []
        for experiment in client.search_experiments():
            for run in client.search_runs([experiment.experiment_id]):
                points = {
                    key: [
                        (p.step, p.timestamp, p.value)
                        for p in client.get_metric_history(run.info.run_id, key)
                    ]
                    for key in run.data.metrics
                }
                found.append(
                    {
                        "experiment": experiment.name,
                        "run": dict(run.info),
                        "tags": run.data.tags,
                        "params": run.data.params,
                        "points": points,
                    }
                )
        return sorted(found, key=lambda entry: entry["run"]["run_id"])


def arms_of(record: MlflowRecord, key: str) -> list[dict[str, Any]]:
    return [
        entry
        for entry in contents(record)
        if entry["tags"].get("abl.kind") == "arm" and entry["tags"]["abl.sweep_key"] == key
    ]


READER = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
seen = {"arms": [], "predictions": {}}
experiment = client.get_experiment_by_name("threshold").experiment_id
for run in client.search_runs([experiment], 'tags."abl.kind" = "arm"'):
    curve = [[p.step, p.value] for p in client.get_metric_history(run.info.run_id, "curve/f1")]
    seen["arms"].append([run.data.params, run.data.metrics, curve])
stages = client.get_experiment_by_name("abl stages").experiment_id
for run in client.search_runs([stages]):
    file = client.download_artifacts(run.info.run_id, "predictions.parquet", sys.argv[2])
    seen["predictions"][run.data.tags["abl.key"]] = file
print(json.dumps(seen))
"""


def test_a_plain_client_in_another_process_reads_back_every_number(
    record: MlflowRecord, tmp_path: Path
) -> None:
    outcome = threshold_outcome()
    file = predictions_file(tmp_path)
    stage = outcome.arms[0].stages[0]
    run_id = record.record_stage(
        stage, name="train resnet18", kind="train", params={"epochs": 5}, predictions=file
    )
    write(record, outcome, **{stage: run_id})
    (tmp_path / "down").mkdir()
    command = [sys.executable, "-c", READER, record.tracking_uri, str(tmp_path / "down")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout.splitlines()[-1])
    # newest first, MLflow's own order, is the order of the table
    for arm, (params, metrics, curve) in zip(outcome.arms, seen["arms"], strict=True):
        assert params == {k: str(v) for k, v in arm.params.items() if v != ""}
        for name, cell in arm.cells.items():
            parts = [metrics[name + end] for end in ("", "_sd", "_low", "_high")]
            assert parts == [cell.mean, cell.sd, cell.low, cell.high]
        if arm.comparison is not None:
            assert metrics["f1_difference"] == arm.comparison.difference
            assert metrics["f1_p_corrected"] == arm.comparison.p_corrected
        if arm.curve is None:
            assert curve == []
        else:
            assert curve == arm.curve[["step", "f1"]].to_numpy().tolist()
    down = pd.read_parquet(seen["predictions"][stage])
    pd.testing.assert_frame_equal(down, pd.read_parquet(file))


def test_recording_the_same_outcome_again_changes_nothing(record: MlflowRecord) -> None:
    outcome = threshold_outcome()
    first = write(record, outcome)
    before = contents(record)
    assert write(MlflowRecord(record.root), outcome) == first
    assert contents(record) == before


def test_a_broken_recording_is_completed_not_doubled(
    record: MlflowRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = threshold_outcome()
    finish, calls = mlflow_writer.finish_run, iter(range(100))

    def dies_in_the_third_arm(*args: Any, **kwargs: Any) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        finish(*args, **kwargs)

    monkeypatch.setattr(mlflow_writer, "finish_run", dies_in_the_third_arm)
    with pytest.raises(KeyboardInterrupt):
        write(record, outcome)
    monkeypatch.undo()
    begun = {entry["run"]["run_id"] for entry in contents(record)}
    write(record, outcome)
    after = contents(record)
    assert len(after) == len(outcome.arms) + 1
    assert begun <= {entry["run"]["run_id"] for entry in after}
    assert all(entry["tags"]["abl.complete"] == "true" for entry in after)
    assert all(entry["run"]["status"] == "FINISHED" for entry in after)


def test_a_broken_stage_is_completed_not_doubled(
    record: MlflowRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {
        "name": "train",
        "kind": "train",
        "params": {"epochs": 5},
        "history": training_history(),
        "predictions": predictions_file(tmp_path),
    }

    def dies(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mlflow_writer, "finish_run", dies)
    with pytest.raises(KeyboardInterrupt):
        record.record_stage("key", **settings)
    monkeypatch.undo()
    assert record.recorded(["key"]) == {}
    run_id = record.record_stage("key", **settings)
    assert record.record_stage("key", **settings) == run_id
    assert record.recorded(["key", "other"]) == {"key": run_id}
    assert len(contents(record)) == 1


def test_a_driver_killed_before_it_ended_a_run_leaves_none_running(record: MlflowRecord) -> None:
    run_id = record.record_stage("key", name="train", kind="train", params={})
    with record.client() as client:
        client.update_run(run_id, status="RUNNING")
    assert record.recorded(["key"]) == {}
    assert record.record_stage("key", name="train", kind="train", params={}) == run_id
    (entry,) = contents(record)
    assert entry["run"]["status"] == "FINISHED"


def test_learning_curves_have_whole_epochs_and_times_that_grow(record: MlflowRecord) -> None:
    history = training_history(epochs=4)
    record.record_stage("key", name="train", kind="train", params={}, history=history)
    (entry,) = contents(record)
    points = entry["points"]["validation_loss"]
    assert [step for step, _, _ in points] == [1, 2, 3, 4]
    assert [value for _, _, value in points] == history["validation_loss"].tolist()
    start, end = entry["run"]["start_time"], entry["run"]["end_time"]
    assert [at - start for _, at, _ in points] == [1500, 3000, 4500, 6000]
    assert end - start == 6000


def test_more_than_one_call_may_hold(record: MlflowRecord) -> None:
    history = pd.DataFrame({"epoch": range(1, 1301), "train_loss": 0.5, "lr": 0.001})
    params = {f"setting{i}": i for i in range(250)}
    record.record_stage("key", name="long", kind="train", params=params, history=history)
    (entry,) = contents(record)
    assert len(entry["params"]) == 250
    assert {len(points) for points in entry["points"].values()} == {1300}
    assert entry["tags"]["abl.complete"] == "true"


def test_recorded_answers_alike_for_few_keys_and_many(record: MlflowRecord) -> None:
    runs = {
        key: record.record_stage(key, name=key, kind="train", params={})
        for key in (digest(i) for i in range(3))
    }
    unknown = [digest("unknown", i) for i in range(100)]
    assert record.recorded(list(runs)) == runs
    assert record.recorded([*unknown, *runs]) == runs


def test_an_arm_that_failed_and_now_has_numbers_is_one_run_with_them(record: MlflowRecord) -> None:
    outcome = threshold_outcome()
    write(record, failing(outcome, 1))
    broken = arms_of(record, outcome.key)
    assert [entry["run"]["status"] for entry in broken].count("FAILED") == 1
    sweep = write(record, outcome)
    arms = arms_of(record, outcome.key)
    assert len(arms) == len(outcome.arms)
    assert all(entry["run"]["status"] == "FINISHED" and entry["points"] for entry in arms)
    with record.client() as client:
        table = Path(client.download_artifacts(sweep, "table.json")).read_text(encoding="utf-8")
    assert "failed" not in table


def test_an_edited_sweep_keeps_the_arms_of_the_old_one_told_apart(record: MlflowRecord) -> None:
    old, new = threshold_outcome(networks=1), threshold_outcome(networks=2)
    write(record, old)
    before = arms_of(record, old.key)
    write(record, new)
    assert arms_of(record, old.key) == before
    assert len(arms_of(record, new.key)) == len(new.arms)
    assert record.address(old, "http://x") != record.address(new, "http://x")


def test_a_record_deleted_in_the_ui_or_on_disk_is_built_again(
    record: MlflowRecord, empty_root: Path, tmp_path: Path
) -> None:
    def numbers(record: MlflowRecord) -> list[Any]:
        return sorted(
            (
                entry["experiment"],
                sorted(entry["params"].items()),
                sorted((k, step, v) for k, p in entry["points"].items() for step, _, v in p),
            )
            for entry in contents(record)
        )

    outcome = failing(threshold_outcome(), 2)
    write(record, outcome)
    write(record, outcome := threshold_outcome())
    whole = numbers(record)
    with record.client() as client:
        experiment = client.get_experiment_by_name("threshold")
        assert experiment is not None
        client.delete_experiment(experiment.experiment_id)
    write(record, outcome)
    assert numbers(record) == whole
    shutil.rmtree(record.root)
    again = MlflowRecord(Path(shutil.copytree(empty_root, tmp_path / "again")))
    write(again, outcome)
    assert numbers(again) == whole


def test_an_arm_links_to_the_stages_it_was_computed_from(record: MlflowRecord) -> None:
    outcome = threshold_outcome(networks=1)
    runs = {
        key: record.record_stage(key, name="train", kind="train", params={})
        for key in outcome.arms[0].stages
    }
    write(record, outcome, **runs)
    for entry in arms_of(record, outcome.key):
        assert entry["tags"]["abl.stages"].split() == list(runs.values())
        assert all(run_id in entry["tags"]["mlflow.note.content"] for run_id in runs.values())


def test_the_environment_and_the_loggers_are_as_they_were(record: MlflowRecord) -> None:
    names = ("mlflow", "alembic", "")
    before = dict(os.environ), [logging.getLogger(name).level for name in names]
    write(record, threshold_outcome(networks=1))
    assert (dict(os.environ), [logging.getLogger(name).level for name in names]) == before


def test_an_unreachable_server_is_said_at_once_in_one_line(tmp_path: Path) -> None:
    record = MlflowRecord(tmp_path, "http://someone:secret@127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(InputError) as caught:
        record.check_reachable()
    assert time.monotonic() - started < 15
    (problem,) = caught.value.problems
    assert "127.0.0.1:9" in problem.message
    assert "secret" not in problem.message
    assert "\n" not in problem.message


def test_a_record_lost_on_the_way_is_a_record_error(
    record: MlflowRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    lost = MlflowRecord(record.root, "http://127.0.0.1:9")
    with pytest.raises(RecordError):
        write(lost, threshold_outcome(networks=1))


def test_two_drivers_starting_on_a_new_folder_both_live_and_complain_of_nothing(
    first_starts: tuple[Path, list[tuple[str, int]]],
) -> None:
    # where the machine is slow one waits for the other for more than five seconds, and says so
    waits = ("abl: waiting for MLflow's database: ", "abl: MLflow's database: goes on after ")
    for said, status in first_starts[1]:
        assert [line for line in said.splitlines() if not line.startswith(waits)] == []
        assert status == 0


HOLDER = """
import sys, time
from pathlib import Path
from abl.record.mlflow_writer import MlflowRecord
with MlflowRecord(Path(sys.argv[1])).lease() as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def test_one_driver_writes_and_a_killed_one_frees_the_lease(tmp_path: Path) -> None:
    record = MlflowRecord(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    with record.lease() as mine:
        assert not mine
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with record.lease() as mine, MlflowRecord(tmp_path).lease() as also:
        assert mine
        assert not also


def test_importing_the_writer_imports_no_mlflow() -> None:
    code = (
        "import sys, abl.record.mlflow_writer, abl.record.mlflow_ui; "
        "sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_keep_the_names_they_are_given(record: MlflowRecord, tmp_path: Path) -> None:
    figure = tmp_path / "drawn.png"
    figure.write_bytes(b"pixels")
    outcome = dataclasses.replace(threshold_outcome(networks=1), name="with figures")
    run_id = record.record_outcome(
        outcome, sweep_file="name: with figures\n", artifacts={"figures/curve.png": figure}
    )
    with record.client() as client:
        kept = Path(client.download_artifacts(run_id, "figures/curve.png"))
        assert kept.read_bytes() == b"pixels"
        sweep = Path(client.download_artifacts(run_id, "sweep.yaml"))
        assert sweep.read_text(encoding="utf-8") == "name: with figures\n"
        replicates = pd.read_parquet(client.download_artifacts(run_id, "replicates.parquet"))
    assert len(replicates) == sum(len(arm.replicates) for arm in outcome.arms)
