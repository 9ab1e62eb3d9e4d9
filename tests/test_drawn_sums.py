"""Figures, report and rendered tables are held against checksums, and drawn again if need be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from abl.app.results import recorded_files
from abl.errors import InputError
from commands import abl
from tiny_sweeps import write_sweep, write_tiny_set


def sweep(folder: Path) -> str:
    result = abl(folder, "sweep", "tiny.yaml", "--executor", "local", "--record", "off")
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny sweep, run and drawn. Not to be written to."""
    folder = tmp_path_factory.mktemp("drawn")
    write_tiny_set(folder / "images")
    write_sweep(folder)
    sweep(folder)
    return folder


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("abl.scratch.SHORT", ())
    return Path(shutil.copytree(drawn, tmp_path / "copy"))


def table_of(folder: Path) -> Path:
    sweeps = folder / "mlruns/store/sweeps/tiny"
    return sweeps / json.loads((sweeps / "latest.json").read_text())["key"]


def verify(folder: Path) -> tuple[int, list[str]]:
    result = abl(folder, "store", "verify")
    assert "Traceback" not in result.output
    return result.exit_code, result.output.splitlines()


def test_each_drawn_file_that_changed_or_went_is_named_and_drawn_again(folder: Path) -> None:
    table = table_of(folder)
    figures = sorted(path.name for path in table.glob("*.png"))
    assert figures
    assert verify(folder)[0] == 0
    last = figures[-1].replace(".png", ".svg")
    names = sorted([figures[0], last, "report.html", "table.md", "table.tex"])
    right = {name: (table / name).read_bytes() for name in names}
    for harm in ("changed", "gone"):
        for name, content in right.items():
            (table / name).unlink()
            if harm == "changed":
                (table / name).write_bytes(content.replace(content[-9:], b"elsewhere"))
                assert (table / name).read_bytes() != content
        code, lines = verify(folder)
        told, _, advice = lines[0].partition(f"tiny, table {table.name}: ")[2].partition("; ")
        assert (code, sorted(told.split(", "))) == (1, names)
        assert advice == "`abl sweep FILE` makes it again"
        sweep(folder)
        assert {name: (table / name).read_bytes() for name in names} == right
        assert verify(folder)[0] == 0


def test_a_changed_figure_is_not_recorded(folder: Path) -> None:
    table = table_of(folder)
    figure = next(table.glob("*.png"))
    figure.write_bytes(b"another")
    with pytest.raises(InputError, match=f"{figure.name} is damaged: `abl sweep FILE` makes it"):
        recorded_files(table)
    said = abl(folder, "record")
    assert (said.exit_code, f"{figure.name} is damaged" in said.output) == (2, True), said.output
    figure.unlink()
    assert abl(folder, "record").exit_code == 2
    # numbers are read as they were
    assert abl(folder, "table", "tiny").exit_code == 0


def test_what_is_whole_is_not_drawn_again(folder: Path) -> None:
    before = {path: path.stat().st_ino for path in table_of(folder).iterdir()}
    assert len(before) > 10
    sweep(folder)
    assert {path: path.stat().st_ino for path in table_of(folder).iterdir()} == before


@pytest.mark.parametrize("noted", ["nothing", "files"])
def test_what_an_earlier_version_drew_is_believed_and_noted(folder: Path, noted: str) -> None:
    sums = table_of(folder) / "sums.json"
    said = json.loads(sums.read_text())
    now = dict(said["drawn"])
    if noted == "nothing":
        sums.unlink()
    else:
        sums.write_text(json.dumps({name: said[name] for name in ("files", "checksum")}))
    report = (table_of(folder) / "report.html").stat().st_ino
    assert verify(folder)[0] == 0
    assert recorded_files(table_of(folder))
    sweep(folder)
    assert (table_of(folder) / "report.html").stat().st_ino == report
    assert json.loads(sums.read_text())["drawn"] == now


def test_sums_that_were_changed_are_told_and_written_anew(folder: Path) -> None:
    sums = table_of(folder) / "sums.json"
    right = json.loads(sums.read_text())
    for harm in (
        {"drawn": {}},
        {"drawn": []},
        {"drawn_checksum": "0" * 64},
        {"drawn": {"..": "0"}},
    ):
        sums.write_text(json.dumps({**right, **harm}))
        code, lines = verify(folder)
        assert (code, "sums.json; `abl sweep FILE` makes it again" in lines[0]) == (1, True)
        sweep(folder)
        assert json.loads(sums.read_text()) == right


def test_a_drawing_that_fails_leaves_no_changed_figure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(folder)
    figure = next(table.glob("*.png"))
    right = figure.read_bytes()
    figure.write_bytes(b"another")

    def fail(*given: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr("abl.report.figures.style.save_figure", fail)
        assert "figures and report could not be made" in " ".join(sweep(folder).split())
    assert not figure.exists()
    assert figure.name not in recorded_files(table)
    sweep(folder)
    assert figure.read_bytes() == right
