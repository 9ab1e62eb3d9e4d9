"""Every sweep file that is shipped is found, read, and matches the schema that editors use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import abl
from abl.app.watching import full_reference, full_schema

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
DATA = SHARED / "data"
SHIPPED = sorted((ROOT / "sweeps").rglob("*.y*ml"))


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_are_shipped_sweeps() -> None:
    assert ROOT / "sweeps/threshold.yaml" in SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=ids)
def test_a_shipped_sweep_is_read_and_planned(path: Path, tmp_path: Path) -> None:
    roots = [DATA, SHARED] if DATA.is_dir() else []
    loaded = abl.load(path, data=roots, root=tmp_path / "mlruns")
    data = loaded.file.sweep.data
    needs_set = data.set is not None and not (DATA / data.set / "manifest.csv").is_file()
    if needs_set or (data.manifest and not (path.parent / data.manifest).exists()):
        pytest.skip("its data is not here")
    plan = loaded.plan
    trainings = sum(stage.kind == "train" for stage in plan.stages.values())
    assert plan.arms
    assert 0 < trainings <= plan.asked
    # tuned arms have no cells until their search has ended
    arms = len(plan.arms) // (2 if loaded.file.sweep.search else 1)
    assert len(plan.cells) == arms * len(plan.replicates)


@pytest.mark.parametrize("path", SHIPPED, ids=ids)
def test_a_shipped_sweep_names_the_schema_and_matches_it(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    text = path.read_text(encoding="utf-8")
    head = text.splitlines()[0]
    assert head.startswith("# yaml-language-server: $schema=")
    schema = json.loads((path.parent / head.partition("$schema=")[2]).read_text(encoding="utf-8"))
    from abl.spec.yaml_file import read_with_faults

    jsonschema.Draft202012Validator(schema).validate(read_with_faults(path).values)
    # an editor reads YAML 1.1 or 1.2; no shipped file depends on which
    assert yaml.safe_load(text).keys() == read_with_faults(path).values.keys()


def test_the_schema_that_is_shipped_is_the_one_that_is_made() -> None:
    assert (ROOT / "sweeps/sweep.schema.json").read_text(encoding="utf-8") == full_schema()


def test_the_page_of_the_sweep_file_is_up_to_date():
    assert (ROOT / "docs/sweep-file.md").read_text(encoding="utf-8") == full_reference()


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(json.loads(full_schema()))
    good = {"name": "a", "study": "two_step", "data": {"phantom": {}}, "axes": {"rule": ["true"]}}
    assert check.is_valid(good)
    for change in (
        {"study": "two_steps"},
        {"metrics": ["acc", "f3"]},
        {"train": {"epohcs": 3}},
        {"train": {"epochs": 0}},
        {"options": {"panle": []}},
        {"axes": {"threshold": {"form": 0}}},
        {"nam": "b"},
    ):
        assert not check.is_valid(good | change), change
