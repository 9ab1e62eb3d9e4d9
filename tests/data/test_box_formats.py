"""Boxes as tools write them: read by `box_format`, or told which it looks like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import noise_image, write_set

from abl.data.box_formats import FORMATS, in_pixels
from abl.data.checks.alike_notes import merged_notes
from abl.data.checks.checking import check_report
from abl.data.checks.image_checks import check_images
from abl.data.dataset import BOX, ROI
from abl.data.load import load_dataset
from abl.data.manifest import load_manifest
from abl.errors import InputError
from abl.spec.data import Data

HEIGHT, WIDTH = 48, 96
TRUE = np.array([[0, 0, 10, 12], [39, 27, 69, 48], [13, 6, 96, 47], [80, 30, 90, 40]], float)


def written_as(name: str, boxes: np.ndarray = TRUE) -> np.ndarray:
    """Boxes in pixels (x1, y1 exclusive) as a tool of this format writes them: by hand."""
    x0, y0, x1, y1 = boxes.T
    width, height, sides = x1 - x0, y1 - y0, np.array([WIDTH, HEIGHT] * 2)
    corners = boxes
    sized = np.stack([x0, y0, width, height], axis=1)
    centred = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, width, height], axis=1)
    return {
        "pixels": corners,
        "inclusive": np.stack([x0, y0, x1 - 1, y1 - 1], axis=1),
        "one_based": np.stack([x0 + 1, y0 + 1, x1, y1], axis=1),
        "xywh": sized,
        "cxcywh": centred,
        "shares": corners / sides,
        "shares_xywh": sized / sides,
        "yolo": centred / sides,
    }[name]


def manifest(folder: Path, boxes: np.ndarray, *, digits: int = 6, names: tuple = BOX) -> Path:
    images = [noise_image(seed, HEIGHT, WIDTH) for seed in range(len(boxes))]
    texts = {name: [f"{v:.{digits}g}" for v in boxes[:, at]] for at, name in enumerate(names)}
    return write_set(folder, images, texts)


def told(path: Path, **how: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        check_images_of(path, **how)
    return [str(problem) for problem in caught.value.problems]


def check_images_of(path: Path, **how: object) -> None:
    if problems := check_images(load_manifest(path, **how)):
        raise InputError(problems)


@pytest.mark.parametrize("digits", [4, 6])
@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_read_as_the_same_pixels(tmp_path: Path, name: str, digits: int) -> None:
    path = manifest(tmp_path, written_as(name), digits=digits)
    data = Data(manifest=path.name, box_format=name)
    frame = load_dataset(data, base=tmp_path).frame
    np.testing.assert_allclose(frame[list(BOX)].to_numpy(), TRUE, atol=1e-9)
    assert check_images(load_dataset(data, base=tmp_path)) == []


def test_regions_are_of_the_same_format(tmp_path: Path) -> None:
    frame = load_manifest(
        manifest(tmp_path, written_as("yolo"), names=ROI), box_format="yolo"
    ).frame
    np.testing.assert_allclose(frame[list(ROI)].to_numpy(), TRUE)


@pytest.mark.parametrize("name", ["shares", "shares_xywh", "yolo"])
def test_shares_taken_for_pixels_are_refused_with_what_to_type(tmp_path: Path, name: str) -> None:
    (line,) = told(manifest(tmp_path, written_as(name)))
    assert "all 4 boxes (box_x0, ...) lie within 1 x 1 pixel: shares of the image" in line
    assert f"data: {{box_format: {name}}} (" in line
    if name == "yolo":  # as corners some would be inverted
        assert "box_format: shares}" not in line


def test_a_share_among_pixels_is_told_by_its_row(tmp_path: Path) -> None:
    boxes = TRUE.copy()
    boxes[2] = (0.2, 0.2, 0.6, 0.5)
    (line,) = told(manifest(tmp_path, boxes))
    assert ":4: box (0.2, 0.2, 0.6, 0.5) lies within the first pixel" in line


@pytest.mark.parametrize("name", ["xywh", "cxcywh"])
def test_corner_and_size_taken_for_corners_are_told_once(tmp_path: Path, name: str) -> None:
    (line,) = told(manifest(tmp_path, written_as(name)))
    assert "rows x1 is not above x0, or y1 not above y0" in line
    assert f"box_format: {name}}}" in line


def test_one_inverted_box_stays_a_fault_of_its_row(tmp_path: Path) -> None:
    boxes = TRUE.copy()
    boxes[1] = boxes[1, [2, 1, 0, 3]]
    (line,) = told(manifest(tmp_path, boxes))
    assert ":3: box is inverted or empty" in line


def test_pixels_under_a_format_of_shares_are_refused(tmp_path: Path) -> None:
    (line,) = told(manifest(tmp_path, TRUE), box_format="yolo")
    assert "have values up to 96, and box_format: yolo wants shares" in line


def test_pixels_read_as_corner_and_size_leave_their_images(tmp_path: Path) -> None:
    lines = told(manifest(tmp_path, TRUE), box_format="xywh")
    assert len(lines) == 3
    assert all("leaves the image" in line for line in lines)


@pytest.mark.parametrize(("name", "words"), [("one_based", "begin at 1"), ("inclusive", "ends")])
def test_inclusive_ends_are_told_where_they_can_be_seen(
    tmp_path: Path, name: str, words: str
) -> None:
    report = check_report(manifest(tmp_path, written_as(name)), ("benign", "malignant"))
    (line,) = [line for line in report.splitlines() if "box_format" in line]
    assert "warning" in line
    assert words in line
    assert f"box_format: {name}}}" in line


def test_boxes_in_the_upper_left_that_fit_as_sizes_are_doubted(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    low = draw.integers(0, 12, (12, 2))
    sizes = draw.integers(16, 24, (12, 2))  # larger than the corner: never inverted
    report = check_report(manifest(tmp_path, np.hstack([low, sizes])), ("benign", "malignant"))
    assert "never pass the image's end in 12 rows" in report
    whole = check_report(manifest(tmp_path / "b", np.tile(TRUE, (3, 1))), ("benign", "malignant"))
    assert "box_format" not in whole


def test_a_phantom_has_no_other_format() -> None:
    with pytest.raises(ValueError, match="the phantom has pixels"):
        Data(phantom={}, box_format="yolo")


@given(st.data())
def test_a_box_written_and_read_is_itself(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FORMATS)))
    x0, y0 = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
    x1 = data.draw(st.integers(x0 + 1, WIDTH))
    y1 = data.draw(st.integers(y0 + 1, HEIGHT))
    box = np.array([[x0, y0, x1, y1]], float)
    written = np.round(written_as(name, box), 6)
    read = in_pixels(written, np.array([[HEIGHT, WIDTH]]), name, decimals=6)
    np.testing.assert_array_equal(read, box)


def test_what_is_odd_of_two_parts_of_a_file_is_said_once() -> None:
    odd = "a1.csv: x0 + x1 never pass the end in {} rows, as if every box were small: should they?"
    notes = [odd.format(28), "2 pairs lie.", "a1.csv: 3 of 4 odd.", odd.format(14), odd.format(9)]
    other = "a2.csv: x0 + x1 never pass the end in 5 rows, as if every box were small: should they?"
    assert merged_notes([*notes, other, "a1.csv: 4 of 9 odd."], {"a1.csv", "a2.csv"}) == [
        odd.format("28 and 14 and 9"),
        "2 pairs lie.",
        "a1.csv: 3 of 4 odd.",
        other,
        "a1.csv: 4 of 9 odd.",
    ]
