"""`abl data import`: which kind, which class, which patient, what is written or refused."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner
from written import (
    FORMATS,
    coco_content,
    flat,
    imported,
    labelme_content,
    write_cvat,
    write_images,
    write_labelme,
    write_via_json,
)

from abl.cli.every import app
from abl.data.checks.checking import check_report
from abl.errors import InputError

SQUARE = np.array([(10, 4), (20, 4), (20, 14), (10, 14)], float)
OUTLINES = {"a.png": ("benign", [SQUARE]), "b.png": ("malignant", [SQUARE + 5])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images with annotations of LabelMe, in a folder of its own."""
    path = tmp_path / "set"
    write_images(path, list(OUTLINES))
    write_labelme(path, OUTLINES)
    return path


def everything_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def run(*words: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["data", "import", *map(str, words)])
    return result.exit_code, result.output


def test_the_command_makes_a_set_that_is_read_as_it_stands(folder: Path) -> None:
    out = folder / "manifest.csv"
    code, said = run(folder, "--out", out)
    assert code == 0
    assert "2 images, patients unknown, read as LabelMe" in said
    assert f"next: abl data check {out} --classes benign,malignant" in said
    assert f"{out}: 2 images of " in check_report(out, ("benign", "malignant"))


def test_the_manifest_may_lie_above_the_folder_and_nowhere_else(folder: Path) -> None:
    above = folder.parent / "all.csv"
    assert run(folder, "--out", above)[0] == 0
    frame = pd.read_csv(above)
    assert frame["image"].tolist() == ["set/a.png", "set/b.png"]
    assert frame["mask"].tolist() == ["masks/a.png", "masks/b.png"]
    (folder.parent / "aside").mkdir()
    code, said = run(folder, "--out", folder.parent / "aside" / "m.csv")
    assert code == 2
    assert f"--out {folder}/m.csv" in said
    assert list((folder.parent / "aside").iterdir()) == []


def test_several_kinds_are_asked_about(folder: Path) -> None:
    write_via_json(folder, OUTLINES)
    write_cvat(folder, OUTLINES)
    code, said = run(folder, "--out", folder / "manifest.csv")
    assert code == 2
    for words in ("--kind labelme (a.json)", "--kind via (via.json)", "--kind cvat (annotat"):
        assert words in said
    assert run(folder, "--out", folder / "manifest.csv", "--kind", "via")[0] == 0
    code, said = run(folder, "--out", folder / "m.csv", "--kind", "voc", "--masks", "other")
    assert code == 2
    assert "holds no Pascal VOC" in said
    assert "it holds labelme" in said
    assert "did you mean 'voc'" in run(
        folder, "--out", folder / "m.csv", "--kind", "vocc", "--masks", "other"
    )[1]  # fmt: skip


def test_a_folder_without_annotations_says_what_is_read(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png"])
    code, said = run(tmp_path, "--out", tmp_path / "manifest.csv")
    assert code == 2
    assert "holds no annotations that are read; read are COCO" in said
    assert "other programs export COCO or YOLO" in said


def test_a_broken_file_is_named_and_not_what_follows_from_it(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png"])
    (tmp_path / "a.json").write_text('{"shap')
    code, said = run(tmp_path, "--out", tmp_path / "manifest.csv")
    assert code == 2
    assert "a.json: is not JSON" in said
    assert "move it out of the folder" in said
    assert "holds no annotations" not in said


def test_every_broken_file_is_named_and_nothing_written(folder: Path) -> None:
    write_images(folder, ["c.png"])
    (folder / "c.json").write_bytes((folder / "a.json").read_bytes()[:-30])
    (folder / "d.json").write_text('{"shapes": 3, "imagePath": "d.png"}')
    before = everything_in(folder)
    code, said = run(folder, "--out", folder / "manifest.csv")
    assert code == 2
    assert "c.json: is not JSON" in said
    assert "d.json: is not LabelMe: it has no list of shapes" in said
    assert everything_in(folder) == before


def test_an_image_with_regions_of_two_classes_is_refused_by_name(folder: Path) -> None:
    content = labelme_content("c.png", "benign", [{"points": SQUARE.tolist()}] * 2)
    content["shapes"][1] = {**content["shapes"][1], "label": "malignant"}
    write_images(folder, ["c.png"])
    (folder / "c.json").write_text(json.dumps(content))
    code, said = run(folder, "--out", folder / "manifest.csv")
    assert code == 2
    assert "c.png: has regions of benign, malignant" in said
    for mixed, labels in (
        ("leave", {"a.png": "benign", "b.png": "malignant"}),
        ("malignant", {"a.png": "benign", "b.png": "malignant", "c.png": "malignant"}),
    ):
        frame, _ = imported(folder, mixed=mixed, force=True)
        assert frame["label"].to_dict() == labels
    assert "did you mean 'malignant'" in run(
        folder, "--out", folder / "manifest.csv", "--mixed", "malign", "--force"
    )[1]  # fmt: skip


def test_images_of_one_name_are_told_apart_by_their_folders_or_refused(tmp_path: Path) -> None:
    write_images(tmp_path, ["x/a.png", "y/a.png", "y/b.png"])
    content = coco_content({"x/a.png": OUTLINES["a.png"], "y/a.png": OUTLINES["b.png"]},
                           lambda polygon: [flat(polygon)])  # fmt: skip
    content["images"][1]["file_name"] = "D:\\data\\y\\a.png"
    (tmp_path / "coco.json").write_text(json.dumps(content))
    frame, _ = imported(tmp_path)
    assert frame["label"].to_dict() == {"x/a.png": "benign", "y/a.png": "malignant"}
    assert frame["mask"].tolist() == ["masks/x/a.png", "masks/y/a.png"]
    content["images"][1]["file_name"] = "a.png"
    (tmp_path / "coco.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"'a.png' may be any of x/a.png, y/a.png"):
        imported(tmp_path, force=True)


def test_spaces_in_names_are_kept(tmp_path: Path) -> None:
    outlines = {"a  (1).png": OUTLINES["a.png"], "b .png": OUTLINES["b.png"]}
    for name in ("coco polygons", "labelme", "via csv", "cvat"):
        folder = tmp_path / name
        write_images(folder, list(outlines))
        FORMATS[name][1](folder, outlines)
        frame, _ = imported(folder)
        assert list(frame.index) == ["a  (1).png", "b .png"]


def test_masks_of_images_that_differ_in_their_suffix_do_not_meet(tmp_path: Path) -> None:
    outlines = {"a.png": ("benign", [SQUARE]), "a.jpg": ("malignant", [SQUARE + 9])}
    write_images(tmp_path, list(outlines))
    FORMATS["cvat"][1](tmp_path, outlines)
    frame, _ = imported(tmp_path)
    assert sorted(frame["mask"]) == ["masks/a.jpg.png", "masks/a.png.png"]


def test_hidden_files_and_masks_beside_images_are_no_images(folder: Path) -> None:
    (folder / "._a.png").write_bytes(b"\0\5\26\7")
    (folder / "._a.json").write_bytes(b"\0\5\26\7")
    (folder / "labels").mkdir()
    Image.new("L", (60, 44)).save(folder / "labels" / "a.png")
    frame, said = imported(folder, kind="labelme")
    assert list(frame.index) == ["a.png", "b.png"]
    assert "2 hidden files were passed over" in said


def test_classes_are_folders_where_regions_tell_none_apart(tmp_path: Path) -> None:
    outlines = {
        "benign/images/1.png": ("nodule", [SQUARE]), "malignant/images/1.png": ("nodule", [SQUARE]),
    }  # fmt: skip
    write_images(tmp_path, list(outlines))
    write_labelme(tmp_path, outlines)
    frame, said = imported(tmp_path)
    assert frame["label"].tolist() == ["benign", "malignant"]
    assert "classes by folder" in said


def test_where_two_things_may_be_the_class_it_is_asked(tmp_path: Path) -> None:
    outlines = {
        "x/1.png": ("cyst", [SQUARE]), "y/1.png": ("cyst", [SQUARE]), "y/2.png": ("solid", [SQUARE])
    }  # fmt: skip
    write_images(tmp_path, list(outlines))
    write_labelme(tmp_path, outlines)
    with pytest.raises(InputError, match=r"--label category \(cyst, solid\); --label folder"):
        imported(tmp_path)
    by_folder, _ = imported(tmp_path, label="folder")
    assert by_folder["label"].tolist() == ["x", "y", "y"]


def test_one_class_alone_is_refused_with_what_there_is(tmp_path: Path) -> None:
    outlines = {"a.png": ("nodule", [SQUARE])}
    write_images(tmp_path, list(outlines))
    write_labelme(tmp_path, outlines)
    with pytest.raises(InputError, match=r"nothing tells classes apart; .*--label category"):
        imported(tmp_path)


def test_values_are_joined_to_classes_and_other_regions_left_out(folder: Path) -> None:
    for name, extra in (("a", "text"), ("b", "caliper")):
        content = json.loads((folder / f"{name}.json").read_text())
        content["shapes"].append({"label": extra, "points": (SQUARE + 20).tolist()})
        (folder / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="has regions of benign, text"):
        imported(folder)
    frame, said = imported(folder, classes=["B=benign", "M=malignant"])
    assert frame["label"].tolist() == ["B", "M"]
    assert frame["regions"].tolist() == ["1", "1"]
    assert float(frame.loc["a.png", "box_x1"]) == 20
    assert "2 x region of a category that is in no --class" in said


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        (["B=benigm"], "no category is 'benigm'; did you mean 'benign'"),
        (["B"], "write NAME=VALUE,VALUE"),
        (["B="], "write NAME=VALUE,VALUE"),
        (["B=benign", "M=benign"], "'benign' is in B already"),
    ],
)
def test_classes_that_cannot_be_are_refused(folder: Path, classes: list[str], why: str) -> None:
    with pytest.raises(InputError, match=why):
        imported(folder, classes=classes, label="category")


@pytest.mark.parametrize(
    ("patient", "found"),
    [(r"p(\d+)_", ["07", "8"]), ("folder", ["ward1", "ward2"]), ("none", None)],
)
def test_patients_are_what_is_said(tmp_path: Path, patient: str, found: list[str] | None) -> None:
    outlines = {"ward1/p07_1.png": OUTLINES["a.png"], "ward2/p8_1.png": OUTLINES["b.png"]}
    write_images(tmp_path, list(outlines))
    write_labelme(tmp_path, outlines)
    frame, said = imported(tmp_path, patient=patient, label="category")
    assert (frame["patient"].tolist() if "patient" in frame else None) == found
    assert ("patients unknown" in said) == (found is None)


@pytest.mark.parametrize(
    ("patient", "why"),
    [
        (r"p(\d+)_", "a.png: has no patient"),
        ("(", "no regular expression"),
        (r"\(", "has no group"),
        ("fodler", "did you mean 'folder'"),
    ],
)
def test_patients_that_are_not_found_are_refused(folder: Path, patient: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        imported(folder, patient=patient)
    assert not (folder / "manifest.csv").exists()


def test_nothing_is_overwritten_unasked(folder: Path) -> None:
    imported(folder)
    first = everything_in(folder)
    code, said = run(folder, "--out", folder / "manifest.csv")
    assert code == 2
    assert "manifest.csv: is there; --force writes it anew" in said
    assert everything_in(folder) == first
    (folder / "b.json").unlink()
    (folder / "b.png").unlink()
    write_images(folder, ["c.png"])
    content = labelme_content("c.png", "malignant", [{"points": SQUARE.tolist()}])
    (folder / "c.json").write_text(json.dumps(content))
    frame, _ = imported(folder, force=True)
    assert list(frame.index) == ["a.png", "c.png"]
    assert sorted(each.name for each in (folder / "masks").glob("*.png")) == ["a.png", "c.png"]
    assert [each.name for each in folder.iterdir() if each.name.startswith(".")] == []


def test_masks_of_others_are_never_written_over(folder: Path) -> None:
    (folder / "masks").mkdir()
    (folder / "masks" / "a.png").write_bytes(b"mine")
    before = everything_in(folder)
    code, said = run(folder, "--out", folder / "manifest.csv", "--force", "--kind", "labelme")
    assert code == 2
    assert "masks: is there, and not from an import; --masks NAME names another" in said
    assert everything_in(folder) == before
    frame, _ = imported(folder, masks="drawn", kind="labelme")
    assert frame["mask"].tolist() == ["drawn/a.png", "drawn/b.png"]


def test_turned_images_that_need_an_answer_are_named_and_nothing_written(folder: Path) -> None:
    for name in OUTLINES:
        exif = Image.Exif()
        exif[0x0112] = 3
        Image.open(folder / name).save(folder / name, exif=exif)
    before = everything_in(folder)
    code, said = run(folder, "--out", folder / "manifest.csv")
    assert code == 2
    assert "a.png: is turned by its EXIF orientation" in said
    assert "b.png: is turned by its EXIF orientation" in said
    assert everything_in(folder) == before
    assert run(folder, "--out", folder / "manifest.csv", "--exif", "stored")[0] == 0


def test_images_that_cannot_be_read_are_left_out_by_name(folder: Path) -> None:
    write_images(folder, ["c.png"])
    content = labelme_content("c.png", "benign", [{"points": SQUARE.tolist()}])
    (folder / "c.json").write_text(json.dumps(content))
    (folder / "c.png").write_bytes(b"no image")
    frame, said = imported(folder)
    assert list(frame.index) == ["a.png", "b.png"]
    assert "1 x image that cannot be read: c.png: is not an image of a kind that is read" in said


def test_links_that_leave_the_folder_are_left_out(folder: Path) -> None:
    write_images(folder.parent / "elsewhere", ["c.png"])
    (folder / "c.png").symlink_to(folder.parent / "elsewhere" / "c.png")
    content = labelme_content("c.png", "benign", [{"points": SQUARE.tolist()}])
    (folder / "c.json").write_text(json.dumps(content))
    frame, said = imported(folder)
    assert list(frame.index) == ["a.png", "b.png"]
    assert "1 x link to an image outside the manifest's folder: c.png" in said
    assert run(folder, "--out", folder.parent / "manifest.csv")[0] == 0
    assert len(pd.read_csv(folder.parent / "manifest.csv")) == 3


def test_classes_that_differ_in_capitals_are_told(folder: Path) -> None:
    text = (folder / "b.json").read_text().replace("malignant", "Benign")
    (folder / "b.json").write_text(text)
    with pytest.raises(InputError, match="--class benign=Benign,benign"):
        imported(folder)


def test_a_list_of_what_was_left_overwrites_nothing(folder: Path) -> None:
    write_images(folder, ["c.png"])
    left = folder / "left.csv"
    left.write_text("mine")
    code, said = run(folder, "--out", folder / "manifest.csv", "--left", left)
    assert code == 2
    assert "left.csv: is there; --force writes it anew" in said
    assert left.read_text() == "mine"
    assert not (folder / "manifest.csv").exists()
    assert run(folder, "--out", folder / "m.csv", "--left", folder / "m.csv")[0] == 2
    assert run(folder, "--out", folder / "manifest.csv", "--left", left, "--force")[0] == 0
    assert left.read_text() == "what,why\nc.png,image without an annotation\n"


def test_a_manifest_that_cannot_be_written_is_told(folder: Path) -> None:
    before = everything_in(folder)
    code, said = run(folder, "--out", folder / f"{'x' * 300}.csv")
    assert code == 2
    assert "cannot be written (File name too long)" in said
    assert everything_in(folder) == before


def test_without_pycocotools_outlines_are_refused_and_boxes_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    code, said = run(folder, "--out", folder / "manifest.csv")
    assert (code, said.count("\n")) == (2, 1)
    assert "pip install 'abl[medical]'" in said
    for name in "ab":
        content = json.loads((folder / f"{name}.json").read_text())
        content["shapes"][0] |= {"shape_type": "rectangle", "points": [(3, 4), (9, 8)]}
        (folder / f"{name}.json").write_text(json.dumps(content))
    assert run(folder, "--out", folder / "manifest.csv")[0] == 0


def test_names_that_no_manifest_can_hold_are_left_out(folder: Path) -> None:
    name = "c\n.png"
    write_images(folder, [name])
    content = labelme_content(name, "benign", [{"points": SQUARE.tolist()}])
    (folder / "c\n.json").write_text(json.dumps(content))
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(b"")
    frame, said = imported(folder)
    assert list(frame.index) == ["a.png", "b.png"]
    assert "image with a name that no manifest can hold" in said


def damaged(value: Any, draw: Any) -> Any:
    """JSON of which some values are others."""
    odd = [None, True, -1, 1e308, "", "x", [], {}, [[]], 10**400, "../a.png", "\ud800", "\0"]
    if draw(st.integers(0, 24)) == 0:
        return draw(st.sampled_from(odd))
    if isinstance(value, dict):
        return {key: damaged(each, draw) for key, each in value.items()}
    return [damaged(each, draw) for each in value] if isinstance(value, list) else value


@settings(max_examples=60)
@given(data=st.data())
def test_damaged_annotations_are_read_or_refused_and_never_half_written(data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(FORMATS)))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_images(folder, list(OUTLINES))
        FORMATS[name][1](folder, OUTLINES)
        for path in sorted(folder.rglob("*")):
            if path.is_dir() or path.suffix == ".png":
                continue
            text = path.read_bytes()
            if path.suffix == ".json" and data.draw(st.booleans()):
                text = json.dumps(damaged(json.loads(text), data.draw)).encode()
            cut = data.draw(st.integers(0, len(text)))
            drop = data.draw(st.integers(0, 3))
            path.write_bytes(text[:cut] + text[cut + drop :])
        before = everything_in(folder)
        code, said = run(folder, "--out", folder / "manifest.csv")
        assert code in (0, 2), said
        assert (code == 0) == (folder / "manifest.csv").is_file()
        if code == 2:
            assert said.startswith("abl: ")
            assert everything_in(folder) == before
