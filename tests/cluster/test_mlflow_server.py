"""A sweep recorded on a server: PostgreSQL behind it, files in S3, no secret in sight."""

from __future__ import annotations

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow_server import S3, MlflowServer, processes_of, running_mlflow, running_s3

import abl
from abl.app.sweep_result import SweepResult
from servers import Postgres, running_postgres
from tiny_sweeps import write_sweep, write_tiny_set

pytestmark = pytest.mark.cluster


@dataclass
class Recorded:
    """What a sweep left on the server after it was run, and after it was run again."""

    sweep: abl.LoadedSweep
    results: list[SweepResult]
    runs: list[list[Run]]
    postgres: Postgres
    s3: S3
    server: MlflowServer
    mlruns: Path
    client: MlflowClient

    @property
    def secrets(self) -> list[str]:
        return [self.postgres.password, self.s3.secret]


def all_runs(client: MlflowClient) -> list[Run]:
    return [
        run
        for experiment in client.search_experiments()
        for run in client.search_runs([experiment.experiment_id], max_results=1000)
    ]


def of_kind(runs: list[Run], kind: str) -> list[Run]:
    return [run for run in runs if run.data.tags.get("abl.kind") == kind]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("server")
    write_tiny_set(folder / "images")
    path = write_sweep(folder)
    with pytest.MonkeyPatch.context() as env:
        # the client's machine: it knows neither the database nor the bucket
        for name in os.environ:
            if name.startswith(("AWS_", "MLFLOW_")):
                env.delenv(name)
        env.setenv("AWS_EC2_METADATA_DISABLED", "true")
        env.setenv("HOME", str(folder))
        with (
            running_postgres() as postgres,
            running_s3(folder) as s3,
            running_mlflow(folder, postgres.url, s3) as server,
        ):
            client = MlflowClient(server.url)
            results, runs = [], []
            for _ in range(2):
                sweep = abl.load(path, root=folder / "mlruns")
                results.append(abl.run(sweep, executor="local", record=server.url))
                runs.append(all_runs(client))
            yield Recorded(sweep, results, runs, postgres, s3, server, folder / "mlruns", client)


def test_arms_and_networks_arrive_with_their_numbers(recorded: Recorded) -> None:
    result, runs = recorded.results[0], recorded.runs[0]
    assert result.messages == []
    arms = {run.info.run_name: run for run in of_kind(runs, "arm")}
    assert len(arms) == len(result.outcome.arms) == 2
    original = next(arm for arm in result.outcome.arms if arm.params["rule"] == "original")
    run = next(run for run in arms.values() if run.data.params["rule"] == "original")
    means = original.replicates.mean(numeric_only=True)
    assert run.data.metrics["f1"] == pytest.approx(means["f1"])
    assert run.data.metrics["auc"] == pytest.approx(means["auc"])
    trained = of_kind(runs, "train")
    stages = [stage for stage in recorded.sweep.plan.stages.values() if stage.kind == "train"]
    assert {run.data.tags["abl.key"] for run in trained} == {stage.digest for stage in stages}
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_predictions_come_back_through_the_server(recorded: Recorded, tmp_path: Path) -> None:
    stage = next(s for s in recorded.sweep.plan.stages.values() if s.kind == "train")
    runs = of_kind(recorded.runs[0], "train")
    run = next(run for run in runs if run.data.tags["abl.key"] == stage.digest)
    # no credentials of the object store here: the server fetches the file
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    path = recorded.client.download_artifacts(
        run.info.run_id, "predictions.parquet", dst_path=str(tmp_path)
    )
    table = pd.read_parquet(path)
    assert {"image", "patient", "label"} <= set(table.columns)
    assert len(table) > 16
    assert set(table["patient"]) <= {f"p{number:03d}" for number in range(24)}
    # and the file lies in the bucket, not on the disk of the server
    sizes = recorded.s3.sizes()
    end = f"{run.info.run_id}/artifacts/predictions.parquet"
    key = next(key for key in sizes if key.endswith(end))
    assert sizes[key] == Path(path).stat().st_size


def test_the_same_command_again_records_nothing_twice(recorded: Recorded) -> None:
    first, second = recorded.runs
    assert recorded.results[1].report.ran == []
    assert recorded.results[1].messages == []
    assert {run.info.run_id for run in second} == {run.info.run_id for run in first}
    keys = [run.data.tags["abl.key"] for run in second]
    assert len(set(keys)) == len(keys) > 4


def test_it_listens_on_loopback_only(recorded: Recorded) -> None:
    # 127.0.0.2 is this machine too: a server on all interfaces would answer there
    for host, refused in [("127.0.0.1", False), ("127.0.0.2", True)]:
        with socket.socket() as probe:
            probe.settimeout(5)
            assert (probe.connect_ex((host, recorded.server.port)) != 0) == refused


def test_no_secret_is_told_written_or_shown(recorded: Recorded) -> None:
    said = {"log": recorded.server.log.read_text()}
    for run in recorded.runs[1]:
        said[f"run {run.info.run_id}"] = json.dumps(run.to_dictionary())
    for experiment in recorded.client.search_experiments():
        said[f"experiment {experiment.name}"] = repr(dict(experiment))
    asked = {"experiment_ids": ["1", "2"], "max_results": 100}
    for path, body in {
        "/": None,
        "/version": None,
        "/health": None,
        "/ajax-api/2.0/mlflow/experiments/search?max_results=10": None,
        "/api/2.0/mlflow/runs/search": asked,
        "/api/2.0/mlflow/experiments/get?experiment_id=999": None,
        "/api/2.0/mlflow-artifacts/artifacts?path=1": None,
        "/api/2.0/mlflow-artifacts/artifacts/none/such.file": None,
    }.items():
        said[path] = answer(recorded.server.url + path, body)
    assert '"runs"' in said["/api/2.0/mlflow/runs/search"]
    processes = processes_of(recorded.server.process.pid)
    assert len(processes) > 1
    for process in processes:
        said[f"command line of {process}"] = Path(f"/proc/{process}/cmdline").read_text()
    files = [path for path in recorded.mlruns.rglob("*") if path.is_file()]
    assert len(files) > 10
    for secret in recorded.secrets:
        assert [place for place, text in said.items() if secret in text] == []
        assert [path for path in files if secret.encode() in path.read_bytes()] == []


def answer(url: str, body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as got:
            return got.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace")
