from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.data.crops import box_problems, boxes_for, crop_windows
from abl.data.pixels import cut, fitted
from abl.errors import InputError
from abl.spec.data import Crop


def window_of(box, height, width, **crop):
    boxes = np.array([box], dtype=float)
    return crop_windows(boxes, np.array([height]), np.array([width]), Crop(to="box", **crop))[0]


@st.composite
def boxes_in_images(draw):
    height, width = draw(st.integers(1, 80)), draw(st.integers(1, 80))
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    return (x0, y0, x1, y1), height, width


@given(boxes_in_images(), st.floats(0, 2), st.booleans())
def test_a_window_holds_its_box_and_leaves_the_image_only_where_it_is_larger(case, margin, square):
    box, height, width = case
    x0, y0, x1, y1 = window_of(box, height, width, margin=margin, square=square)
    assert x0 <= box[0]
    assert y0 <= box[1]
    assert x1 >= box[2]
    assert y1 >= box[3]
    if square:
        assert x1 - x0 == y1 - y0
    for low, high, side in ((x0, x1, width), (y0, y1, height)):
        if high - low <= side:
            assert low >= 0
            assert high <= side
        else:
            assert low <= 0
            assert high >= side


@given(boxes_in_images(), st.floats(0, 2))
def test_what_lies_outside_is_black_and_what_lies_inside_is_the_image(case, margin):
    box, height, width = case
    image = np.full((height, width, 1), 7, dtype=np.uint8)
    window = window_of(box, height, width, margin=margin)
    part = cut(image, window)
    assert part.shape[:2] == (window[3] - window[1], window[2] - window[0])
    inside = (min(window[2], width) - max(window[0], 0)) * (
        min(window[3], height) - max(window[1], 0)
    )
    assert (part == 7).sum() == inside
    assert (part == 0).sum() == part.size - inside


def test_margin_is_a_share_of_the_longer_side():
    assert window_of((40, 40, 60, 50), 100, 100, margin=0.5, square=False).tolist() == [
        30,
        30,
        70,
        60,
    ]


def test_a_window_at_the_border_is_shifted_inside():
    assert window_of((0, 0, 10, 10), 100, 100, margin=0.5).tolist() == [0, 0, 20, 20]
    assert window_of((90, 95, 100, 100), 100, 100).tolist() == [90, 90, 100, 100]


def test_a_square_frame_is_centred_between_black_bands():
    image = np.full((2, 4, 1), 9, dtype=np.uint8)
    window = crop_windows(np.empty((0, 4)), np.array([2]), np.array([4]), Crop())[0]
    np.testing.assert_array_equal(cut(image, window)[..., 0], [[0] * 4, [9] * 4, [9] * 4, [0] * 4])


def test_an_image_that_has_the_size_is_not_resampled():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 1), dtype=np.uint8)
    np.testing.assert_array_equal(fitted(image, 16, 16, 1)[0], image[..., 0])
    np.testing.assert_array_equal(
        fitted(image, 16, 16, 3), np.repeat(image.transpose(2, 0, 1), 3, 0)
    )


def test_reduction_averages_over_the_support():
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255  # without antialiasing: 0 or 255
    small = fitted(checks.astype(np.uint8)[..., None], 8, 8, 1)
    assert np.abs(small.astype(int) - 127).max() <= 2


def test_colour_becomes_luma_for_one_channel():
    green = np.zeros((4, 4, 3), dtype=np.uint8)
    green[..., 1] = 255
    assert fitted(green, 4, 4, 1).shape == (1, 4, 4)
    assert fitted(green, 4, 4, 1)[0, 0, 0] == round(0.587 * 255)


def test_images_without_a_box_are_named():
    frame = pd.DataFrame(
        {"image": ["a", "b"], "box_x0": [1, np.nan], "box_y0": 1.0, "box_x1": 5.0, "box_y1": 5.0}
    )
    with pytest.raises(InputError) as error:
        boxes_for(frame, Crop(to="box"))
    assert [problem.file for problem in error.value.problems] == ["b"]
    with pytest.raises(InputError, match="roi_x0"):
        boxes_for(frame, Crop(to="roi"))


def test_a_box_that_leaves_its_image_is_named_with_both_sizes():
    frame = pd.DataFrame(
        {"image": ["a", "b"], "box_x0": 0.0, "box_y0": 0.0, "box_x1": [10, 11], "box_y1": 5.0}
    )
    problems = box_problems(frame, np.array([5, 5]), np.array([10, 10]))
    assert problems == [
        (1, "has box (0, 0, 11, 5), which leaves the image, 10 pixels wide and 5 high")
    ]
