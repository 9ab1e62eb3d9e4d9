"""Servers that do not answer are told in one line, soon and without their passwords."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from abl.answering import patient_url
from abl.errors import InputError
from abl.record.mlflow_client import RecordPlace
from abl.search.kept import STORAGE, KeptStudies, check_storage
from servers import free_port

# a deadline on hangs: the machine may be busy, and drivers by themselves wait for minutes
DEADLINE_S = 60.0


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that lets everybody in and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


@pytest.fixture(params=["silent", "closed"])
def dead(request: pytest.FixtureRequest, silent_port: int) -> str:
    """HOST:PORT."""
    return f"127.0.0.1:{silent_port if request.param == 'silent' else free_port()}"


def told(error: InputError, dead: str) -> str:
    (problem,) = error.problems
    assert dead in str(problem)
    assert "hunter22" not in str(problem)
    assert "\n" not in str(problem)
    return str(problem)


@pytest.mark.parametrize("kind", ["postgresql+psycopg", "postgresql", "http"])
def test_a_dead_record_is_told(tmp_path: Path, dead: str, kind: str) -> None:
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        RecordPlace(tmp_path / "mlruns", f"{kind}://me:hunter22@{dead}/abl").check_reachable()
    assert time.monotonic() - began < DEADLINE_S
    assert "record later with --record off" in told(caught.value, dead)
    assert list(tmp_path.iterdir()) == []


def test_a_dead_storage_of_searches_is_told(
    tmp_path: Path, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql+psycopg://me:hunter22@{dead}/abl"
    monkeypatch.setenv(STORAGE, url)
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        check_storage()
    assert STORAGE in told(caught.value, dead)
    with pytest.raises(InputError) as caught:
        KeptStudies(tmp_path, "tiny", url)
    told(caught.value, dead)
    assert time.monotonic() - began < 2 * DEADLINE_S


ASK = """
import sys
from pathlib import Path
from abl.record.mlflow_writer import MlflowRecord
print(MlflowRecord(Path(sys.argv[1])).recorded(["a"]))
"""


def test_a_dead_registry_that_the_environment_names_is_not_asked(
    tmp_path: Path, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql+psycopg://me:hunter22@127.0.0.1:{silent_port}/abl"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", url)
    command = [sys.executable, "-c", ASK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * DEADLINE_S)
    assert (done.stdout, done.returncode) == ("{}\n", 0), done.stderr


def test_bounds_are_added_to_a_url_and_what_it_says_stays() -> None:
    url = "postgresql+psycopg://me:a%2Fb%40c@h:1/d?connect_timeout=60&sslmode=require"
    patient = patient_url(url)
    assert patient.startswith("postgresql+psycopg://me:a%2Fb%40c@h:1/d?")
    assert "connect_timeout=60" in patient
    assert "sslmode=require" in patient
    assert "tcp_user_timeout=" in patient
    for other in ("sqlite:////x/mlflow.db", "http://h:1", "mysql+pymysql://u:p@h/d", "databricks"):
        assert patient_url(other) == other


def test_a_folder_in_the_place_of_the_database_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    with pytest.raises(InputError) as caught:
        RecordPlace(tmp_path).check_reachable()
    (problem,) = caught.value.problems
    assert "mlflow.db must be a file that can be written" in str(problem)
    assert "start it" not in str(problem)
