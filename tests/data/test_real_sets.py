"""On public sets that are not part of the project: skipped where their folder is absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abl.data.arrays import image_array, pixel_array
from abl.data.checks.image_checks import check_images
from abl.data.duplicates.near_duplicates import duplicates_across, near_duplicate_pairs
from abl.data.load import load_dataset
from abl.data.splits.splits import split_of
from abl.errors import InputError
from abl.spec.data import Crop, Data
from abl.spec.splits import Splits

ROOT = Path(__file__).parents[2] / ".." / "shared" / "data"
IMAGES = {"ddti": 349, "bus_uclm": 260}

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="the public sets are not here")


@pytest.fixture(scope="module", params=IMAGES)
def real(request, tmp_path_factory):
    dataset = load_dataset(Data(set=request.param), base=Path.cwd(), roots=[ROOT])
    cache = tmp_path_factory.mktemp(request.param)
    return request.param, dataset, cache, image_array(dataset, cache, longest_side=512)


def test_every_image_decodes_and_every_box_and_mask_fits(real):
    name, dataset, _, array = real
    assert len(array) == IMAGES[name]
    assert check_images(dataset) == []


def test_boxes_crop(real):
    name, dataset, cache, array = real
    crop = Crop(to="box", margin=0.1)
    if name == "ddti":  # a few frames have no box: they are named, not guessed
        missing = dataset.frame.loc[dataset.frame["box_x0"].isna(), "image"].tolist()
        with pytest.raises(InputError) as error:
            pixel_array(array, cache, size=32, channels=1, crop=crop)
        assert [problem.file for problem in error.value.problems] == missing
    else:
        pixels = pixel_array(array, cache, size=32, channels=1, crop=crop)
        assert pixels.shape == (260, 1, 32, 32)
        assert pixels.reshape(260, -1).std(axis=1).min() > 1


@pytest.mark.parametrize("folds", [3, 5])
@pytest.mark.parametrize(("draw", "patients_apart", "images"), [(1, 1, 1.4), (2, 2, 1.7)])
def test_patients_with_both_classes_and_many_images_are_split_evenly(
    real, folds, draw, patients_apart, images
):
    _, dataset, _, _ = real
    frame = dataset.frame
    splits = Splits(kind="kfold", folds=folds, draw=draw)
    for repeat in range(3):
        tests = [split_of(frame, splits, repeat, fold).test for fold in range(folds)]
        assert sorted(np.concatenate(tests).tolist()) == list(range(len(frame)))
        patients = [frame["patient"].iloc[test].nunique() for test in tests]
        assert sum(patients) == frame["patient"].nunique()
        assert max(patients) - min(patients) <= patients_apart
        assert max(map(len, tests)) < images * len(frame) / folds
        if draw == 2:
            for label in (0, 1):
                rows = frame["label"].to_numpy() == label
                own = [frame["patient"].iloc[test[rows[test]]].nunique() for test in tests]
                assert max(own) - min(own) <= 1


def test_near_duplicates_lie_within_patients_but_for_one_pair(real):
    name, dataset, _, array = real
    pairs = near_duplicate_pairs(array)
    assert len(pairs) > 0
    patients = dataset.frame["patient"].to_numpy()
    across = pairs[patients[pairs["position_a"]] != patients[pairs["position_b"]]]
    if name == "ddti":
        assert len(across) == 0
    else:  # published twice, under two patients
        position_a, position_b, distance = across.to_numpy()[0]
        assert len(across) == 1
        assert distance == 0
        np.testing.assert_array_equal(array.image(position_a), array.image(position_b))
        apart = 0
        for fold in range(5):
            split = split_of(dataset.frame, Splits(kind="kfold"), 0, fold)
            roles = {role for role, rows in split.items() if {position_a, position_b} & set(rows)}
            found = duplicates_across(split, across)
            assert len(found) == len(roles) - 1
            apart += len(found)
        assert apart > 0
