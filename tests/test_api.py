"""The Python API in a few lines."""

from __future__ import annotations

from pathlib import Path

import pytest

import abl
from abl.errors import InputError
from tiny_sweeps import Heard, write_sweep


def test_the_names_of_the_package() -> None:
    for name in abl.__all__:
        assert callable(getattr(abl, name))
    with pytest.raises(AttributeError, match="no attribute 'sweep'"):
        abl.sweep  # noqa: B018


def test_load_plan_run_table(tiny_sweep: Path) -> None:
    root = tiny_sweep.parent / "mlruns"
    sweep = abl.load(tiny_sweep, root=root)
    assert len(sweep.plan.arms) == 2
    assert not root.exists()
    heard = Heard()
    result = abl.run(sweep, executor="local", record=False, listener=heard)
    assert sorted(heard.finished_labels) == sorted(s.label for s in sweep.plan.stages.values())
    for format in ("text", "md", "csv", "latex", "html"):
        shown = abl.table(result, format=format)
        assert "model1" in shown
        assert abl.table("tiny", format=format, root=root) == shown
        assert abl.table(result.outcome, format=format) == shown
    assert (result.folder / "table.md").read_text() == abl.table(result, format="md")
    assert (result.folder / "sweep.yaml").read_text() == tiny_sweep.read_text()
    assert not (root / "mlflow.db").exists()


def test_a_path_is_loaded_and_run(tiny_sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_sweep.parent)
    result = abl.run("tiny.yaml", executor="local", record=False)
    assert abl.table("tiny") == abl.table(result)
    with pytest.raises(InputError, match=r"none\.yaml"):
        abl.run(Path("none.yaml"), executor="local", record=False)


def test_an_unknown_executor_is_told_before_anything_is_made(tiny_sweep: Path) -> None:
    root = tiny_sweep.parent / "mlruns"
    with pytest.raises(InputError, match="executor 'locl': did you mean 'local'"):
        abl.run(abl.load(tiny_sweep, root=root), executor="locl", record=False)  # type: ignore[arg-type]
    assert not root.exists()


def test_a_root_that_is_a_file_is_told(tiny_sweep: Path) -> None:
    with pytest.raises(InputError, match="not a folder that can be used"):
        abl.load(tiny_sweep, root=tiny_sweep)


def test_smoke_is_another_sweep(tiny_sweep: Path) -> None:
    sweep = abl.load(tiny_sweep, root=tiny_sweep.parent / "mlruns", smoke=True)
    assert sweep.name == "tiny-smoke"
    assert sweep.file.sweep.train.epochs == 2


def test_a_table_that_is_not_there_names_those_that_are(tiny_sweep: Path) -> None:
    root = tiny_sweep.parent / "mlruns"
    with pytest.raises(InputError, match="run `abl sweep FILE` first"):
        abl.table("tiny", root=root)
    abl.run(abl.load(tiny_sweep, root=root), executor="local", record=False)
    with pytest.raises(InputError, match="did you mean 'tiny'"):
        abl.table("tinny", root=root)


def test_near_duplicates_across_a_split_are_refused_or_reported(tiny_folder: Path) -> None:
    import shutil

    images = tiny_folder / "images"
    rows = (images / "manifest.csv").read_text().splitlines()
    for number in range(12):
        patient = f"copy{number:02d}"
        shutil.copy(images / "png" / f"{number:03d}a.png", images / "png" / f"{patient}.png")
        label = ["benign", "malignant"][number % 2]
        rows.append(f"png/{patient}.png,{label},{patient},n1")
    (images / "manifest.csv").write_text("\n".join(rows) + "\n")
    root = tiny_folder / "mlruns"
    refused = write_sweep(tiny_folder, {"data.duplicates": "refuse"}, file="refused.yaml")
    with pytest.raises(InputError, match="are near-duplicates"):
        abl.run(abl.load(refused, root=root), executor="local", record=False)
    assert not (root / "store" / "done").exists()
    reported = write_sweep(tiny_folder, {"data.duplicates": "report"}, file="reported.yaml")
    result = abl.run(abl.load(reported, root=root), executor="local", record=False)
    assert any("near-duplicate" in note for note in result.outcome.notes)


def test_images_that_cannot_be_read_stop_the_run_before_any_training(tiny_folder: Path) -> None:
    first = sorted((tiny_folder / "images/png").iterdir())[0]
    first.write_bytes(b"no image")
    sweep = abl.load(write_sweep(tiny_folder), root=tiny_folder / "mlruns")
    with pytest.raises(InputError, match=first.name):
        abl.run(sweep, executor="local", record=False)
    assert sweep.store.digests() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": {"manifest": "none.csv"}}, "there is no 'none.csv'"),
        ({"data": {"manifest": "../other/manifest.csv"}}, "there is no"),
        ({"data": {"manifest": "x" * 400}}, "there is no"),
        ({"data": {"set": "unknown"}}, "--data"),
        ({"data": {"set": "x" * 400}}, "--data"),
        ({"train.weights": "x" * 400}, "no file"),
        ({"splits": {"kind": "column"}}, "splits.column"),
        ({"train.weights": "weights.safetensors"}, "no file 'weights.safetensors'"),
        ({"data.where": {"nodule": ["n9"]}}, "n9"),
        ({"image.crop": {"to": "box"}}, "box"),
    ],
)
def test_faults_that_only_data_shows_are_input_errors(
    tiny_folder: Path, changes: dict, words: str
) -> None:
    sweep = abl.load(write_sweep(tiny_folder, changes), root=tiny_folder / "mlruns")
    with pytest.raises(InputError) as caught:
        abl.run(sweep, executor="local", record=False)
    assert words in str(caught.value)
    assert sweep.store.digests() == []
