"""Odd folders: each gives a good result or one clear line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_folders import of_classes, refusal, started, write_pictures
from PIL import Image

import abl

REFUSED = {
    "one class": (of_classes("benign"), "has one class alone: benign (5 images)"),
    "three images": (
        ["benign/1.png", "benign/2.png", "malignant/1.png"],
        "class 'benign' has 2 images: training, validation and test need one each",
    ),
    "patients without a class": (
        of_classes(*(f"P{number}" for number in range(60)), count=1),
        "has 60 different classes (P0, P1, P2, ...): are these patients?",
    ),
    "no folders": ([f"{number}.png" for number in range(9)], "has neither folders of classes nor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_a_sweep_is_told_in_a_line(tmp_path: Path, name: str) -> None:
    names, said = REFUSED[name]
    write_pictures(tmp_path / "set", names)
    assert said in refusal(tmp_path)[0]


def test_a_folder_that_is_none_and_one_without_images(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path)[0]
    (tmp_path / "set").mkdir()
    assert "holds no images" in refusal(tmp_path)[0]
    (tmp_path / "file").write_text("x")
    assert "is not a folder: give the folder that holds the images" in refusal(tmp_path, "file")[0]


def test_options_are_checked_all_at_once(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", of_classes("benign", "malignant"))
    lines = refusal(
        tmp_path, networks=("plain5",), patients="maybe", patient_from="(x)", classes=("a",)
    )
    assert len(lines) == 4
    assert "did you mean 'plain4'?" in lines[0]
    for asked in (("benign", "malignent"), ("bening", "malignent")):
        assert "did you mean 'malignant'?" in refusal(tmp_path, classes=asked)[-1]


def test_odd_names_go_the_whole_way(tmp_path: Path) -> None:
    names = [
        f"{name}/{number}{ending}"
        for name in ('a [x], "y"', "b; & (z)")
        for number, ending in enumerate((".PNG", ".Jpg", ".JPEG", ".bmp", ".TIF", ".gif"))
    ]
    write_pictures(tmp_path / "set", [*names, 'a [x], "y"/é ü.png'])
    for name in ("read me.txt", "b; & (z)/list.pdf", "b; & (z)/Thumbs.db"):
        (tmp_path / "set" / name).write_text("x")
    said, rows = started(tmp_path)
    assert len(rows) == 13
    assert "3 files without the name of an image" in said
    loaded = abl.load(tmp_path / "sweep.yaml", root=tmp_path / "mlruns")
    assert loaded.file.sweep.data.classes == ('a [x], "y"', "b; & (z)")
    assert len(loaded.plan.cells) > 0


def test_names_that_no_manifest_can_hold_are_left_out_and_counted(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", of_classes("a", "b"))
    for name in (b"a/new\nline.png", b"b/caf\xe9.png"):
        shutil.copy(tmp_path / "set/a/0.png", os.fsencode(tmp_path / "set") + b"/" + name)
    said, rows = started(tmp_path)
    assert len(rows) == 10
    assert "2 files have names with a control character or not in UTF-8: left out" in said


def test_equal_names_in_two_classes_are_two_images(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", of_classes("a", "b"))
    _, rows = started(tmp_path)
    assert {(row["image"], row["label"]) for row in rows} >= {
        ("set/a/1.png", "a"),
        ("set/b/1.png", "b"),
    }


def test_classes_two_deep_and_the_split_of_the_folders(tmp_path: Path) -> None:
    names = [
        f"{part}/{name}/{number}.png"
        for part, count in (("train", 6), ("val", 3), ("test", 4))
        for name in ("Benign", "malignant")
        for number in range(count)
    ]
    write_pictures(tmp_path / "set", names)
    said, rows = started(tmp_path)
    assert {row["label"] for row in rows} == {"Benign", "malignant"}
    assert [row["split"] for row in rows].count("validation") == 6
    assert "the split that is named (test, train, validation) is used" in said
    sweep = abl.load(tmp_path / "sweep.yaml", root=tmp_path / "mlruns").file.sweep
    assert sweep.splits.kind == "column"
    assert "8 test images (4 positive)" in said


def test_a_split_that_copies_cross_is_not_used(tmp_path: Path) -> None:
    names = [f"{part}/{each}" for part in ("train", "test") for each in of_classes("a", "b")]
    write_pictures(tmp_path / "set", names)
    shutil.copy(tmp_path / "set/train/a/0.png", tmp_path / "set/test/a/copy.png")
    said, rows = started(tmp_path)
    assert "on two sides 1 time: folds are drawn" in said
    assert {row["split"] for row in rows} == {"train", "test"}
    loaded = abl.load(tmp_path / "sweep.yaml", root=tmp_path / "mlruns")
    assert loaded.file.sweep.splits.kind == "kfold"


def test_images_that_cannot_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", of_classes("a", "b"))
    (tmp_path / "set/a/x.png").write_bytes(b"garbage")
    (tmp_path / "set/b/y.png").write_bytes((tmp_path / "set/b/0.png").read_bytes()[:100])
    (tmp_path / "set/b/z.png").symlink_to("nowhere.png")
    said, rows = started(tmp_path)
    assert len(rows) == 10
    assert "3 images were left out, as they cannot be read: a/x.png is not an image" in said
    assert "that leaves a 5, b 5" in said


def test_a_folder_of_which_nothing_can_be_read_says_how_many(tmp_path: Path) -> None:
    for name in of_classes("a", "b"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"garbage")
    *lines, last = refusal(tmp_path)
    assert len(lines) == 3
    assert last == "and 7 other images cannot be read either: none is left"


def test_a_mask_of_another_size_is_left_out_and_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", of_classes("a", "b"))
    for name, size in (("a/0_mask.png", 20), ("a/1_mask.png", 24)):
        mask = np.zeros((size, 28), np.uint8)
        mask[4:9, 4:9] = 1
        Image.fromarray(mask).save(tmp_path / "set" / name)
    said, rows = started(tmp_path)
    assert [row["mask"] for row in rows if row["mask"]] == ["set/a/1_mask.png"]
    assert "1 mask left out, the first: a/0_mask.png is 28 x 20 pixels, its image 28 x 24" in said


def test_copies_with_two_labels_are_told(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", of_classes("a", "b"))
    shutil.copy(tmp_path / "set/a/0.png", tmp_path / "set/b/copy.png")
    said, _ = started(tmp_path)
    assert "images of several classes, the first a/0.png (a) and b/copy.png (b)" in said


def test_classes_asked_for_leave_the_others_out(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", of_classes("a", "b", "c"))
    said, rows = started(tmp_path, classes=("c", "a"))
    assert {row["label"] for row in rows} == {"a", "c"}
    assert "5 images in no folder of these classes were left out" in said
    sweep = abl.load(tmp_path / "sweep.yaml", root=tmp_path / "mlruns").file.sweep
    assert sweep.data.classes == ("c", "a")
