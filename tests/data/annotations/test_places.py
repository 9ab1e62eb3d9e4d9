"""Where regions lie: run lengths, boxes of every format, images turned by EXIF, odd outlines."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pycocotools import mask as coco_mask
from written import HEIGHT, WIDTH, filled, plain_counts

from abl.data.annotations.fill import (
    compressed_counts,
    ellipse_outline,
    filled_polygons,
    run_lengths,
)
from abl.data.annotations.places import DrawnRegions, OtherSizeError, UnknownFrameError, place_of
from abl.data.annotations.regions import AnnotatedImage, Bitmap, Region
from abl.data.images import decoded_file

SQUARE = np.array([(10, 4), (20, 4), (20, 14), (10, 14)], float)
masks = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(mask=masks)
def test_run_lengths_are_those_of_coco(mask: np.ndarray) -> None:
    height, width = mask.shape
    runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    counts = compressed_counts(runs["counts"].decode())
    np.testing.assert_array_equal(run_lengths(counts, height, width), mask)
    plain = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    np.testing.assert_array_equal(coco_mask.decode(plain).astype(bool), mask)
    by_rows = plain_counts(mask, "C")
    np.testing.assert_array_equal(run_lengths(by_rows, height, width, by_rows=True), mask)


@given(text=st.text(st.characters(max_codepoint=130), max_size=20))
def test_damaged_run_lengths_are_refused_or_whole(text: str) -> None:
    try:
        pixels = run_lengths(compressed_counts(text), 5, 4)
    except ValueError:
        return
    assert pixels.shape == (5, 4)


@pytest.mark.parametrize("counts", [[5, 5], [20, -1, 1], [0.5, 19.5], [2**70], []])
def test_run_lengths_of_another_number_of_pixels_are_refused(counts: list[float]) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        run_lengths(counts, 5, 4)


def test_a_pixel_belongs_to_an_outline_if_its_centre_does() -> None:
    # around the centres of columns 3 to 6 and rows 2 to 4 alone
    corners = np.array([(3.3, 2.3), (6.7, 2.3), (6.7, 4.7), (3.3, 4.7)])
    rows, columns = np.nonzero(filled_polygons([corners], 9, 9))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 4, 3, 6)


@given(
    radius=st.floats(6, 40),
    middle=st.tuples(st.floats(45, 55), st.floats(45, 55)),
    angle=st.floats(-4, 4),
)
def test_an_ellipse_has_the_area_and_the_axes_it_says(
    radius: float, middle: tuple[float, float], angle: float
) -> None:
    outline = ellipse_outline(middle, (radius, radius / 2), angle)
    area = filled_polygons([outline], 100, 100).sum()
    assert area == pytest.approx(math.pi * radius * radius / 2, abs=1.2 * radius)
    along = outline - np.array(middle)
    far = along[np.linalg.norm(along, axis=1).argmax()]
    assert abs(far @ (-math.sin(angle), math.cos(angle))) < 1e-6


@pytest.mark.parametrize("value", [math.nan, math.inf, -1e9, 1e300])
def test_an_outline_far_outside_its_image_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="far outside"):
        filled_polygons([np.array([(1, 1), (value, 2), (5, 5.0)])], 20, 20)


def place(
    folder: Path, *regions: Region, frame: str | None = None, **of_image: object
) -> DrawnRegions:
    image = AnnotatedImage("a.jpg", regions, **of_image)  # type: ignore[arg-type]
    return place_of(image, regions, folder, frame)


def write(folder: Path, orientation: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("L", size, 90).save(folder / "a.jpg", exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_and_boxes_turn_with_the_pixels_they_were_drawn_on(
    tmp_path: Path, orientation: int
) -> None:
    # a bright nodule in the stored pixels: where it is after reading is where the mask has to be
    pixels = np.full((HEIGHT, WIDTH), 30, np.uint8)
    nodule = filled([SQUARE])
    pixels[nodule] = 220
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    seen = decoded_file(str(tmp_path), "a.png") > 127
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    for region in (
        Region(polygons=(SQUARE,)),
        Region(bitmap=Bitmap(lambda: nodule, whole=True)),
        Region(box=(10, 4, 20, 14)),
    ):
        image = AnnotatedImage("a.png", (region,), (HEIGHT, WIDTH))
        found = place_of(image, image.regions, tmp_path, "stored" if orientation < 5 else None)
        assert found.box == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        if region.has_outline:
            np.testing.assert_array_equal(found.mask, seen)


def test_annotations_of_the_turned_image_stay_where_they_are(tmp_path: Path) -> None:
    write(tmp_path, orientation=6)
    found = place(tmp_path, Region(polygons=(SQUARE,)), size=(WIDTH, HEIGHT))
    np.testing.assert_array_equal(found.mask, filled([SQUARE], WIDTH, HEIGHT))


@pytest.mark.parametrize(
    ("orientation", "size"), [(6, None), (3, (HEIGHT, WIDTH)), (3, None), (2, None)]
)
def test_where_nothing_tells_which_pixels_were_annotated_it_is_asked(
    tmp_path: Path, orientation: int, size: tuple[int, int] | None
) -> None:
    write(tmp_path, orientation)
    with pytest.raises(UnknownFrameError, match="--exif stored or --exif upright"):
        place(tmp_path, Region(box=(1, 2, 3, 4)), size=size)
    assert place(tmp_path, size=size).box is None  # nothing annotated, nothing to ask
    upright = place(tmp_path, Region(box=(1, 2, 3, 4)), size=size, frame="upright")
    assert upright.box == (1, 2, 3, 4)
    stored = place(tmp_path, Region(box=(1, 2, 3, 4)), size=size, frame="stored")
    assert stored.box != (1, 2, 3, 4)


@pytest.mark.parametrize("orientation", [1, 6])
def test_an_image_of_another_size_is_not_taken(tmp_path: Path, orientation: int) -> None:
    write(tmp_path, orientation)
    with pytest.raises(OtherSizeError, match="annotated at 120 x 88, is"):
        place(tmp_path, Region(box=(1, 2, 3, 4)), size=(88, 120))


def test_a_turned_image_without_regions_is_taken_whatever_its_size(tmp_path: Path) -> None:
    write(tmp_path, orientation=6)
    assert place(tmp_path, size=(HEIGHT, WIDTH)).faults == ()


def test_a_mask_lacks_no_region(tmp_path: Path) -> None:
    write(tmp_path)
    outline, box = Region(polygons=(SQUARE,)), Region(box=(30.5, 20, 40, 70))
    both = place(tmp_path, outline, box)
    assert both.mask is None
    assert both.box == (10, 4, 40, HEIGHT)  # cut at the edge of the image
    broken = place(tmp_path, outline, Region(fault="coordinates are not numbers", at="shape 1"))
    assert broken.mask is None
    assert broken.box is None
    assert broken.faults == (("shape 1", "coordinates are not numbers"),)


@pytest.mark.parametrize(
    "corners",
    [[(5, 5), (9, 9)], [(5, 5)], [(1, 1), (5, 5), (9, 9)], [(70, 5), (80, 5), (80, 9)],
     [(5.1, 5.1), (5.3, 5.1), (5.2, 5.3)]],
)  # fmt: skip
def test_an_outline_that_fills_nothing_is_told_and_passed_over(
    tmp_path: Path, corners: list[tuple[float, float]]
) -> None:
    write(tmp_path)
    empty = Region(polygons=(np.array(corners, float),), at="shape 3")
    found = place(tmp_path, empty, Region(polygons=(SQUARE,)))
    assert found.faults == (("shape 3", "outline fills no pixel"),)
    np.testing.assert_array_equal(found.mask, filled([SQUARE]))
    alone = place(tmp_path, empty)
    assert alone.mask is None
    assert alone.box is None


def test_pixels_beside_the_image_are_cut_off(tmp_path: Path) -> None:
    write(tmp_path)
    full = np.ones((10, 10), bool)
    for left, top in ((-4, -3), (WIDTH - 4, HEIGHT - 3), (WIDTH + 5, 2), (-20, -20)):
        found = place(tmp_path, Region(bitmap=Bitmap(lambda: full, left, top)))
        wanted = np.zeros((HEIGHT, WIDTH), bool)
        wanted[max(top, 0) : max(top + 10, 0), max(left, 0) : max(left + 10, 0)] = True
        assert (found.mask is None) == (not wanted.any())
        if found.mask is not None:
            np.testing.assert_array_equal(found.mask, wanted)


def test_boxes_are_written_without_rounding(tmp_path: Path) -> None:
    from abl.data.annotations.importing import ImportOptions, import_annotations

    for at in (0, 1):
        Image.new("L", (1280, 960), 9).save(tmp_path / f"{at}.png")
        (tmp_path / f"{at}.txt").write_text(f"{at} 0.5 0.5 0.123456789 0.25\n")
    (tmp_path / "classes.txt").write_text("benign\nmalignant\n")
    import_annotations(tmp_path, tmp_path / "manifest.csv", ImportOptions())
    frame = pd.read_csv(tmp_path / "manifest.csv")
    x0, x1 = 640 - 1280 * 0.123456789 / 2, 640 + 1280 * 0.123456789 / 2
    assert frame["box_x0"].tolist() == pytest.approx([x0, x0], abs=1e-5)
    assert frame["box_x1"].tolist() == pytest.approx([x1, x1], abs=1e-5)
    assert frame["box_y1"].tolist() == [600, 600]
