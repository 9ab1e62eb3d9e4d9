"""A table that cannot be read is no damaged one: it is told, and nothing of it is replaced."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abl import kept_files
from abl.app import table_sums
from abl.record import patient
from abl.record.mlflow_client import RecordPlace
from abl.record.mlflow_errors import RecordError
from commands import abl
from tiny_sweeps import write_sweep, write_tiny_set

RUN = ("sweep", "tiny.yaml", "--executor", "local")
QUIET = (*RUN, "--record", "off")
FAULTS = [errno.EACCES, errno.EIO, errno.ESTALE]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny sweep, run and drawn. Not to be written to."""
    folder = tmp_path_factory.mktemp("made")
    write_tiny_set(folder / "images")
    write_sweep(folder)
    assert abl(folder, *QUIET).exit_code == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("abl.scratch.SHORT", ())
    monkeypatch.setattr(patient, "PAUSES_S", (0.0, 0.0))
    return Path(shutil.copytree(made, tmp_path / "copy"))


def table_of(folder: Path) -> Path:
    sweeps = folder / "mlruns/store/sweeps/tiny"
    return sweeps / json.loads((sweeps / "latest.json").read_text())["key"]


def seen(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Inode and bytes of all that is kept of a table."""
    paths = [path for path in table_of(folder).parent.rglob("*") if path.is_file()]
    paths = [path for path in paths if path.name != "begun.json"]  # it says which file ran last
    return {str(path): (path.stat().st_ino, path.read_bytes()) for path in paths}


def refuse(monkeypatch: pytest.MonkeyPatch, path: Path, code: int) -> None:
    """Reads of a path fail."""

    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def tried(asked: Any, *args: Any, **kwargs: Any) -> Any:
            if Path(asked) == path:
                raise OSError(code, os.strerror(code), str(path))
            return real(asked, *args, **kwargs)

        return tried

    for place, name in ((kept_files, "_unblocked"), (table_sums, "sha256_of")):
        monkeypatch.setattr(place, name, refusing(getattr(place, name)))


def line_of(output: str) -> str:
    """The one line on what is wrong, as it was printed."""
    (line,) = (line for line in output.splitlines() if line.startswith("abl: "))
    return line


@pytest.mark.parametrize("code", FAULTS, ids=errno.errorcode.get)
@pytest.mark.parametrize("name", ["outcome.json", "sums.json", "../latest.json"])
def test_a_table_that_cannot_be_read_is_told_and_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    before, path = seen(folder), (table_of(folder) / name).resolve()
    with monkeypatch.context() as patched:
        refuse(patched, path, code)
        for words, status in ((("table", "tiny"), 2), (QUIET, 1)):
            result = abl(folder, *words)
            assert result.exit_code == status, result.output
            line = line_of(result.output)
            assert f"{path}: cannot be read ({os.strerror(code)})" in line
            assert "damaged" not in line
    assert seen(folder) == before
    assert abl(folder, "table", "tiny").exit_code == 0


def test_predictions_that_cannot_be_read_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, path = seen(folder), table_of(folder) / "predictions.parquet"
    with monkeypatch.context() as patched:
        refuse(patched, path, errno.EIO)
        result = abl(folder, *QUIET)
    assert (result.exit_code, f"{path}: cannot be read" in line_of(result.output)) == (1, True)
    assert seen(folder) == before


def test_a_report_that_cannot_be_read_stays_and_the_table_is_printed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, path = seen(folder), table_of(folder) / "report.html"
    with monkeypatch.context() as patched:
        refuse(patched, path, errno.EACCES)
        result = abl(folder, *RUN)
    assert result.exit_code == 1, result.output
    assert f"{path}: cannot be read (Permission denied)" in line_of(result.output)
    assert "makes it again" not in result.output
    assert "ACC, %" in result.output
    after = seen(folder)
    assert {each: content for each, (_, content) in after.items()} == {
        each: content for each, (_, content) in before.items()
    }
    assert after[str(path)] == before[str(path)]
    # once it can be read MLflow gets the table with its report
    result = abl(folder, *RUN)
    assert result.exit_code == 0, result.output
    assert list((folder / "mlruns/artifacts").rglob("report.html"))


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "make room"), (errno.EFBIG, "ulimit -f"), (errno.EACCES, "see to it")],
)
def test_figures_that_cannot_be_written_are_told_and_made_by_the_same_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, advice: str
) -> None:
    table = table_of(folder)
    (table / "report.html").unlink()
    with monkeypatch.context() as patched:

        def full(figure: object, path: Path, drawn: bytes) -> None:
            raise OSError(code, os.strerror(code), str(path))

        patched.setattr("abl.report.figures.style.save_figure", full)
        result = abl(folder, *QUIET)
    assert result.exit_code == 1, result.output
    line = line_of(result.output)
    assert line.startswith("abl: figures and report could not be made: ")
    assert os.strerror(code) in line
    assert advice in line
    assert str(folder / "mlruns/store") in line
    assert "the same command goes on" in line
    assert "ACC, %" in result.output
    again = abl(folder, *QUIET)
    assert again.exit_code == 0, again.output
    assert (table / "report.html").exists()
    assert list(table.glob("*.png"))


def test_a_full_tmpdir_is_not_blamed_on_the_database(tmp_path: Path) -> None:
    place = RecordPlace(tmp_path / "mlruns")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "tmp" / "abl-record-x"))
    with pytest.raises(RecordError) as told, place.client():
        raise full
    assert str(told.value) == f"{os.strerror(errno.ENOSPC)}: {full.filename}"
    assert "make room" in told.value.advice
