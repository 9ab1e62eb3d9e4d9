"""`abl doctor` and `abl new`: what a person runs first."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
import yaml

import commands
from abl.app import doctor as looked
from abl.app.shipped import SCHEMA, shipped_sweeps
from abl.errors import InputError


def test_a_machine_that_has_what_it_needs_is_told_so(tmp_path: Path) -> None:
    done = commands.abl(tmp_path, "doctor")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0, done.stdout
    assert {line.split()[0] for line in lines} <= {"ok", "hint"}
    named = {line[7:19].strip() for line in lines}
    assert {
        "abl",
        "packages",
        "torch",
        "GPU",
        "machine",
        "mlruns",
        "disk",
        "Ray",
        "MLflow",
    } <= named
    assert not list(tmp_path.iterdir())  # nothing is made by looking


def test_what_is_wrong_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlruns").write_text("")

    def no_network() -> None:
        raise InputError("this machine cannot connect to itself: use --executor local")

    monkeypatch.setattr(looked, "check_connections", no_network)
    monkeypatch.setattr(looked, "requires", lambda name: ["torch>=99", "no-such-package-here"])
    done = commands.abl(tmp_path, "doctor")
    wrong = {line[7:19].strip(): line for line in done.stdout.splitlines() if "WRONG" in line}
    assert done.exit_code == 1
    assert wrong.keys() == {"packages", "mlruns", "Ray"}
    assert "torch" in wrong["packages"]
    assert "does not fit >=99" in wrong["packages"]
    assert "no-such-package-here is not installed" in wrong["packages"]
    assert "--executor local" in wrong["Ray"]


def test_a_damaged_record_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    database = tmp_path / "mlruns" / "mlflow.db"
    database.write_bytes(b"SQLite format 3\0" + b"no database" * 500)
    before = database.read_bytes()
    done = commands.abl(tmp_path, "doctor")
    assert done.exit_code == 1
    assert any(line.startswith("WRONG  MLflow") for line in done.stdout.splitlines())
    assert database.read_bytes() == before
    assert [path.name for path in (tmp_path / "mlruns").iterdir()] == ["mlflow.db"]


def test_every_shipped_sweep_is_listed_with_its_title(tmp_path: Path) -> None:
    lines = commands.abl(tmp_path, "new").stdout.splitlines()
    assert len(lines) == len(shipped_sweeps())
    assert any(re.match(r"threshold +\w", line) for line in lines)


def test_a_shipped_sweep_is_copied_and_planned(tmp_path: Path) -> None:
    done = commands.abl(tmp_path, "new", "threshold")
    assert done.exit_code == 0, done.stdout
    text = (tmp_path / "threshold.yaml").read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA}\n")
    assert (tmp_path / SCHEMA).is_file()
    assert commands.abl(tmp_path, "plan", "threshold.yaml").exit_code == 0
    (tmp_path / "threshold.yaml").write_text("mine")
    again = commands.abl(tmp_path, "new", "threshold.yaml")
    assert again.exit_code == 2
    assert (tmp_path / "threshold.yaml").read_text() == "mine"
    assert commands.abl(tmp_path, "new", "threshold", "--force").exit_code == 0
    assert (tmp_path / "threshold.yaml").read_text(encoding="utf-8") == text


def test_the_folder_of_a_new_sweep_is_made(tmp_path: Path) -> None:
    done = commands.abl(tmp_path, "new", "threshold", "--out", "studies/first/")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "studies" / "first" / "threshold.yaml").is_file()
    assert "next: abl plan studies/first/threshold.yaml" in done.stdout
    (tmp_path / "file").write_text("")
    wrong = commands.abl(tmp_path, "new", "threshold", "--out", "file")
    assert wrong.exit_code == 2
    assert "--out file: is no folder" in wrong.output
    inside = commands.abl(tmp_path, "new", "threshold", "--out", "file/below")
    assert inside.exit_code == 2
    assert len(inside.output.splitlines()) == 1


def test_a_sweep_of_a_folder_comes_with_its_schema_and_its_published_values(tmp_path: Path) -> None:
    assert commands.abl(tmp_path, "new", "papers/ensembles_readers").exit_code == 0
    names = {path.name for path in tmp_path.iterdir()}
    tables = {"ensembles_readers.csv", "reader_study.csv"}
    assert names == {"ensembles_readers.yaml", SCHEMA, *tables}
    head = (tmp_path / "ensembles_readers.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert head.endswith(f"$schema={SCHEMA}")
    unknown = commands.abl(tmp_path, "new", "treshold")
    assert unknown.exit_code == 2
    assert "did you mean 'threshold'?" in unknown.output


def test_the_wheel_holds_the_sweeps(tmp_path: Path) -> None:
    build = pytest.importorskip("hatchling.builders.wheel")
    root = Path(__file__).parents[1]
    (made,) = build.WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(made).namelist())
    assert {f"abl/sweeps/{name}.yaml" for name in shipped_sweeps()} <= names
    assert {"abl/py.typed", f"abl/sweeps/{SCHEMA}"} <= names
    text = zipfile.ZipFile(made).read("abl/sweeps/threshold.yaml").decode()
    assert yaml.safe_load(text)["name"] == "threshold"
