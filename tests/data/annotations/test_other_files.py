"""LabelMe, VIA, VOC, YOLO, CVAT and DDTI as programs write them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from written import (
    HEIGHT,
    WIDTH,
    box_of,
    ddti_text,
    filled,
    imported,
    labelme_content,
    mask_of,
    svg,
    voc_text,
    write_images,
)

from abl.errors import InputError

SQUARE = np.array([(10, 4), (20, 4), (20, 14), (10, 14)], float)
BOTH = ("a.png", "b.png")


def labelme(folder: Path, name: str, shape: dict[str, Any], **content: Any) -> None:
    label = "benign" if name < "b" else "malignant"
    path = (folder / name).with_suffix(".json")
    path.write_text(json.dumps(labelme_content(name, label, [shape]) | content))


def write_shapes(folder: Path, shape: dict[str, Any], **content: Any) -> None:
    """The same shape in a benign and in a malignant image."""
    write_images(folder, BOTH)
    for name in BOTH:
        labelme(folder, name, shape, **content)


@pytest.mark.parametrize(
    "points", [[(10, 4), (20, 14)], [(20, 14), (10, 4)], [(20.9, 4.2), (10.7, 14.9)]]
)
def test_rectangles_of_labelme_have_corners_in_any_order_and_include_them(
    tmp_path: Path, points: list[tuple[float, float]]
) -> None:
    write_shapes(tmp_path, {"shape_type": "rectangle", "points": points})
    frame, _ = imported(tmp_path)
    assert box_of(frame, "a.png") == [10, 4, 21, 15]


def test_circles_of_labelme_are_a_centre_and_a_point_of_the_edge(tmp_path: Path) -> None:
    write_shapes(tmp_path, {"shape_type": "circle", "points": [(30, 20), (33, 24)]})
    frame, _ = imported(tmp_path)
    assert box_of(frame, "a.png") == pytest.approx([25, 15, 35, 25], abs=1)
    assert mask_of(tmp_path, frame, "a.png").sum() == pytest.approx(np.pi * 25, abs=6)


def test_paths_of_windows_and_shapes_without_a_type_are_read(tmp_path: Path) -> None:
    write_images(tmp_path, [f"{folder}/{name}" for folder in ("x", "y") for name in BOTH])
    for name in BOTH:
        content = labelme_content(name, name[0], [{"points": SQUARE.tolist()}])
        content["imagePath"] = f"..\\y\\{name}"
        (tmp_path / f"{name[0]}.json").write_text(json.dumps(content))
    frame, _ = imported(tmp_path)
    assert list(frame.index) == ["y/a.png", "y/b.png"]
    np.testing.assert_array_equal(mask_of(tmp_path, frame, "y/a.png"), filled([SQUARE]))


def test_an_image_that_is_in_its_json_alone_is_told(tmp_path: Path) -> None:
    write_shapes(tmp_path, {"points": SQUARE.tolist()})
    labelme(tmp_path, "c.png", {"points": SQUARE.tolist()}, imageData="iVBORw0KGgo=")
    _, report = imported(tmp_path)
    assert "1 x its image is not in the folder: c.json: c.png" in report
    assert "c.json holds its image, which is not read" in report


def test_points_and_lines_are_no_regions(tmp_path: Path) -> None:
    write_shapes(tmp_path, {"points": SQUARE.tolist()})
    content = json.loads((tmp_path / "a.json").read_text())
    content["shapes"].append({"label": "marker", "shape_type": "line", "points": [(1, 1), (9, 9)]})
    (tmp_path / "a.json").write_text(json.dumps(content))
    frame, report = imported(tmp_path)
    assert frame.loc["a.png", ["label", "regions"]].tolist() == ["benign", "1"]
    assert "1 x line, which has no area: a.json: shape at 1" in report


def test_the_one_flag_that_is_set_is_the_label_of_the_image(tmp_path: Path) -> None:
    write_images(tmp_path, BOTH)
    for at, name in enumerate(BOTH):
        content = labelme_content(name, "nodule", [{"points": SQUARE.tolist()}])
        content["flags"] = {"benign": at == 0, "malignant": at == 1}
        (tmp_path / name).with_suffix(".json").write_text(json.dumps(content))
    frame, report = imported(tmp_path)
    assert frame["label"].tolist() == ["benign", "malignant"]
    assert "classes by image" in report


def via(folder: Path, shape: dict[str, Any], attributes: Any = None) -> None:
    write_images(folder, BOTH)
    content = {
        name: {
            "filename": name,
            "regions": {
                "0": {
                    "shape_attributes": shape,
                    "region_attributes": attributes or {"class": name[0]},
                }
            },
        }
        for name in BOTH
    }
    (folder / "via.json").write_text(json.dumps(content))


def test_ellipses_of_via_may_lack_their_angle(tmp_path: Path) -> None:
    via(tmp_path, {"name": "ellipse", "cx": 30, "cy": 20, "rx": 12, "ry": 6})
    frame, _ = imported(tmp_path)
    assert box_of(frame, "a.png") == pytest.approx([18, 14, 42, 26], abs=1)
    via(tmp_path, {"name": "ellipse", "cx": 30, "cy": 20, "rx": 12, "ry": 6, "theta": np.pi / 2})
    turned, _ = imported(tmp_path, force=True)
    assert box_of(turned, "a.png") == pytest.approx([24, 8, 36, 32], abs=1)


def test_rectangles_of_via_are_boxes(tmp_path: Path) -> None:
    via(tmp_path, {"name": "rect", "x": 10, "y": 4, "width": 10, "height": 9})
    frame, _ = imported(tmp_path)
    assert box_of(frame, "a.png") == [10, 4, 20, 13]


def test_one_of_several_attributes_is_the_class_that_is_said(tmp_path: Path) -> None:
    via(tmp_path, {"name": "rect", "x": 10, "y": 4, "width": 10, "height": 9})
    content = json.loads((tmp_path / "via.json").read_text())
    for name, entry in content.items():
        entry["regions"]["0"]["region_attributes"] = {"side": "left", "birads": f"4{name[0]}"}
    (tmp_path / "via.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="--label birads"):
        imported(tmp_path)
    frame, _ = imported(tmp_path, label="birads")
    assert frame["label"].tolist() == ["4a", "4b"]


def test_rows_of_via_without_a_shape_are_images_without_a_region(tmp_path: Path) -> None:
    write_images(tmp_path, [*BOTH, "c.png"])
    shape = json.dumps({"name": "circle", "cx": 20, "cy": 20, "r": 5})
    with (tmp_path / "via.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["#filename", "file_size", "file_attributes", "region_count", "region_id",
             "region_shape_attributes", "region_attributes"]
        )  # fmt: skip
        table.writerow(["a.png", 9, "{}", 1, 0, shape, '{"type": "benign"}'])
        table.writerow(["b.png", 9, "{}", 1, 0, shape, '{"type": "malignant"}'])
        table.writerow(["c.png", 9, "{}", 0, 0, "{}", "{}"])
    frame, _ = imported(tmp_path, empty="normal")
    assert frame["label"].tolist() == ["benign", "malignant", "normal"]
    (tmp_path / "via.csv").write_text((tmp_path / "via.csv").read_text().replace('""r""', "r"))
    with pytest.raises(InputError, match=r"via.csv:2: region_shape_attributes is not JSON"):
        imported(tmp_path, force=True)


def voc(folder: Path, *boxes: tuple[float, float, float, float]) -> None:
    write_images(folder, [f"JPEGImages/{name}" for name in BOTH])
    (folder / "Annotations").mkdir()
    for name in BOTH:
        objects = [("benign" if name < "b" else "malignant", box) for box in boxes]
        (folder / f"Annotations/{name[0]}.xml").write_text(voc_text(name, objects))


def test_corners_of_voc_count_from_one_and_are_inclusive(tmp_path: Path) -> None:
    voc(tmp_path, (1, 5, 20, 14))
    frame, report = imported(tmp_path)
    assert box_of(frame, "JPEGImages/a.png") == [0, 4, 20, 14]
    assert "Corners of boxes count from 1" in report


def test_a_zero_shows_that_corners_of_voc_count_from_zero(tmp_path: Path) -> None:
    voc(tmp_path, (0, 5, 20, 14), (3, 5, 20, 44))
    frame, report = imported(tmp_path)
    assert box_of(frame, "JPEGImages/a.png") == [0, 5, 20, 44]
    assert "Corners of boxes count from 0, as Annotations/a.xml has 0" in report


def test_voc_finds_images_by_the_name_of_the_xml_file(tmp_path: Path) -> None:
    voc(tmp_path, (1, 5, 20, 14))
    for name in "ab":
        path = tmp_path / f"Annotations/{name}.xml"
        path.write_text(path.read_text().replace(f"{name}.png", "000001"))
    frame, _ = imported(tmp_path)
    assert list(frame.index) == ["JPEGImages/a.png", "JPEGImages/b.png"]


def test_lists_of_voc_are_the_parts(tmp_path: Path) -> None:
    voc(tmp_path, (1, 5, 20, 14))
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    (tmp_path / "ImageSets/Main/train.txt").write_text("a\n")
    (tmp_path / "ImageSets/Main/val.txt").write_text("b  1\n")
    (tmp_path / "ImageSets/Main/trainval.txt").write_text("a\nb\n")
    frame, _ = imported(tmp_path)
    assert frame["split"].tolist() == ["train", "validation"]


@pytest.mark.parametrize("mode", ["P", "RGB"])
def test_classes_by_pixel_are_named_by_their_colours(tmp_path: Path, mode: str) -> None:
    # value 1 of VOC is dark red, value 2 dark green; 255 is the border between
    write_images(tmp_path, [f"JPEGImages/{name}" for name in BOTH])
    (tmp_path / "SegmentationClass").mkdir()
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nbenign:128,0,0::\n"
        "malignant:0,128,0::\n"
    )
    palette = np.zeros((256, 3), np.uint8)
    palette[1], palette[2], palette[255] = (128, 0, 0), (0, 128, 0), (224, 224, 192)
    for value, name in enumerate(BOTH, 1):
        values = np.zeros((HEIGHT, WIDTH), np.uint8)
        values[3:15, 9:21] = 255
        values[filled([SQUARE])] = value
        picture = Image.fromarray(palette[values])
        if mode == "P":
            picture = Image.fromarray(values, mode="P")
            picture.putpalette(palette.ravel().tolist())
        picture.save(tmp_path / "SegmentationClass" / name)
    frame, _ = imported(tmp_path)
    assert frame["label"].tolist() == ["benign", "malignant"]
    np.testing.assert_array_equal(mask_of(tmp_path, frame, "JPEGImages/b.png"), filled([SQUARE]))


def pixel_classes(folder: Path) -> None:
    """Images with a region of the classes 1 and 2 by pixel."""
    write_images(folder, [f"JPEGImages/{name}" for name in BOTH])
    (folder / "SegmentationClass").mkdir()
    for value, name in enumerate(BOTH, 1):
        values = (filled([SQUARE]) * value).astype(np.uint8)
        Image.fromarray(values).save(folder / "SegmentationClass" / name)


def test_classes_by_pixel_without_names_have_to_be_named(tmp_path: Path) -> None:
    pixel_classes(tmp_path)
    with pytest.raises(InputError, match="numbers without a name; name them: --class NAME=1"):
        imported(tmp_path)
    frame, _ = imported(tmp_path, classes=["benign=1", "malignant=2"])
    assert frame["label"].tolist() == ["benign", "malignant"]


def test_a_class_by_pixel_that_labelmap_lacks_is_refused(tmp_path: Path) -> None:
    pixel_classes(tmp_path)
    (tmp_path / "labelmap.txt").write_text("benign:128,0,0::\n")
    with pytest.raises(InputError, match="has the class of value 2, which labelmap"):
        imported(tmp_path)


def test_a_mask_of_two_values_has_no_border(tmp_path: Path) -> None:
    write_images(tmp_path, ["benign/a.png", "malignant/b.png"])
    (tmp_path / "SegmentationObject").mkdir()
    for name in BOTH:
        Image.fromarray(filled([SQUARE])).convert("L").save(tmp_path / "SegmentationObject" / name)
    frame, _ = imported(tmp_path)
    assert frame["label"].tolist() == ["benign", "malignant"]
    np.testing.assert_array_equal(mask_of(tmp_path, frame, "benign/a.png"), filled([SQUARE]))


def yolo(folder: Path, *lines: str, names: str = "names: [benign, malignant]\n") -> None:
    write_images(folder, [f"images/train/{name}" for name in BOTH])
    (folder / "labels/train").mkdir(parents=True)
    if names:
        (folder / "data.yaml").write_text(names)
    for at, name in enumerate(BOTH):
        text = "".join(f"{at} {line}\n" for line in lines)
        (folder / f"labels/train/{name[0]}.txt").write_text(text)


def test_boxes_of_yolo_are_shares_of_the_image(tmp_path: Path) -> None:
    yolo(tmp_path, "0.5 0.5 0.5 0.25", "0.95 0.5 0.1 0.5")
    frame, _ = imported(tmp_path)
    assert box_of(frame, "images/train/a.png") == [15, 11, 60, 33]
    assert frame["label"].tolist() == ["benign", "malignant"]
    assert frame["split"].tolist() == ["train", "train"]


def test_labels_of_yolo_beside_images_by_part(tmp_path: Path) -> None:
    # the same names in each part
    for at, part in enumerate(("train", "valid")):
        write_images(tmp_path, [f"{part}/images/{name}" for name in BOTH])
        (tmp_path / part / "labels").mkdir()
        for name in "ab":
            label = (name == "b") == (at == 0)
            text = f"{int(label)} 0.5 0.5 {0.1 + at / 10} 0.5\r\n"
            (tmp_path / part / "labels" / f"{name}.txt").write_text(text)
    (tmp_path / "classes.txt").write_text("benign\nmalignant\n")
    frame, _ = imported(tmp_path)
    assert frame[["label", "split"]].agg("/".join, axis=1).to_dict() == {
        "train/images/a.png": "benign/train",
        "train/images/b.png": "malignant/train",
        "valid/images/a.png": "malignant/validation",
        "valid/images/b.png": "benign/validation",
    }
    assert box_of(frame, "valid/images/a.png") == pytest.approx([24, 11, 36, 33])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0.5 0.5 0.5 0.25 0.9", "a box with a confidence is a prediction"),
        ("30 20 10 10", "no shares of the image"),
        ("0.5 0.5 0.5", "has 4 numbers"),
        ("0.5 0.5 x 0.5", "is not the number of a class"),
        ("0.5 0.5 nan 0.5", "is not the number of a class"),
    ],
)
def test_lines_that_are_not_yolo_are_refused_by_row(tmp_path: Path, line: str, why: str) -> None:
    yolo(tmp_path, "0.5 0.5 0.5 0.25", line)
    with pytest.raises(InputError, match=why) as told:
        imported(tmp_path)
    assert "labels/train/a.txt:2: " in str(told.value)
    assert not (tmp_path / "manifest.csv").exists()


def test_classes_of_yolo_without_names_have_to_be_named(tmp_path: Path) -> None:
    yolo(tmp_path, "0.5 0.5 0.5 0.25", names="")
    with pytest.raises(InputError, match=r"numbers without a name.*--class NAME=0 --class NAME=1"):
        imported(tmp_path)
    frame, _ = imported(tmp_path, classes=["malignant=0", "benign=1"])
    assert frame["label"].tolist() == ["malignant", "benign"]


def test_a_class_of_yolo_that_has_no_name_is_refused(tmp_path: Path) -> None:
    yolo(tmp_path, "0.5 0.5 0.5 0.25", names="names:\n  0: benign\n")
    with pytest.raises(InputError, match="has class 1, which has no name"):
        imported(tmp_path)


def test_four_corners_in_every_line_are_turned_boxes(tmp_path: Path) -> None:
    yolo(tmp_path, "0.2 0.5 0.5 0.25 0.8 0.5 0.5 0.75")  # in pixels no right angles
    frame, report = imported(tmp_path)
    assert box_of(frame, "images/train/a.png") == pytest.approx([12, 11, 48, 33])
    assert "mask" not in frame
    assert "corners of a turned box" in report


def cvat(folder: Path, *shapes: str) -> None:
    write_images(folder, BOTH)
    images = "".join(
        f'<image id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}">'
        + "".join(shapes).replace("LABEL", "benign" if name < "b" else "malignant")
        + "</image>"
        for name in BOTH
    )
    (folder / "annotations.xml").write_text(f"<annotations>{images}</annotations>")


def test_boxes_of_cvat_turn_about_their_middle(tmp_path: Path) -> None:
    corners = 'xtl="10" ytl="10" xbr="30" ybr="20"'
    cvat(tmp_path, f'<box label="LABEL" {corners} rotation="90"/>')
    frame, _ = imported(tmp_path)
    assert box_of(frame, "a.png") == pytest.approx([15, 5, 25, 25])


def test_tags_of_cvat_are_labels_of_images_and_attributes_may_be(tmp_path: Path) -> None:
    box = 'xtl="10" ytl="10" xbr="30" ybr="20"'
    cvat(
        tmp_path,
        '<tag label="LABEL"/>',
        f'<box label="nodule" {box}><attribute name="side">LABEL side</attribute></box>',
        '<points label="nodule" points="1,2;3,4"/>',
    )
    frame, report = imported(tmp_path)
    assert frame["label"].tolist() == ["benign", "malignant"]
    assert "2 x points, which has no area" in report
    by_side, _ = imported(tmp_path, label="side", force=True)
    assert by_side["label"].tolist() == ["benign side", "malignant side"]


def test_tracks_of_cvat_are_refused(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text('<annotations><track id="0"/></annotations>')
    with pytest.raises(InputError, match="export it as 'CVAT for images'"):
        imported(tmp_path)


def test_cases_of_ddti_keep_rows_whose_outlines_are_cut_short_or_missing(tmp_path: Path) -> None:
    write_images(tmp_path, ["1_1.jpg", "1_2.jpg", "2_1.jpg", "2_2.jpg", "3_1.jpg"])
    whole = svg([SQUARE, SQUARE + 20])
    (tmp_path / "1.xml").write_text(ddti_text("1", {"1": whole, "2": whole[:-60]}, "2"))
    (tmp_path / "2.xml").write_text(ddti_text("2", {"1": ""}, "4c"))
    (tmp_path / "3.xml").write_text(ddti_text("3", {"1": whole}, ""))
    frame, report = imported(tmp_path, classes=["benign=2", "malignant=4c"])
    assert frame["label"].to_dict() == {
        "1_1.jpg": "benign", "1_2.jpg": "benign", "2_1.jpg": "malignant", "2_2.jpg": "malignant",
    }  # fmt: skip
    assert frame["mask"].tolist() == ["masks/1_1.png", "", "", ""]
    assert frame["patient"].tolist() == ["1", "1", "2", "2"]
    assert frame["tirads"].tolist() == ["2", "2", "4c", "4c"]
    assert box_of(frame, "1_1.jpg") == [10, 4, 40, 34]
    assert "1 x outlines are cut short or damaged in the file: 1.xml: mark of 1_2.jpg" in report
    assert "1 x image without a class: 3_1.jpg" in report
