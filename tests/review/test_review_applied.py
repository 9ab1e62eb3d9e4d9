"""Answers of readers, checked and brought into a corrected set beside the old one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from reviewed_sweep import WRONG, filled, ran, sheet_of, write_reviewed

from abl import api
from commands import abl

OTHER = {"benign": "malignant", "malignant": "benign"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviewed")
    write_reviewed(folder)
    ran(folder)
    assert abl(folder, "review", "tiny").exit_code == 0
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A finished sweep with its page, of its own."""
    shutil.copytree(finished, tmp_path / "own")
    return tmp_path / "own"


def label_of(folder: Path, image: str) -> str:
    sheet = sheet_of(folder).set_index("image")
    return str(sheet["label"][image])


def right(folder: Path) -> dict[str, tuple[str, str]]:
    """The wrong labels corrected, one image dropped and one kept."""
    decided = {image: ("relabel", OTHER[label_of(folder, image)]) for image in WRONG}
    return decided | {"png/010a.png": ("drop", ""), "png/011a.png": ("keep", "")}


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False).set_index("image")


def test_a_correction_is_a_new_manifest_and_an_arm_beside_the_old(folder: Path) -> None:
    before = (folder / "images/manifest.csv").read_bytes()
    path = filled(folder, "AB.csv", right(folder))
    said = abl(folder, "review", "tiny", "--apply", str(path), "--out", "new")
    assert said.exit_code == 0, said.output
    assert "4 images of 48 decided: 1 keep, 2 relabel, 1 drop." in said.output
    assert "Test labels and splits stay as they were" in said.output
    assert (folder / "images/manifest.csv").read_bytes() == before
    old, new = read(folder / "images/manifest.csv"), read(folder / "new/corrected.csv")
    assert new[old.columns].equals(old)  # every row, and test labels as they were
    assert [*new.columns[len(old.columns) :]] == [
        "train_label", "label_before", "review_decision", "reviewer",
    ]  # fmt: skip
    for image in WRONG:
        row = new.loc[image]
        assert row["train_label"] == OTHER[row["label"]]
        assert (row["label_before"], row["review_decision"]) == (row["label"], "relabel")
        assert row["reviewer"] == "AB"
    assert new["train_label"]["png/010a.png"] == "drop"
    assert (new["train_label"] != "").sum() == 3
    assert (new["review_decision"] != "").sum() == 4

    sweep = yaml.safe_load((folder / "new/sweep.yaml").read_text("utf-8"))
    assert sweep["name"] == "tiny-reviewed"
    manifests = sweep["axes"]["data.manifest"]
    assert manifests == ["images/manifest.csv", "corrected.csv"]
    assert sweep["base"] == {"data.manifest": "images/manifest.csv"}

    # the old arms' trainings are those that are there
    words = ["new/sweep.yaml", "--data", str(folder)]
    plan = abl(folder, "plan", *words)
    assert plan.exit_code == 0, plan.output
    assert "in the store 12, to compute 12" in plan.output

    table = ran(folder, *words)
    assert table.count("corrected.csv") >= 2
    assert "2 images have another label in training parts" in table
    assert "1 image is in no training part, and is tested as before" in table
    kept = json.loads(
        next((folder / "mlruns/store/sweeps/tiny-reviewed").glob("*/outcome.json")).read_text(
            "utf-8"
        )
    )
    verdicts = [arm["comparison"] for arm in kept["arms"] if arm["comparison"]]
    assert len(verdicts) == 2  # corrected against old, for each network


def test_splits_and_test_labels_are_the_same_in_both_sets(folder: Path) -> None:
    path = filled(folder, "AB.csv", right(folder))
    abl(folder, "review", "tiny", "--apply", str(path), "--out", "new")
    ran(folder, "new/sweep.yaml", "--data", str(folder))
    (predictions,) = (folder / "mlruns/store/sweeps/tiny-reviewed").glob("*/predictions.parquet")
    rows = pd.read_parquet(predictions)
    tests = rows[rows["role"] == "test"]
    of_arm = [
        set(part[["repeat", "fold", "unit", "label"]].itertuples(index=False, name=None))
        for _, part in tests.groupby("arm", observed=True)
    ]
    assert len(of_arm) == 4
    assert all(each == of_arm[0] for each in of_arm)


def test_test_labels_are_corrected_if_that_is_asked_and_then_it_is_said(folder: Path) -> None:
    path = filled(folder, "AB.csv", right(folder))
    words = ["--apply", str(path), "--out", "new", "--test-labels"]
    said = abl(folder, "review", "tiny", *words)
    assert "Test labels are corrected too" in said.output
    old, new, held = (
        read(folder / name)
        for name in ("images/manifest.csv", "new/corrected.csv", "new/before.csv")
    )
    assert "png/010a.png" not in new.index
    assert list(held.index) == list(new.index)
    assert (held["label"] == new["label"]).all()
    for image in WRONG:
        assert new["label"][image] == OTHER[old["label"][image]]
        assert new["label_before"][image] == old["label"][image]
        assert held["train_label"][image] == old["label"][image]
    assert "train_label" not in new
    table = ran(folder, "new/sweep.yaml", "--data", str(folder))
    assert "labels that a review changed" in table or "label that a review changed" in table
    (report,) = (folder / "mlruns/store/sweeps/tiny-reviewed").glob("*/report.html")
    assert "in test sets too" in report.read_text("utf-8")


def test_two_readers_agree_or_not_and_what_then_holds(folder: Path) -> None:
    first = right(folder)
    second = first | {WRONG[0]: ("keep", ""), "png/011a.png": ("unsure", "")}
    one, other = filled(folder, "a.csv", first), filled(folder, "c.csv", second, reader="CD")
    words = ["--apply", str(one), "--apply", str(other)]
    said = abl(folder, "review", "tiny", *words, "--out", "unsure").output
    assert "AB and CD: agree on 2 of 4 images; Cohen's kappa" in said
    assert "no interval under 10" in said  # four images say nothing of chance
    assert "2 images on which readers disagree: unsure" in said
    assert f"{WRONG[0]}: AB relabel: {first[WRONG[0]][1]}, CD keep" in said
    table = pd.read_csv(folder / "unsure/disagreements.csv")
    assert sorted(set(table["image"])) == sorted([WRONG[0], "png/011a.png"])
    assert len(table) == 4
    new = read(folder / "unsure/corrected.csv")
    assert (new["train_label"][WRONG[0]], new["review_decision"][WRONG[0]]) == ("", "unsure")
    assert new["train_label"][WRONG[1]] != ""
    assert new["reviewer"][WRONG[1]] == "AB, CD"
    for resolve, label in (("first", first[WRONG[0]][1]), ("keep", "")):
        abl(folder, "review", "tiny", *words, "--out", resolve, "--resolve", resolve)
        assert read(folder / resolve / "corrected.csv")["train_label"][WRONG[0]] == label


def test_every_fault_of_a_sheet_is_told_at_once_with_its_row(folder: Path) -> None:
    def broken(sheet: pd.DataFrame) -> pd.DataFrame:
        sheet = sheet.sort_values("image", ignore_index=True)
        sheet["reader"] = "AB"
        sheet.loc[0, "image"] = "png/none.png"
        sheet.loc[1, "decision"] = "kep"
        sheet.loc[2, "decision"] = "relabel"
        sheet.loc[3, ["decision", "new_label"]] = ["relabel", "malignent"]
        sheet.loc[4, ["decision", "new_label"]] = ["keep", "benign"]
        sheet.loc[5, ["decision", "new_label"]] = ["relabel", sheet["label"][5]]
        sheet.loc[6, ["decision", "cause"]] = ["keep", "imgae quality"]
        sheet.loc[7, "decision"] = "keep"
        return pd.concat([sheet, sheet.iloc[[7]]])

    path = filled(folder, "AB.csv", {}, edit=broken)
    said = abl(folder, "review", "tiny", "--apply", str(path), "--out", "new")
    assert said.exit_code == 2
    lines = said.output.strip().splitlines()
    told = [
        (2, "image 'png/none.png' is unknown"),
        (3, "decision 'kep': did you mean 'keep'?"),
        (4, "relabel without a new_label"),
        (5, "did you mean 'malignant'"),
        (6, "new_label 'benign' beside 'keep'"),
        (7, "is its label: write keep"),
        (8, "did you mean 'image quality'?"),
        (50, "reader 'AB' decided on image"),
    ]
    assert len(lines) == len(told)
    for line, (row, words) in zip(lines, told, strict=True):
        assert line.startswith(f"abl: {path}:{row}: "), line
        assert words in line
    assert not (folder / "new").exists()


def test_rows_of_another_sweep_are_told_beside_every_other_fault(folder: Path) -> None:
    def broken(sheet: pd.DataFrame) -> pd.DataFrame:
        sheet.loc[0, "decision"] = "kep"
        sheet.loc[1, "sweep"] = "other"
        sheet.loc[2, "decision"] = "relabel"
        return sheet

    path = filled(folder, "AB.csv", {}, edit=broken)
    said = abl(folder, "review", "tiny", "--apply", str(path), "--out", "new")
    assert said.exit_code == 2
    lines = said.output.strip().splitlines()
    assert [line.split(": ")[1] for line in lines] == [f"{path}:{row}" for row in (2, 3, 4)]
    assert "is of the sweep 'other', not of tiny" in lines[1]
    assert not (folder / "new").exists()


def test_a_label_that_was_altered_in_the_sheet_is_refused(folder: Path) -> None:
    def altered(sheet: pd.DataFrame) -> pd.DataFrame:
        sheet.loc[3, "label"] = OTHER[sheet.loc[3, "label"]]
        return sheet

    path = filled(folder, "AB.csv", right(folder), edit=altered)
    said = abl(folder, "review", "tiny", "--apply", str(path), "--out", "new")
    assert said.exit_code == 2
    (line,) = said.output.strip().splitlines()
    assert line.startswith(f"abl: {path}:5: label ")
    assert "leave the column label as it was" in line
    assert not (folder / "new").exists()


def test_decisions_that_leave_nothing_to_train_on_are_refused(folder: Path) -> None:
    def dropped(sheet: pd.DataFrame) -> pd.DataFrame:
        sheet.loc[sheet["label"] == "benign", "decision"] = "drop"
        return sheet

    path = filled(folder, "AB.csv", {}, edit=dropped)
    said = abl(folder, "review", "tiny", "--apply", str(path), "--out", "new")
    assert said.exit_code == 2
    (line,) = said.output.strip().splitlines()
    assert "no image of class benign is left to train on: the sheets say drop on" in line
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("sweep", "other", "is of the sweep 'other', not of tiny"),
        ("data", "0" * 12, "images or labels of tiny are others now"),
        ("decision", "", "nothing is decided"),
        ("decision", "keep", "no image is relabelled or dropped"),
    ],
)
def test_a_sheet_of_other_data_or_without_answers(
    folder: Path, column: str, value: str, told: str
) -> None:
    path = filled(folder, "AB.csv", {}, edit=lambda sheet: sheet.assign(**{column: value}))
    said = abl(folder, "review", "tiny", "--apply", str(path), "--out", "new")
    assert said.exit_code == 2
    assert told in said.output
    assert len(said.output.strip().splitlines()) == 1
    assert not (folder / "new").exists()


def test_an_image_that_was_deleted_is_told_alone(folder: Path) -> None:
    (image,) = [each for each in read(folder / "images/manifest.csv").index if "003a" in each]
    (folder / "images" / image).unlink()
    for words in (["review", "tiny"], ["readers", "page", "tiny", "--out", "page"]):
        said = abl(folder, *words, "--data", ".")
        assert said.exit_code == 2
        (line,) = said.output.strip().splitlines()
        assert line.endswith(f"image '{image}' no such file")


def test_a_sheet_that_is_none_is_told(folder: Path) -> None:
    (folder / "x.csv").write_text("a,b\n1,2\n")
    words = ["--apply", "x.csv", "--apply", "y.csv", "--out", "new"]
    lines = abl(folder, "review", "tiny", *words).output.strip().splitlines()
    assert len(lines) == 2
    assert "x.csv:1: no column image, label, sweep, data, decision, new_label" in lines[0]
    assert "y.csv: no such file" in lines[1]


def test_nothing_is_written_over(folder: Path) -> None:
    path = filled(folder, "AB.csv", right(folder))
    words = ["review", "tiny", "--apply", str(path), "--out"]
    assert abl(folder, *words, "new").exit_code == 0
    said = abl(folder, *words, "new")
    assert said.exit_code == 2
    assert "corrected.csv is there already" in said.output
    (folder / "sweep.yaml").write_text("mine")
    said = abl(folder, *words, ".")
    assert said.exit_code == 2
    assert (folder / "sweep.yaml").read_text() == "mine"
    assert not (folder / "corrected.csv").exists()


def test_what_a_spreadsheet_made_of_the_sheet_is_read(folder: Path) -> None:
    path = filled(folder, "AB.csv", right(folder))
    sheet = pd.read_csv(path, dtype=str, keep_default_na=False)
    sheet["decision"] = sheet["decision"].str.capitalize()
    sheet.to_csv(path, index=False, sep=";", encoding="utf-8-sig")
    said = abl(folder, "review", "tiny", "--apply", str(path), "--out", "new")
    assert "2 relabel, 1 drop" in said.output


def test_a_folder_for_each_class_becomes_a_manifest(tmp_path: Path) -> None:
    path = write_reviewed(tmp_path, {"data.manifest": "classes"})
    table = pd.read_csv(tmp_path / "images/manifest.csv", dtype=str)
    for image, label in zip(table["image"], table["label"], strict=True):
        home = tmp_path / "classes" / label
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "images" / image, home / Path(image).name)
    assert path.exists()
    ran(tmp_path)
    abl(tmp_path, "review", "tiny")
    image = sheet_of(tmp_path)["image"][0]
    decided = {image: ("relabel", OTHER[image.partition("/")[0]])}
    sheet = filled(tmp_path, "AB.csv", decided)
    said = abl(tmp_path, "review", "tiny", "--apply", str(sheet), "--out", "new")
    assert said.exit_code == 0, said.output
    words = ["new/sweep.yaml", "--data", str(tmp_path)]
    assert "in the store 12" in abl(tmp_path, "plan", *words).output


def test_generated_images_have_no_manifest_to_correct(tmp_path: Path) -> None:
    phantom = {"patients": 20, "size": 32}
    write_reviewed(
        tmp_path,
        {"data": {"phantom": phantom}, "image.crop": {"to": "frame"}, "replicates.repeats": 1},
    )
    ran(tmp_path)
    assert abl(tmp_path, "review", "tiny").exit_code == 0
    sheet = sheet_of(tmp_path)
    decided = {sheet["image"][0]: ("drop", "")}
    path = filled(tmp_path, "AB.csv", decided)
    said = abl(tmp_path, "review", "tiny", "--apply", str(path), "--out", "new")
    assert said.exit_code == 2
    assert "data.phantom has no manifest to correct: `abl data phantom`" in said.output


@pytest.mark.parametrize(("decision", "label"), [("drop", ""), ("relabel", "benign")])
def test_a_review_that_empties_a_class_of_one_fold_is_told_before_anything_is_trained(
    tmp_path: Path, decision: str, label: str
) -> None:
    path = write_reviewed(tmp_path, {"splits.folds": 2, "replicates.repeats": 1})
    ran(tmp_path)
    abl(tmp_path, "review", "tiny")
    loaded = api.load(path, root=tmp_path / "mlruns")
    opened = loaded.workspace.data(loaded.file.sweep.data)
    fold = opened.dataset.frame.iloc[opened.split(loaded.file.sweep.splits, 0, 0).train]
    names = fold["image"][fold["label"] == 1].tolist()
    sheet = filled(tmp_path, "AB.csv", dict.fromkeys(names, (decision, label)))
    said = abl(tmp_path, "review", "tiny", "--apply", str(sheet), "--out", "new")
    assert said.exit_code == 2, said.output
    (line,) = said.stderr.splitlines()
    assert line.startswith("abl: after this review, in repeat 0, fold 0: splits (kfold): ")
    assert "of class 1" in line
    assert line.endswith("; write keep or unsure for some of that class")
    assert not (tmp_path / "new").exists()
    # and of a manifest that was corrected by hand
    manifest = tmp_path / "images/manifest.csv"
    table = pd.read_csv(manifest, dtype=str)
    table["train_label"] = [
        "" if name not in names else label or decision for name in table["image"]
    ]
    table.to_csv(manifest, index=False)
    for words in (["plan"], ["sweep", "--executor", "local", "--record", "off"]):
        found = abl(tmp_path, words[0], "tiny.yaml", *words[1:])
        assert found.exit_code == 2, found.output
        assert "of class 1" in found.stderr
