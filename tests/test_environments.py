"""Machines as they are: outputs that are not UTF-8, long folders for temporary files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from abl.cli.output import _in_ascii
from abl.errors import InputError
from abl.runner.ray_folder import room_for_sockets, short_folder
from commands import abl
from tiny_sweeps import write_sweep

ABL = [sys.executable, "-c", "from abl.cli import main; main()"]


def of_its_own(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment}
    return subprocess.run([*ABL, *words], cwd=folder, env=env, capture_output=True, timeout=300)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, tiny_images: Path) -> Path:
    folder = tmp_path_factory.mktemp("ran")
    shutil.copytree(tiny_images.parent, folder / "images")
    write_sweep(folder)
    done = abl(folder, "sweep", "tiny.yaml", "--executor", "local", "--record", "off")
    assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "cp437"])
def test_what_an_output_cannot_write_is_replaced(ran: Path, encoding: str) -> None:
    for words in (["table", "tiny"], ["list", "metrics"], ["table", "tiny", "--format", "csv"]):
        found = of_its_own(ran, *words, PYTHONIOENCODING=encoding)
        assert found.returncode == 0, found.stderr.decode(errors="replace")
        whole = of_its_own(ran, *words, PYTHONIOENCODING="utf-8")
        ours, theirs = found.stdout.decode(encoding), whole.stdout.decode("utf-8")
        # nothing moves: a letter for a letter
        assert [len(line) for line in ours.splitlines()] == [len(x) for x in theirs.splitlines()]
    assert "original" in of_its_own(ran, "table", "tiny", PYTHONIOENCODING=encoding).stdout.decode(
        encoding
    )


def test_errors_are_written_to_any_output_too(tmp_path: Path) -> None:
    (tmp_path / "größe−Δ.yaml").write_text("name: x\nstudy: two_stép−\n", encoding="utf-8")
    found = of_its_own(tmp_path, "plan", "größe−Δ.yaml", PYTHONIOENCODING="ascii")
    assert found.returncode == 2
    assert b"Traceback" not in found.stderr
    assert b"abl: " in found.stderr


def test_a_record_is_left_in_one_file(ran: Path) -> None:
    found = of_its_own(ran, "record")
    assert found.returncode == 0, found.stderr.decode()
    # SQLite keeps two more files beside it for as long as a connection was not closed
    assert [path.name for path in (ran / "mlruns").glob("mlflow.db*")] == ["mlflow.db"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("−3.2 ± 1", "-3.2 ~ 1"), ("Δ ≥ 0 †", "d > 0 +"), ("甲 is fine", "? is fine")],
)
def test_signs_of_tables_stay_readable_in_ascii(text: str, told: str) -> None:
    import codecs

    codecs.register_error("here", _in_ascii)
    assert text.encode("ascii", "here").decode() == told


def test_a_long_folder_for_temporary_files_leaves_room_for_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with short_folder() as folder:
        assert folder is not None
        assert room_for_sockets(folder)
        assert Path(folder).is_dir()
    assert not Path(folder).exists()
    monkeypatch.setenv("TMPDIR", "/tmp")
    with short_folder() as folder:
        assert folder is None  # Ray's own will do


def test_where_no_short_folder_can_be_written_the_way_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr("abl.runner.ray_folder.SHORT", (str(tmp_path / "not there"),))
    told = r"TMPDIR=.* is too long .* --executor local"
    with pytest.raises(InputError, match=told), short_folder():
        pass


@pytest.mark.cluster
def test_ray_starts_below_a_long_folder(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        "name: x\nstudy: frozen\ndata: {phantom: {patients: 12, size: 32}}\n"
        "image: {size: 24, channels: 1, normalize: half}\n"
        "train: {network: plain4, epochs: 1, last_k: 1}\naxes: {frozen: [0]}\nresamples: 200\n"
    )
    long = tmp_path / ("x" * 80)
    long.mkdir()
    done = of_its_own(
        tmp_path, "sweep", "x.yaml", "--workers", "1", "--record", "off", TMPDIR=str(long)
    )
    assert done.returncode == 0, done.stderr.decode()
