"""`abl splits`: the folds of a sweep as a file, on which others train for `abl import`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import abl
from abl.cli.every import app
from abl.data.splits.splits import split_of
from abl.plan.outcome import Outcome
from made_arms import THREE, keep, made_outcome

SWEEP = """
name: folds
study: two_step
data: {phantom: {patients: 40, size: 32}}
image: {size: 32}
axes: {rule: [original, average], consensus: [1]}
base: {rule: original}
splits: {kind: kfold, folds: 3}
replicates: {repeats: 2, seeds: [0, 1]}
train: {network: cnn1, epochs: 1, last_k: 1}
metrics: [acc]
primary: acc
resamples: 200
"""


def written(folder: Path, text: str = SWEEP) -> Path:
    path = folder / "s.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def run(*words: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, [str(word) for word in words])
    return found.exit_code, found.output


@pytest.mark.parametrize("name", ["folds.csv", "folds.parquet"])
def test_it_writes_what_the_sweep_trains_on(tmp_path: Path, name: str) -> None:
    path, out = written(tmp_path), tmp_path / name
    code, said = run("splits", path, "--out", out, "--mlruns", tmp_path / "mlruns")
    assert (code, said.split(" written")[0].split(" of ")[0]) == (0, "6 splits")
    frame = pd.read_csv(out) if name.endswith("csv") else pd.read_parquet(out)
    assert list(frame.columns) == ["repeat", "fold", "role", "image", "patient", "label"]
    loaded = abl.load(path, root=tmp_path / "mlruns")
    data = loaded.workspace.data(loaded.file.sweep.data).dataset.frame
    for (repeat, fold), rows in frame.groupby(["repeat", "fold"]):
        split = split_of(data, loaded.file.sweep.splits, int(repeat), int(fold))
        for role, positions in split.items():
            ours = data.iloc[positions].set_index("image")[["patient", "label"]]
            theirs = rows[rows["role"] == role].set_index("image")[["patient", "label"]]
            pd.testing.assert_frame_equal(theirs.sort_index(), ours.sort_index(), check_dtype=False)
    tested = frame[frame["role"] == "test"]
    assert (tested.groupby("image").size() == 2).all()  # once in each repeat
    assert not (tmp_path / "mlruns" / "store" / "done").exists()


def test_several_ways_to_divide_are_refused(tmp_path: Path) -> None:
    text = SWEEP.replace("consensus: [1]", "consensus: [1], splits.seed: [0, 1]")
    code, said = run("splits", written(tmp_path, text), "--out", tmp_path / "f.csv")
    assert code == 2
    assert "arms divide the images in 2 ways, as an axis changes data or splits" in said
    assert not (tmp_path / "f.csv").exists()


@pytest.mark.parametrize(
    ("out", "said"), [("f.txt", "name it .csv or .parquet"), ("no/f.csv", "no folder")]
)
def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path, out: str, said: str) -> None:
    code, told = run("splits", written(tmp_path), "--out", tmp_path / out)
    assert code == 2
    assert said in told
    assert len(told.splitlines()) == 1


@pytest.fixture
def with_manifest(tmp_path: Path) -> Path:
    """A sweep `s.csv` (any name is one) of a manifest beside it, whose images are in files."""
    from abl.data.phantom import write_phantom
    from abl.spec.data import Phantom

    write_phantom(Phantom(patients=12, size=32), tmp_path / "set")
    text = SWEEP.replace("phantom: {patients: 40, size: 32}", "manifest: set/manifest.csv")
    path = tmp_path / "s.csv"
    path.write_text(text.replace("folds: 3", "folds: 2"), encoding="utf-8")
    return path


def test_what_is_read_is_never_overwritten(with_manifest: Path) -> None:
    folder = with_manifest.parent
    manifest, linked = folder / "set" / "manifest.csv", folder / "link.csv"
    linked.symlink_to(manifest)
    truth = folder / "set" / "notes.csv"
    truth.write_text("a,b\n1,2\n", encoding="utf-8")
    for out, why in (
        (manifest, "is read too"),
        (folder / "set" / ".." / "set" / "manifest.csv", "is read too"),
        (linked, "is read too"),
        (with_manifest, "is read too"),
        (truth, "is a file of the data set"),
    ):
        before = out.read_bytes()
        code, said = run("splits", with_manifest, "--out", out, "--mlruns", folder / "mlruns")
        assert code == 2
        assert f"--out {out}: {why}, and would be overwritten: give another name" in said
        assert len(said.splitlines()) == 1
        assert out.read_bytes() == before


def test_its_own_file_is_written_anew(with_manifest: Path) -> None:
    out = with_manifest.parent / "set" / "folds.csv"
    for _ in range(2):
        code, _ = run("splits", with_manifest, "--out", out, "--mlruns", out.parents[1] / "mlruns")
        assert code == 0


def run_before(tests: pd.DataFrame) -> tuple[Outcome, pd.DataFrame]:
    """What a run of the sweep would have kept: three arms on the tests of its splits."""
    draw, parts = np.random.default_rng(0), []
    for arm in THREE:
        p = np.clip(0.5 + (tests["label"] - 0.5) * draw.normal(0.3, 0.5, len(tests)), 0.01, 0.99)
        part = tests.rename(columns={"image": "unit"}).assign(arm=arm, seed=0, sent=False)
        parts.append(part.assign(p_0=1 - p, p_1=p))
    frame = pd.concat(parts, ignore_index=True)
    return made_outcome(frame, THREE, name="folds", base=next(iter(THREE))), frame


def test_the_file_with_probabilities_is_imported_as_out_of_fold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # figures and report have tests of their own, and take seconds
    monkeypatch.setattr("abl.report.figures.every.figures_of", lambda *args, **kwargs: {})
    monkeypatch.setattr("abl.report.page.html_report.report_page", lambda *args, **kwargs: "")
    from abl.app.importing import import_arm

    path, root = written(tmp_path), tmp_path / "runs"
    run("splits", path, "--out", tmp_path / "folds.csv", "--mlruns", root)
    folds = pd.read_csv(tmp_path / "folds.csv")
    folds = folds[folds["repeat"] == 0]
    store = keep(root / "store", *run_before(folds[folds["role"] == "test"]))
    p = np.where(folds["label"] == 1, 0.9, 0.1)
    theirs = folds.assign(p_0=1 - p, p_1=p)
    theirs.to_csv(tmp_path / "theirs.csv", index=False)
    found = import_arm(store, "folds", tmp_path / "theirs.csv", "theirs")
    row = found.arms[-1]
    assert row.best
    assert row.cells["acc"].mean == 1
    theirs.assign(fold=(theirs["fold"] + 1) % 3).to_csv(tmp_path / "wrong.csv", index=False)
    code, said = run(
        "import", tmp_path / "wrong.csv", "--as", "w", "--into", "folds", "--mlruns", root
    )
    assert code == 2
    assert "in the sweep it is a test of repeat" in said
    once = theirs[theirs["role"] == "test"].drop(columns=["repeat", "fold", "role"])
    once.drop_duplicates("image").to_csv(tmp_path / "pooled.csv", index=False)
    found = import_arm(store, "folds", tmp_path / "pooled.csv", "unsaid")
    row = found.arms[-1]
    assert not row.best
    assert row.comparison is not None
    assert row.comparison.verdict == "no verdict: not out of fold"
