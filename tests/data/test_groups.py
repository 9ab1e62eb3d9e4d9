"""Column `group`: images that stay together in splits, and are no patients."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import noise_image, write_set
from typer.testing import CliRunner

from abl.cli.every import app
from abl.data.load import load_dataset
from abl.data.manifest import load_manifest
from abl.data.splits.groups import kept_together, united
from abl.data.splits.splits import fold_count, inner_folds, split_of
from abl.data.views import view_key
from abl.errors import InputError
from abl.spec.data import Data, Image
from abl.spec.splits import Splits


def grouped_set(folder: Path, groups: list[str], **columns: list[str]) -> Path:
    images = [noise_image(seed) for seed in range(len(groups))]
    return write_set(folder, images, {"group": groups} | columns)


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["", "x", "y", "z"])), min_size=1)
)
def test_what_is_kept_together_is_the_finest_that_cuts_nothing(rows: list[tuple[str, str]]) -> None:
    units, groups = (list(each) for each in zip(*rows, strict=True))
    names = united(units, groups)
    # by repeated merging, an independent way to connected components
    parts = [{at} for at in range(len(rows))]
    merged = True
    while merged:
        merged = False
        for one in parts:
            for other in parts:
                if one is not other and any(
                    units[a] == units[b] or (groups[a] and groups[a] == groups[b])
                    for a in one
                    for b in other
                ):
                    one |= other
                    parts.remove(other)
                    merged = True
                    break
            if merged:
                break
    for part in parts:
        assert len({names[at] for at in part}) == 1
    assert len(set(names)) == len(parts)
    for at in range(len(rows)):
        if not any(groups[other] for other in np.flatnonzero(names == names[at])):
            assert names[at] == units[at]  # draws by name stay what they were


SPLITS = [
    Splits(kind="holdout"),
    Splits(kind="kfold", folds=3),
    Splits(kind="monte_carlo", test=0.4),
    Splits(kind="kfold", folds=3, draw=1),
    Splits(kind="holdout", by="image"),
    Splits(kind="holdout", by="nodule"),
]


@pytest.mark.parametrize("splits", SPLITS)
@pytest.mark.parametrize("known", [True, False])
def test_no_group_lies_on_two_sides(tmp_path: Path, splits: Splits, known: bool) -> None:
    draw = np.random.default_rng(0)
    groups = [f"g{draw.integers(0, 30)}" if draw.random() < 0.5 else "" for _ in range(80)]
    manifest = grouped_set(tmp_path, groups)
    if not known:
        table = pd.read_csv(manifest, keep_default_na=False).drop(columns="patient")
        table.to_csv(manifest, index=False)
    frame = load_manifest(manifest).frame
    for repeat in range(3):
        for fold in range(fold_count(splits)):
            split = split_of(frame, splits, repeat, fold)
            sides = [set(frame["group"].iloc[rows]) - {""} for _, rows in split.items()]
            assert sum(map(len, sides)) == len(set().union(*sides))
            if splits.by == "patient":  # a patient in two groups joins them
                patients = [set(frame["patient"].iloc[rows]) for _, rows in split.items()]
                assert not patients[0] & patients[2]
            inner = inner_folds(frame, split.train, splits, 2)
            inside = pd.DataFrame({"group": frame["group"].iloc[split.train], "fold": inner})
            several = inside[inside["group"] != ""].groupby("group")["fold"].nunique()
            assert (several == 1).all()


def test_a_column_without_a_value_changes_nothing(tmp_path: Path) -> None:
    plain = load_manifest(write_set(tmp_path / "a", [noise_image(seed) for seed in range(40)]))
    empty = load_manifest(grouped_set(tmp_path / "b", ["", "NA", "-", "nan"] * 10))
    assert empty.notes == plain.notes
    assert (empty.clusters, plain.clusters) == ("patient", "patient")
    assert view_key(empty, 64, Image()) == view_key(plain, 64, Image())
    for name in ("train", "test"):
        one, other = (split_of(each.frame, Splits(), 0, 0) for each in (plain, empty))
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_what_groups_join_is_said_and_they_are_called_no_patients(tmp_path: Path) -> None:
    # two images a patient: p1 has one of each group
    manifest = grouped_set(tmp_path, ["a", "", "a", "b", "", "b", "", ""])
    dataset = load_manifest(manifest)
    (note,) = dataset.notes
    assert note.startswith("2 groups of 4 images (column group) are kept on one side of every")
    assert "they are not patients. 1 patient lies in several groups, which are kept" in note
    assert dataset.clusters == "group"
    together = kept_together(dataset.frame)
    assert together.tolist() == ["group a"] * 6 + ["p3"] * 2
    assert dataset.frame["patient"].tolist() == ["p0", "p0", "p1", "p1", "p2", "p2", "p3", "p3"]


def test_another_name_of_the_column_is_taken(tmp_path: Path) -> None:
    manifest = grouped_set(tmp_path, ["a", "", "a", ""] * 2)
    manifest.write_text(manifest.read_text().replace("group", "cluster"))
    data = Data(manifest=manifest.name, columns={"group": "cluster"})
    assert load_dataset(data, base=tmp_path).clusters == "group"
    assert load_dataset(Data(manifest=manifest.name), base=tmp_path).clusters == "patient"


def test_a_split_column_that_cuts_a_group_is_told(tmp_path: Path) -> None:
    parts = ["train", "train", "test", "test"] * 4
    manifest = grouped_set(tmp_path, ["", "a", "a", ""] + [""] * 12, split=parts)
    frame = load_manifest(manifest).frame
    with pytest.raises(InputError, match=r"puts group 'a' on two sides \(images/0.png in train"):
        split_of(frame, Splits(kind="column"), 0, 0)


def test_groups_enter_the_key_of_a_view(tmp_path: Path) -> None:
    one = load_manifest(grouped_set(tmp_path / "a", ["a", "", "a", ""] * 2))
    other = load_manifest(grouped_set(tmp_path / "b", ["a", "a", "", ""] * 2))
    assert view_key(one, 64, Image()) != view_key(other, 64, Image())


SWEEP = """
name: grouped
study: frozen
data: {manifest: manifest.csv, duplicates: ignore}
image: {size: 16, channels: 1, normalize: half}
splits: {kind: kfold, folds: 3}
train: {network: pooled3, epochs: 1, last_k: 1, batch_size: 16}
axes: {train.optimizer.lr: [1e-3, 1e-4]}
base: {train.optimizer.lr: 1e-3}
metrics: [acc]
primary: acc
resamples: 200
"""


@pytest.mark.parametrize("known", [True, False])
def test_table_and_plan_say_what_is_resampled(
    tmp_path: Path, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiny_sweeps  # noqa: F401 - registers the network
    from abl import api

    monkeypatch.setattr("abl.report.figures.every.figures_of", lambda *args, **kwargs: {})
    manifest = grouped_set(tmp_path, (["a", "", "b", "", "a", "", "c", "c"] + [""] * 8) * 3)
    if not known:
        table = pd.read_csv(manifest, keep_default_na=False).drop(columns="patient")
        table.to_csv(manifest, index=False)
    (tmp_path / "s.yaml").write_text(SWEEP, encoding="utf-8")
    loaded = api.load(tmp_path / "s.yaml", root=tmp_path / "runs")
    assert any("test groups" in note for note in loaded.plan.notes)
    result = api.run(loaded, executor="local", record=False)
    said = api.table(result, width=400)
    assert "by group ×" in said
    assert "groups in all" in said
    assert "interval by groups" in said
    assert "patients in all" not in said
    assert "3 groups of 15 images (column group)" in said
    unknown = "names no patients: each image without a group counts as its own patient"
    assert (unknown in said) is not known
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert ("Patients are unknown: each image without a group counts" in page) is not known
    assert "Images of a group (column group) were kept on one side" in page
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "folds, by group, classes spread as evenly as whole groups allow" in text
    assert "95 % intervals over groups" in text
    flow = text.split("Flow of images and patients")[1].split("Parts of the splits")[0]
    assert flow.split()[:2] == ["images", "groups"]  # no number of patients, who are not counted
    assert not re.search(r"\d patients|over patients|by patient", text)
    rows = pd.read_parquet(result.folder / "predictions.parquet")
    assert set(rows["patient"]) >= {"group a", "group b", "group c"}


def run(*words: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, [str(word) for word in words])
    return found.exit_code, found.output


def write_copies(folder: Path) -> Path:
    """24 scenes of no known patient, with copies: of one class, of both, of a copy."""
    from test_duplicates import compressed, scene

    scenes = [np.asarray(scene(seed)) for seed in range(24)]
    scenes += [np.asarray(compressed(scene(at))) for at in (0, 1, 1)]
    labels = [at % 2 for at in range(24)] + [0, 0, 1]
    path = write_set(folder, scenes, {"label": labels, "note": ["007"] * 27})
    table = pd.read_csv(path, dtype=str).drop(columns="patient")
    table.to_csv(path, index=False)
    return path


def test_near_duplicates_become_groups_contradicting_labels_first(tmp_path: Path) -> None:
    path = write_copies(tmp_path)
    code, said = run("data", "group", path, "--out", tmp_path / "grouped.csv")
    assert code == 0
    assert "2 groups of 5 of 27 images, from 4 near-duplicate pairs between images" in said
    lines = said.splitlines()
    first, second = (next(n for n, each in enumerate(lines) if g in each) for g in ("g1:", "g2:"))
    assert "group g1: 3 images (1 benign, 2 malignant): LABELS CONTRADICT" in lines[first]
    assert "group g2: 2 images (2 benign)" in lines[second]
    assert first < second
    bits = [int(each.split()[-2]) for each in lines[first + 1 : second]]
    assert bits == sorted(bits)
    assert "patients stay unknown" in said
    table = pd.read_csv(tmp_path / "grouped.csv", dtype=str, keep_default_na=False)
    assert table["note"].tolist() == ["007"] * 27  # as it was written
    found = {name: np.flatnonzero(table["group"] == name).tolist() for name in ("g1", "g2")}
    assert found == {"g1": [1, 25, 26], "g2": [0, 24]}
    from PIL import Image as Picture

    with Picture.open(tmp_path / "grouped_groups.png") as sheet:
        assert sheet.size[0] > 500
    dataset = load_manifest(tmp_path / "grouped.csv")
    assert not dataset.patients_known
    again, said = run("data", "group", tmp_path / "grouped.csv", "--out", tmp_path / "two.csv")
    assert again == 0
    assert (tmp_path / "two.csv").read_text() == (tmp_path / "grouped.csv").read_text()


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path, out = write_copies(tmp_path), tmp_path / "grouped.csv"
    (tmp_path / "elsewhere").mkdir()
    for words, why in (
        (("--out", path), "is read too"),
        (("--out", path, "--force"), "is read too"),
        (("--out", tmp_path / "images/0.png", "--force"), "name it .csv or .parquet"),
        (("--out", out, "--sheet", tmp_path / "images/0.png", "--force"), "is read too"),
        (("--out", tmp_path / "elsewhere/g.csv"), "relative to its folder"),
        (("--out", tmp_path / "none/g.csv"), "no folder"),
    ):
        before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        code, said = run("data", "group", path, *words)
        assert (code, len(said.splitlines())) == (2, 1)
        assert why in said
        after = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        assert after == before
    assert run("data", "group", path, "--out", out)[0] == 0
    code, said = run("data", "group", path, "--out", out)
    assert code == 2
    assert "is there already: give another name, or --force" in said
    assert run("data", "group", path, "--out", out, "--force")[0] == 0


def test_pairs_within_a_patient_make_no_group(tmp_path: Path) -> None:
    from test_duplicates import compressed, scene

    scenes = [np.asarray(scene(seed // 2)) for seed in range(12)]
    scenes[11] = np.asarray(compressed(scene(0)))
    path = write_set(tmp_path, scenes)
    code, said = run("data", "group", path, "--out", tmp_path / "g.csv")
    assert code == 0
    # images 0 and 1 are one patient's, 11 is another's: both pairs are of two patients
    assert "1 group of 3 of 12 images, from 2 near-duplicate pairs between patients" in said


def test_a_set_without_copies_gets_an_empty_column(tmp_path: Path) -> None:
    path = write_set(tmp_path, [noise_image(seed) for seed in range(8)])
    code, said = run("data", "group", path, "--out", tmp_path / "g.parquet")
    assert code == 0
    assert "no near-duplicates between patients" in said
    assert pd.read_parquet(tmp_path / "g.parquet")["group"].tolist() == [""] * 8
    assert not list(tmp_path.glob("*.png"))


def test_groups_end_the_warning_of_copies(tmp_path: Path) -> None:
    path = write_copies(tmp_path)
    before = run("data", "check", path)[1]
    assert "warning: 4 near-duplicate pairs between images may fall on two sides" in before
    run("data", "group", path, "--out", tmp_path / "grouped.csv")
    after = run("data", "check", tmp_path / "grouped.csv")[1]
    assert "near-duplicates: 4 pairs, 0 between groups" in after
    assert "may fall on two sides" not in after


def test_a_patient_column_that_repeats_the_image_names_no_patients(tmp_path: Path) -> None:
    images = [noise_image(seed) for seed in range(8)]
    names = [f"images/{number}.png" for number in range(8)]
    dataset = load_manifest(write_set(tmp_path, images, {"patient": names}))
    assert not dataset.patients_known
    (note,) = dataset.notes
    assert "repeats the name of the image: each image counts as its own patient" in note
