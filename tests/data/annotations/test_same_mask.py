"""The same outline in every format gives the same mask, that of pycocotools, and the same box."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from written import FORMATS, HEIGHT, WIDTH, ddti_text, filled, svg, write_images

from abl.data.annotations.importing import ImportOptions, import_annotations
from abl.data.manifest import load_manifest

BOX = ["box_x0", "box_y0", "box_x1", "box_y1"]


def polygon(rng: np.random.Generator) -> np.ndarray:
    """A star-shaped outline within the image that fills some pixels, float64 (P, 2)."""
    while True:
        corners = rng.integers(3, 9)
        angle = np.sort(rng.random(corners) + np.arange(corners)) * 2 * np.pi / corners
        radius = 4 + 8 * rng.random(corners)
        middle = rng.random(2) * (WIDTH - 26, HEIGHT - 26) + 13
        drawn = middle + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        if filled([drawn]).any():  # a sliver between pixels fills none
            return drawn


def around(mask: np.ndarray) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def masks_of(folder: Path) -> dict[str, np.ndarray]:
    frame = pd.read_csv(folder / "manifest.csv")
    return {row.image: np.asarray(Image.open(folder / row.mask)) for row in frame.itertuples()}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_format_gives_the_mask_of_coco(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    outlines = {
        "a.png": ("benign", [polygon(rng)]),
        "b.png": ("malignant", [polygon(rng), polygon(rng)]),
    }
    first, second = map(filled, zip(outlines["b.png"][1]))
    assume((first & ~second).any())  # a value a pixel: an object under another is not in VOC
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_images(folder, list(outlines))
        FORMATS[name][1](folder, outlines)
        report = import_annotations(folder, folder / "manifest.csv", ImportOptions())
        frame = pd.read_csv(folder / "manifest.csv")
        assert frame["image"].tolist() == ["a.png", "b.png"]
        assert frame["label"].tolist() == ["benign", "malignant"]
        masks = masks_of(folder)
        for row, (image, (_, polygons)) in enumerate(outlines.items()):
            wanted = filled(polygons)
            assert set(np.unique(masks[image])) == {0, 255}
            np.testing.assert_array_equal(masks[image] > 127, wanted)
            assert frame.loc[row, BOX].tolist() == around(wanted)
        assert "2 images" in report
        # what was written is a data set as it stands
        assert len(load_manifest(folder / "manifest.csv")) == 2


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1))
def test_outlines_of_ddti_give_the_mask_of_coco(seed: int) -> None:
    rng = np.random.default_rng(seed)
    polygons = [polygon(rng), polygon(rng)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_images(folder, ["7_1.jpg"])
        (folder / "7.xml").write_text(ddti_text("7", {"1": svg(polygons)}))
        options = ImportOptions(classes=["malignant=4a"])
        import_annotations(folder, folder / "manifest.csv", options)
        np.testing.assert_array_equal(masks_of(folder)["7_1.jpg"] > 127, filled(polygons))


@pytest.mark.parametrize("inner_first", [True, False])
def test_a_polygon_within_a_polygon_makes_no_hole(tmp_path: Path, inner_first: bool) -> None:
    outer = np.array([(5, 5), (40, 5), (40, 40), (5, 40)], float)
    inner = np.array([(15, 15), (25, 15), (25, 25), (15, 25)], float)
    polygons = [inner, outer] if inner_first else [outer, inner]
    outlines = {"a.png": ("benign", polygons), "b.png": ("malignant", [inner])}
    write_images(tmp_path, list(outlines))
    FORMATS["labelme"][1](tmp_path, outlines)
    import_annotations(tmp_path, tmp_path / "manifest.csv", ImportOptions())
    np.testing.assert_array_equal(masks_of(tmp_path)["a.png"] > 127, filled([outer]))
