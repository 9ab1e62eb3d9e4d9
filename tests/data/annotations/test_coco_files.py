"""COCO as programs write it: ids as text, boxes alone, crowds, files that are not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from written import (
    HEIGHT,
    WIDTH,
    box_of,
    coco_content,
    filled,
    flat,
    imported,
    mask_of,
    uncompressed,
    write_images,
)

from abl.errors import InputError

SQUARE = np.array([(10, 4), (20, 4), (20, 14), (10, 14)], float)
OUTLINES = {"a.png": ("benign", [SQUARE]), "b.png": ("malignant", [SQUARE + 5])}


@pytest.fixture
def content(tmp_path: Path) -> dict[str, Any]:
    """Two images, each with one outline; the images are written."""
    write_images(tmp_path, list(OUTLINES))
    return coco_content(OUTLINES, lambda polygon: [flat(polygon)])


def save(folder: Path, content: Any, name: str = "annotations.json") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def test_ids_meet_whether_they_are_text_or_numbers(tmp_path: Path, content: dict[str, Any]) -> None:
    for annotation in content["annotations"]:
        annotation["image_id"] = str(annotation["image_id"])
        annotation["category_id"] = float(annotation["category_id"])
    save(tmp_path, content)
    frame, report = imported(tmp_path)
    assert frame["label"].to_dict() == {"a.png": "benign", "b.png": "malignant"}
    assert "2 regions: 2 masks, 2 boxes" in report


def test_boxes_alone_make_no_mask(tmp_path: Path, content: dict[str, Any]) -> None:
    for annotation in content["annotations"]:
        annotation["segmentation"] = []
        annotation["bbox"] = [10, 4.5, 10, 9.5]
    save(tmp_path, content)
    frame, report = imported(tmp_path)
    assert "mask" not in frame
    assert box_of(frame, "a.png") == [10, 4.5, 20, 14]
    assert "2 x regions are boxes alone: a.png; b.png" in report
    assert not (tmp_path / "masks").exists()


def test_a_polygon_without_the_list_around_it_is_read(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    content["annotations"][0]["segmentation"] = flat(SQUARE)
    save(tmp_path, content)
    frame, _ = imported(tmp_path)
    np.testing.assert_array_equal(mask_of(tmp_path, frame, "a.png"), filled([SQUARE]))


def test_crowds_are_taken_and_said_and_unused_categories_named(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    content["annotations"][0]["segmentation"] = uncompressed(SQUARE)
    content["annotations"][0]["iscrowd"] = 1
    content["categories"].append({"id": 9, "name": "cyst"})
    save(tmp_path, content)
    frame, report = imported(tmp_path)
    np.testing.assert_array_equal(mask_of(tmp_path, frame, "a.png"), filled([SQUARE]))
    assert "1 annotations with iscrowd" in report
    assert "categories without an annotation: cyst" in report


def test_what_has_no_row_is_counted_by_its_reason(tmp_path: Path, content: dict[str, Any]) -> None:
    write_images(tmp_path, ["c.png", "empty.png"])
    content["images"] += [
        {"id": 70, "file_name": "gone.png"},
        {"id": 71, "file_name": "empty.png", "width": WIDTH, "height": HEIGHT},
    ]
    content["annotations"].append({"id": 5, "image_id": 999, "category_id": 1})
    save(tmp_path, content)
    frame, report = imported(tmp_path, left=tmp_path / "left.csv")
    assert list(frame.index) == ["a.png", "b.png"]
    for line in (
        "1 x its image is not in the folder: annotations.json: gone.png",
        "1 x image without an annotation: c.png",
        "1 x image without a region, so without a class (--empty NAME gives it one): empty.png",
        "1 x annotation of an image that is not listed: annotations.json: annotation 5",
    ):
        assert line in report
    assert (tmp_path / "left.csv").read_text().count("\n") == 5


def test_images_without_a_region_get_the_class_that_is_said(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    write_images(tmp_path, ["empty.png"])
    content["images"].append({"id": 71, "file_name": "empty.png"})
    save(tmp_path, content)
    frame, _ = imported(tmp_path, empty="normal")
    assert frame.loc["empty.png", ["label", "mask", "box_x0"]].tolist() == ["normal", "", ""]


def test_an_image_of_another_size_is_left_out_by_name(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    content["images"][0].update(width=2 * WIDTH, height=2 * HEIGHT)
    save(tmp_path, content)
    frame, report = imported(tmp_path)
    assert list(frame.index) == ["b.png"]
    assert (
        "image of another size than annotated: a.png: annotated at 120 x 88, is 60 x 44" in report
    )


@pytest.mark.parametrize(
    ("segmentation", "why"),
    [
        ({"size": [HEIGHT, WIDTH], "counts": [5, 5]}, "run lengths are of 10 pixels"),
        ({"size": [4, 4], "counts": [0, 16]}, "pixels are 4 x 4, its image is 60 x 44"),
        ({"size": [HEIGHT, WIDTH], "counts": "0~"}, "compressed run lengths are damaged"),
        ({"size": [HEIGHT, WIDTH]}, "run lengths are not numbers"),
        ({"counts": [0, 16]}, "run lengths without a size"),
        ([[1, 2, 3]], "coordinates are not numbers"),
        ([[1, 2, "x", 3, 4, 5]], "coordinates are not numbers"),
        ("gone", "coordinates are not numbers"),
        ([[0, 0, 1e9, 0, 1e9, 1e9]], "points lie far outside the image"),
    ],
)
def test_a_region_that_cannot_be_read_is_told_and_leaves_its_image_without_a_place(
    tmp_path: Path, content: dict[str, Any], segmentation: Any, why: str
) -> None:
    content["annotations"][0]["segmentation"] = segmentation
    save(tmp_path, content)
    frame, report = imported(tmp_path)
    assert frame.loc["a.png", ["label", "mask", "box_x0"]].tolist() == ["benign", "", ""]
    assert frame.loc["b.png", "mask"] == "masks/b.png"
    assert f"1 x {why}" in report
    assert "annotation 0 of a.png" in report


def test_an_image_in_two_files_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    save(tmp_path, content, "train.json")
    save(tmp_path, content, "all.json")
    with pytest.raises(InputError, match="is there also in all"):
        imported(tmp_path)


def test_parts_are_those_of_files_and_folders(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        folder = tmp_path / part
        outlines = {f"{part}_{name}": each for name, each in OUTLINES.items()}
        write_images(folder, list(outlines))
        content = coco_content(outlines, lambda polygon: [flat(polygon)])
        save(tmp_path, content, f"{part}/_annotations.coco.json")
    frame, _ = imported(tmp_path)
    assert frame["split"].to_dict() == {
        "test/test_a.png": "test", "test/test_b.png": "test",
        "train/train_a.png": "train", "train/train_b.png": "train",
        "valid/valid_a.png": "validation", "valid/valid_b.png": "validation",
    }  # fmt: skip


def test_further_facts_of_images_become_columns_and_name_patients(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    content["images"][0] |= {"patient_id": 7, "label": "x", "centre": "A"}
    content["images"][1] |= {"patient_id": "007", "label": "y", "centre": "B"}
    save(tmp_path, content)
    frame, report = imported(tmp_path)
    assert frame["patient"].tolist() == ["7", "007"]
    assert frame["centre"].tolist() == ["A", "B"]
    assert frame["annotated_label"].tolist() == ["x", "y"]
    assert frame["label"].tolist() == ["benign", "malignant"]
    assert "2 patients" in report


def test_a_category_that_is_not_listed_is_refused_and_makes_no_class(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    content["annotations"][1]["category_id"] = 7
    save(tmp_path, content)
    with pytest.raises(InputError) as caught:
        imported(tmp_path)
    assert len(caught.value.problems) == 1
    said = str(caught.value)
    assert "annotations.json: category_id 7 of annotation" in said
    assert "is not in categories" in said
    assert "add it there with its name" in said
    content["categories"].append({"id": 7, "name": "malignant"})
    save(tmp_path, content)
    frame, _ = imported(tmp_path)
    assert frame["label"].tolist() == ["benign", "malignant"]


def test_images_of_one_id_are_told_once(tmp_path: Path, content: dict[str, Any]) -> None:
    content["images"].append(dict(content["images"][0]))
    save(tmp_path, content)
    with pytest.raises(InputError) as caught:
        imported(tmp_path)
    assert len(caught.value.problems) == 1


def test_a_number_among_named_categories_is_to_be_named_beside_them(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    content["categories"][1]["name"] = "7"
    save(tmp_path, content)
    with pytest.raises(InputError, match="--class NAME=7 --class benign=benign"):
        imported(tmp_path)
    frame, _ = imported(tmp_path, classes=["malignant=7", "benign=benign"])
    assert frame["label"].tolist() == ["benign", "malignant"]
