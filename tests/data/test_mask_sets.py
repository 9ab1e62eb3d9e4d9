"""Masks beside their images: cut alike, drawn from boxes, put elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from abl.data.dataset import BOX
from abl.data.manifest import load_manifest
from abl.data.masks.mask_sets import (
    MaskSet,
    bounding_boxes,
    boxes_elsewhere,
    ellipses,
    jittered_boxes,
    mask_problems,
    masks_digest,
    masks_key,
    open_masks,
    prepare_masks,
)
from abl.data.masks.masks_read import masks_read
from abl.data.phantom import phantom_dataset
from abl.errors import InputError
from abl.spec.data import Crop, Image, Phantom

SIZE = 32
PHANTOM = Phantom(patients=6, size=64, seed=1)


def prepared(cache: Path, image: Image, dataset=None) -> MaskSet:
    dataset = dataset or phantom_dataset(PHANTOM)
    readings = masks_read(dataset)
    key = masks_key(dataset, masks_digest(dataset, readings.marks), 1024, image)
    folder = prepare_masks(dataset, readings, key, longest_side=1024, image=image, cache=cache)
    return open_masks(folder)


def test_masks_are_those_of_their_images_reduced(tmp_path: Path) -> None:
    dataset = phantom_dataset(PHANTOM)
    found = prepared(tmp_path, Image(size=SIZE), dataset)
    rows = np.arange(len(dataset))
    assert found.known("true").all()
    taken = found.take("true", rows)
    assert taken.shape == (len(dataset), 1, SIZE, SIZE)
    for row in rows:
        whole = replace(dataset.source, modality="mask").decode(int(row))
        share = (whole > 0).mean()
        assert taken[row].mean() / 255 == pytest.approx(share, rel=0.15)


def test_masks_move_with_the_crop(tmp_path: Path) -> None:
    dataset = phantom_dataset(PHANTOM)
    boxed = Image(size=SIZE, crop=Crop(to="box", square=False))
    found = prepared(tmp_path, boxed, dataset)
    corners = dataset.frame[list(BOX)].to_numpy()
    # the window is the nodule's box, all of which is in it
    areas = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    for row, area in enumerate(areas):
        whole = replace(dataset.source, modality="mask").decode(row)
        share = found.take("true", np.array([row])).mean() / 255
        assert share == pytest.approx((whole > 0).sum() / area, rel=0.15)
    assert np.allclose(found.boxes, [0, 0, SIZE, SIZE], atol=1.0)
    assert found.take("ellipse", np.array([0])).mean() / 255 == pytest.approx(np.pi / 4, abs=0.03)


def test_an_ellipse_in_the_box_resembles_the_nodule(tmp_path: Path) -> None:
    found = prepared(tmp_path, Image(size=64))
    rows = np.arange(len(found))
    true, drawn = (found.take(source, rows) > 127 for source in ("true", "ellipse"))
    dice = 2 * (true & drawn).sum((1, 2, 3)) / (true.sum((1, 2, 3)) + drawn.sum((1, 2, 3)))
    # boxes are drawn by hand, a little wide
    assert dice.mean() > 0.7
    elsewhere = found.take("random", rows) > 127
    assert np.allclose(elsewhere.sum((1, 2, 3)), drawn.sum((1, 2, 3)), rtol=0.3, atol=12)
    overlap = (elsewhere & true).sum((1, 2, 3)) / true.sum((1, 2, 3))
    assert overlap.mean() < dice.mean() - 0.3


@given(st.lists(st.tuples(*[st.floats(0, 31, allow_nan=False)] * 4), min_size=1, max_size=5))
def test_an_ellipse_lies_in_its_box_and_marks_something(corners):
    boxes = np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in corners])
    drawn = ellipses(boxes, SIZE)
    assert (drawn.reshape(len(boxes), -1) > 0).any(axis=1).all()
    found = bounding_boxes(drawn)
    # half a pixel of room on either side for boxes smaller than one
    assert (found[:, :2] >= boxes[:, :2] - 1.5).all()
    assert (found[:, 2:] <= boxes[:, 2:] + 1.5).all()


@given(st.lists(st.integers(0, 20), min_size=4, max_size=4), st.integers(0, 5))
def test_a_box_elsewhere_keeps_its_size_and_stays_inside(numbers, name):
    x, y, width, height = numbers
    boxes = np.array([[x, y, x + width + 1, y + height + 1]], dtype=float)
    found = boxes_elsewhere(boxes, [f"{name}.png"], SIZE)
    assert np.allclose(found[:, 2:] - found[:, :2], boxes[:, 2:] - boxes[:, :2])
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:] <= SIZE).all()
    # by the name alone: other rows do not matter
    more = boxes_elsewhere(np.repeat(boxes, 3, 0), ["a", "b", f"{name}.png"], SIZE)
    assert np.array_equal(more[2], found[0])


def files(folder: Path) -> Path:
    """Three rows: a mask, a box, and neither."""
    folder.mkdir()
    grey = np.full((40, 60), 90, np.uint8)
    for name in ("a", "b", "c"):
        grey[:5, :5] = ord(name)
        Picture.fromarray(grey).save(folder / f"{name}.png")
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 20:50] = 255
    Picture.fromarray(mask).save(folder / "mask.png")
    rows = {
        "image": ["a.png", "b.png", "c.png"],
        "label": [0, 1, 0],
        "patient": [1, 2, 3],
        "mask": ["mask.png", "", ""],
        "box_x0": [None, 0, None], "box_y0": [None, 0, None],
        "box_x1": [None, 30, None], "box_y1": [None, 20, None],
    }  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


def test_a_mixture_takes_masks_where_there_are_any_and_ellipses_otherwise(tmp_path: Path) -> None:
    dataset = load_manifest(files(tmp_path / "set"), classes=("benign", "malignant"))
    image = Image(size=60, crop=Crop(square=False))
    found = prepared(tmp_path / "cache", image, dataset)
    rows = np.arange(3)
    assert found.known("true").tolist() == [True, False, False]
    assert found.known("mixed").tolist() == [True, True, False]
    mixed = found.take("mixed", rows)
    assert np.array_equal(mixed[0], found.take("true", rows)[0])
    assert np.array_equal(mixed[1], found.take("ellipse", rows)[1])
    assert not mixed[2].any()
    # the box of a row with a mask alone is the one around it, in the pixels of the view
    assert found.boxes[0] == pytest.approx([20, 15, 50, 45], abs=1.0)
    assert found.boxes[1] == pytest.approx([0, 0, 30, 30])


def test_rows_without_what_an_arm_needs_are_named(tmp_path: Path) -> None:
    dataset = load_manifest(files(tmp_path / "set"), classes=("benign", "malignant"))
    assert [problem.file for problem in mask_problems(dataset, "true")] == ["b.png", "c.png"]
    (problem,) = mask_problems(dataset, "ellipse")
    assert problem.file == "c.png"
    assert "drop_missing: [box]" in str(problem)


def test_a_mask_of_another_size_is_refused_by_name(tmp_path: Path) -> None:
    manifest = files(tmp_path / "set")
    Picture.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / "set" / "mask.png")
    dataset = load_manifest(manifest, classes=("benign", "malignant"))
    with pytest.raises(InputError, match=r"a\.png.*mask is 10 x 10 pixels, its image 60 x 40"):
        prepared(tmp_path / "cache", Image(size=60), dataset)


def test_another_mask_or_box_is_another_training(tmp_path: Path) -> None:
    dataset = load_manifest(files(tmp_path / "set"), classes=("benign", "malignant"))
    moved = replace(dataset, frame=dataset.frame.assign(box_x1=31.0))
    marks = masks_read(dataset).marks
    digests = [masks_digest(each, marks) for each in (dataset, moved)]
    assert digests[0] != digests[1]
    image = Image(size=60)
    assert masks_key(dataset, digests[0], 1024, image) != masks_key(moved, digests[1], 1024, image)


@given(st.floats(0, 1), st.integers(0, 20))
def test_jitter_moves_each_side_by_no_more_than_its_share(share: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    low = draw.uniform(0, 20, (6, 2))
    boxes = np.concatenate([low, low + draw.uniform(1, 10, (6, 2))], axis=1)
    boxes[2] = np.nan
    names = [f"i{seed}_{at}" for at in range(6)]
    moved = jittered_boxes(boxes, names, share)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    known = [0, 1, 3, 4, 5]
    assert np.isnan(moved[2]).all()
    assert (moved[known, 2:] > moved[known, :2]).all()
    if share <= 0.5:  # sides cannot pass each other
        assert (np.abs(moved - boxes)[known] <= share * sides[known] + 1e-2).all()
    # a row's box depends on its name alone
    again = jittered_boxes(boxes[[4]], [names[4]], share)
    assert np.array_equal(again[0], moved[4])


def test_jitter_of_a_set_changes_its_ellipses_and_no_true_mask(tmp_path: Path) -> None:
    found = prepared(tmp_path, Image(size=SIZE))
    rows, names = np.arange(len(found)), [f"i{at}" for at in range(len(found))]
    assert found.jittered(0, names) is found
    inexact = found.jittered(0.3, names)
    for source, same in (("true", True), ("random", True), ("ellipse", False)):
        alike = np.array_equal(inexact.take(source, rows), found.take(source, rows))
        assert alike == same, source
