"""A SQLite record that cannot be opened is told before MLflow tries for minutes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from abl.errors import InputError
from abl.record.mlflow_client import RecordPlace
from abl.record.mlflow_errors import RecordError
from abl.record.sqlite_files import check_sqlite_file, sqlite_file

PROC = pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux's /proc")
SOMEBODY_ELSE = 12345


def refused(monkeypatch: pytest.MonkeyPatch, root: Path, uri: str) -> str:
    """The one line on a record; MLflow is not asked."""

    def asked(*_: object) -> None:
        raise AssertionError("MLflow was asked")

    monkeypatch.setattr("abl.record.mlflow_client._quiet", asked)
    with pytest.raises(InputError) as caught:
        RecordPlace(root, uri).check_reachable()
    (problem,) = caught.value.problems
    assert "\n" not in str(problem)
    return str(problem)


@PROC
def test_a_folder_that_takes_no_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("/proc/none.db", "/proc/none/deeper/none.db"):
        line = refused(monkeypatch, tmp_path / "mlruns", f"sqlite:///{file}?timeout=3")
        assert f"{file} cannot be made" in line
        assert "--record off" in line
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.db").mkdir()
    os.mkfifo(tmp_path / "pipe.db")
    (tmp_path / "file").touch()
    for name, said in {
        "folder.db": "cannot be opened for writing",
        "pipe.db": "is no file",
        "file/x.db": "cannot be",
    }.items():
        line = refused(monkeypatch, tmp_path / "mlruns", f"sqlite:///{tmp_path}/{name}")
        assert f"{tmp_path}/{name} {said}" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's rights are tried by root alone")
def test_a_file_or_folder_of_another_owner_is_told() -> None:
    code = (
        "import os, sys; from pathlib import Path;"
        "from abl.record.sqlite_files import check_sqlite_file;"
        f"os.setuid({SOMEBODY_ELSE}); check_sqlite_file(Path(sys.argv[1]))"
    )
    # pytest's own folders are closed to everybody else; of /tmp itself everybody may pass
    with tempfile.TemporaryDirectory(prefix="abl-test-", dir="/tmp") as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "open").mkdir()
        (folder / "open").chmod(0o777)
        for file in (folder / "there.db", folder / "open" / "there.db"):
            file.touch()
        for name, said in {
            "absent.db": "cannot be made (Permission denied)",
            "there.db": "cannot be opened for writing (Permission denied)",
            "open/there.db": "cannot be opened for writing (Permission denied)",
            "open/absent.db": "",
        }.items():
            done = subprocess.run(
                [sys.executable, "-c", code, str(folder / name)],
                capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            assert (done.returncode == 0) == (not said), done.stderr
            assert said in done.stderr


def test_a_file_that_can_be_made_or_written_passes_and_nothing_is_left(tmp_path: Path) -> None:
    check_sqlite_file(tmp_path / "new" / "mlflow.db")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mlflow.db").touch()
    check_sqlite_file(tmp_path / "mlflow.db")
    assert list(tmp_path.iterdir()) == [tmp_path / "mlflow.db"]


@PROC
def test_a_record_that_was_not_asked_before_is_told_as_soon_as_it_is_used(tmp_path: Path) -> None:
    with (
        pytest.raises(RecordError, match=r"/proc/none\.db cannot be made"),
        RecordPlace(tmp_path, "sqlite:////proc/none.db").client(),
    ):
        raise AssertionError("there is no client")


def test_the_file_of_an_address(tmp_path: Path) -> None:
    assert sqlite_file("sqlite:////a/x%20y.db?timeout=3") == Path("/a/x y.db")
    for other in ("sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true", "http://h:1/x"):
        assert sqlite_file(other) is None


def test_no_library_speaks_of_what_an_address_of_sqlite_holds(tmp_path: Path) -> None:
    code = (
        "from abl.cli.output import prepare_output; prepare_output();"
        "from sqlalchemy import create_engine;"
        f"create_engine('sqlite:///{tmp_path}/x.db?password=kn0ck').connect().close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_new_database_need_not_be_made_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("MLflow was asked")

    monkeypatch.setattr("abl.record.mlflow_client._quiet", asked)
    RecordPlace(tmp_path).check_reachable(make=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mlflow.db").mkdir()
    with pytest.raises(InputError, match=r"mlflow\.db cannot be opened for writing"):
        RecordPlace(tmp_path).check_reachable(make=False)
    (tmp_path / "mlflow.db").rmdir()
    (tmp_path / "mlflow.db").touch()
    with pytest.raises(AssertionError, match="MLflow was asked"):
        RecordPlace(tmp_path).check_reachable(make=False)
