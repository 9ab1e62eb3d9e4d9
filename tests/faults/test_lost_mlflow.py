"""A server of MLflow, or the database behind it, lost while a sweep runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faulty_nets import HOOK
from faulty_runs import Forker, attempts, only_lines, store_in, tables, wait_for

from abl.record.mlflow_writer import MlflowRecord
from recorded import all_keys, incomplete_runs
from servers import Postgres, free_port, running_postgres
from tiny_sweeps import write_sweep

pytestmark = pytest.mark.cluster

# a network before the one that waits, one with it, one after it
NETWORKS = {
    "axes": {"rule": ["original"], "network": ["pooled3", "hooked", "pooled6"]},
    "base": None,
}


class Server:
    """`mlflow server` on a port of its own, which can be ended and started again."""

    def __init__(self, folder: Path, database: str):
        self.folder = folder
        self.port = free_port()
        self.database = database
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                    *("--backend-store-uri", self.database),
                    *("--artifacts-destination", str(self.artifacts)),
                ],
                stdout=log,
                stderr=log,
                env=kept | {"MLFLOW_DISABLE_TELEMETRY": "true"},
                start_new_session=True,
            )
        process = self.process

        def healthy() -> bool:
            assert process.poll() is None, (self.folder / "server.log").read_text()
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(f"{self.url}/health", timeout=5).status == 200
            return False

        wait_for(healthy, "MLflow", 180)

    def kill(self) -> None:
        """kill -9 of it with its workers."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def serving(folder: Path, database: str) -> Iterator[Server]:
    folder.mkdir()
    server = Server(folder, database)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def until_it_trains(folder: Path) -> Path:
    """Makes the network `hooked` wait; the file that lets it go on."""
    go = folder / "go"
    # builds are tried out before anything is trained
    (folder / HOOK).write_text(
        "if [ -d mlruns/store/work ]; then touch here; while [ ! -e go ]; do sleep 0.1; done; fi"
    )
    return go


def complete_runs(server: Server) -> int:
    record = MlflowRecord(server.folder, server.url)
    return len(all_keys(record)) - len(incomplete_runs(record))


def recorded_whole(server: Server, folder: Path, arms: int, stages: int) -> None:
    record = MlflowRecord(folder / "mlruns", server.url)
    keys = all_keys(record)
    assert incomplete_runs(record) == []
    assert len(set(keys)) == len(keys) == arms + stages + 1


def test_a_server_killed_midway_costs_a_warning_and_abl_record_catches_up(
    tiny_folder: Path, drivers: Forker
) -> None:
    write_sweep(tiny_folder, NETWORKS)
    go = until_it_trains(tiny_folder)
    command = ("sweep", "tiny.yaml", "--executor", "local", "--record")
    with serving(tiny_folder / "server", f"sqlite:///{tiny_folder}/server.db") as server:
        driver = drivers.start(tiny_folder, *command, server.url)
        wait_for((tiny_folder / "here").exists, "the second training")
        wait_for(lambda: complete_runs(server) == 1, "the run of the first one")
        server.kill()
        go.touch()
        assert driver.wait() == 0, driver.said
        assert only_lines(driver.said) == []
        (warning,) = [each for each in driver.said.splitlines() if each.startswith("warning: ")]
        assert f"MLflow at {server.url}" in warning
        assert warning.endswith("the work is kept, `abl record` writes the rest")
        assert "pooled6" in driver.said
        assert len(attempts(store_in(tiny_folder))) == 3
        assert tables(tiny_folder)
        # gone at the start: refused
        status, said = drivers.run(tiny_folder, *command, server.url)
        assert status == 2
        (line,) = only_lines(said)
        assert "start it, or record later with --record off" in line
        server.start()
        for expected in ("stages: 2 written, 1 were there", "stages: 0 written, 3 were there"):
            status, said = drivers.run(tiny_folder, "record", "--uri", server.url)
            assert status == 0, said
            assert expected in said
            recorded_whole(server, tiny_folder, arms=3, stages=3)
        files = {
            path: path.stat().st_size for path in server.artifacts.rglob("*") if path.is_file()
        }
        shutil.rmtree(server.artifacts)
        status, said = drivers.run(tiny_folder, "record", "--uri", server.url)
        assert status == 0, said
        assert "stages: 0 written, 3 restored, 0 were there" in said
        assert {path: path.stat().st_size for path in files} == files
        status, said = drivers.run(tiny_folder, "record", "--uri", server.url)
        assert "stages: 0 written, 3 were there" in said
        assert "restored" not in said


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


def test_a_database_that_restarts_midway_leaves_no_doubles(
    tiny_folder: Path, drivers: Forker, postgres: Postgres
) -> None:
    write_sweep(tiny_folder, NETWORKS)
    go = until_it_trains(tiny_folder)
    with serving(tiny_folder / "server", postgres.url) as server:
        driver = drivers.start(
            tiny_folder, "sweep", "tiny.yaml", "--executor", "local", "--record", server.url
        )
        wait_for((tiny_folder / "here").exists, "the second training")
        wait_for(lambda: complete_runs(server) == 1, "the run of the first one")
        postgres.stop()
        postgres.start()
        go.touch()
        assert driver.wait() == 0, driver.said
        assert only_lines(driver.said) == []
        # MLflow's server connects anew by itself
        assert "warning" not in driver.said
        recorded_whole(server, tiny_folder, arms=3, stages=3)
        status, said = drivers.run(tiny_folder, "record", "--uri", server.url)
        assert status == 0, said
        assert "stages: 0 written, 3 were there" in said
        recorded_whole(server, tiny_folder, arms=3, stages=3)
