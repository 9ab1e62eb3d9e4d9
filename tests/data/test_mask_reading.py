"""What the values of a mask mean, however it was written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mask_encodings import (
    BLACK,
    BLURRED,
    GREEN,
    MAROON,
    RED,
    TWO_VALUED,
    WHITE,
    as_bytes,
    coloured,
    grey,
    indexed,
)
from PIL import Image

from abl.data.masks.files import mask_values_of
from abl.data.masks.reading import ReadMask, read_mask
from abl.data.masks.rule import MaskDoubtError, MaskRule

HEIGHT, WIDTH = 48, 64
Y, X = np.mgrid[:HEIGHT, :WIDTH] + 0.5


def ellipse(x: float, y: float, a: float, b: float) -> np.ndarray:
    return ((X - x) / a) ** 2 + ((Y - y) / b) ** 2 <= 1


MASK = ellipse(30, 20, 14, 9)
STRIPE = X < 8  # touches the border, and no nodule of MASK


def read(content: bytes, **rule: object) -> ReadMask:
    return read_mask(mask_values_of(content), MaskRule(**rule))  # type: ignore[arg-type]


nodules = st.lists(
    st.builds(ellipse, st.floats(12, 52), st.floats(10, 38), st.floats(3, 11), st.floats(3, 9)),
    min_size=1,
    max_size=3,
).map(lambda parts: np.logical_or.reduce(parts))


@settings(max_examples=400, deadline=None)
@given(nodules, st.integers(0, 3))
def test_the_same_mask_in_24_encodings_is_the_same_array(mask: np.ndarray, turns: int) -> None:
    mask = np.ascontiguousarray(np.rot90(mask, turns))
    for name, encode in TWO_VALUED.items():
        found = read(encode(mask))
        assert np.array_equal(found.nodule, mask), name
        assert not found.is_soft, name


@settings(max_examples=400, deadline=None)
@given(nodules)
def test_compressed_masks_are_cut_in_the_middle_without_alarm(mask: np.ndarray) -> None:
    for name, encode in BLURRED.items():
        found = read(encode(mask))
        assert found.is_soft, name
        # compression moves a pixel of the edge here and there
        assert (found.nodule != mask).sum() <= 0.04 * mask.sum() + 3, name


def test_what_was_read_rightly_is_known_as_that() -> None:
    same = {name for name, encode in TWO_VALUED.items() if read(encode(MASK)).was_read}
    assert same == {
        "0 and 255", "16 bits, 0 and 65535", "1 bit", "1 bit, fax",
        "palette that begins with white", "GIF",
        "8 bits, 0 is white", "16 bits, 0 is white",
    }  # fmt: skip


@pytest.mark.parametrize("factor", [2, 4])
def test_smooth_edges_are_a_soft_mask(factor: int) -> None:
    size = (WIDTH * factor, HEIGHT * factor)
    large = np.kron(MASK, np.ones((factor, factor), bool))
    for picture in (Image.fromarray(MASK * np.uint8(255)), coloured(MASK, BLACK, RED)):
        for method in (Image.Resampling.BILINEAR, Image.Resampling.LANCZOS):
            found = read(as_bytes(picture.resize(size, method)))
            assert found.is_soft
            assert (found.nodule != large).mean() < 0.01


def test_a_soft_mask_is_cut_at_half_of_its_range_or_where_it_is_said() -> None:
    level = np.exp(-np.log(2) * (((X - 30) / 14) ** 2 + ((Y - 20) / 9) ** 2))
    for values in ((level * 255).astype(np.uint8), (level * 65535).astype(np.uint16)):
        assert (read(grey(values)).nodule != MASK).mean() < 0.01
        low = read(grey(values), cut=0.25)
        np.testing.assert_array_equal(low.nodule, values / np.iinfo(values.dtype).max > 0.25)
    shares = grey(level.astype(np.float32), "TIFF")
    assert (read(shares).nodule != MASK).mean() < 0.01
    alpha = np.dstack([np.zeros((HEIGHT, WIDTH, 3)), level * 255]).astype(np.uint8)
    assert (read(grey(alpha)).nodule != MASK).mean() < 0.01


def test_shades_that_never_reach_half_are_asked_about() -> None:
    level = np.exp(-(((X - 30) / 14) ** 2 + ((Y - 20) / 9) ** 2))
    faint = grey((level * 100).astype(np.uint8))
    with pytest.raises(MaskDoubtError, match=r"values up to \d+ of 255.*mask_cut: 0\.19"):
        read(faint)
    assert read(faint, cut=0.2).nodule.any()
    assert not read(faint, cut=0.5).nodule.any()


@pytest.mark.parametrize("name", ["0 and 255", "0 and 1", "1 bit", "black on clear", "JPEG"])
def test_an_inverted_mask_is_asked_about(name: str) -> None:
    content = (TWO_VALUED | BLURRED)[name](~MASK)
    with pytest.raises(MaskDoubtError, match=r"may be inverted.*100 % of its border.*mask_invert"):
        read(content)
    assert (read(content, inverted=True).nodule != MASK).sum() <= 8
    assert (read(content, inverted=False).nodule != ~MASK).sum() <= 8


def test_the_ground_of_an_inverted_mask_on_black_margins_is_asked_about() -> None:
    inside = (X > 7) & (X < 57) & (Y > 3) & (Y < 45)
    with pytest.raises(MaskDoubtError, match="may be inverted"):
        read(grey((inside & ~MASK) * np.uint8(255)))


@pytest.mark.parametrize("mask", [ellipse(32, 24, 31, 23), ellipse(0, 0, 20, 20), X < 20])
def test_large_nodules_and_those_at_the_border_are_no_doubt(mask: np.ndarray) -> None:
    assert np.array_equal(read(grey(mask.astype(np.uint8))).nodule, mask)


def test_a_mask_that_is_not_inverted_as_the_others_is_told() -> None:
    with pytest.raises(MaskDoubtError, match="is not inverted as mask_inverted: yes says"):
        read(grey(MASK * np.uint8(255)), inverted=True)


@pytest.mark.parametrize(
    ("content", "shown", "typed"),
    [
        (grey((MASK + 2 * STRIPE).astype(np.uint8)), r"0 \(7.*, 1 \(1.*, 2 \(1", "1"),
        (grey(np.where(STRIPE, 255, MASK).astype(np.uint8)), r"1 \(1.*, 255 \(1", "1"),
        (grey((MASK + 2 * STRIPE).astype(np.uint16)), r"1 \(1.*, 2 \(1", "1"),
        (as_bytes(indexed(MASK + 2 * STRIPE, [BLACK, MAROON, GREEN])), r"1 \(1.*, 2 \(1", "1"),
        (
            as_bytes(Image.fromarray(np.where(
                STRIPE[..., None], GREEN, np.where(MASK[..., None], RED, BLACK)
            ).astype(np.uint8))),
            r"#000000 \(7.*#ff0000 \(1.*#00ff00 \(1", "'#ff0000'",
        ),
    ],
)  # fmt: skip
def test_label_maps_are_refused_with_their_values(content: bytes, shown: str, typed: str) -> None:
    with pytest.raises(MaskDoubtError, match=rf"holds 3 values: .*{shown}.*mask_value: {typed}"):
        read(content)
    value = typed.strip("'")
    found = read(content, values=(int(value) if value.isdigit() else value,)).nodule
    assert np.array_equal(found, MASK)


def test_a_label_map_in_jpeg_is_refused_too() -> None:
    with pytest.raises(MaskDoubtError, match=r"holds \d+ values"):
        read(grey(np.where(STRIPE, 255, MASK * 128).astype(np.uint8), "JPEG"))
    with pytest.raises(MaskDoubtError, match="compression changes them"):
        read(grey((MASK * 1 + STRIPE * 20).astype(np.uint8), "JPEG", quality=95), values=(1,))


def test_values_may_be_a_list_a_colour_or_transparent() -> None:
    labels = grey((MASK + 2 * STRIPE).astype(np.uint8))
    assert np.array_equal(read(labels, values=(1, 2)).nodule, MASK | STRIPE)
    assert not read(labels, values=(7,)).nodule.any()
    palette = as_bytes(indexed(MASK + 2 * STRIPE, [BLACK, MAROON, GREEN]))
    assert np.array_equal(read(palette, values=("#800000",)).nodule, MASK)
    holes = as_bytes(coloured(~MASK, (0, 0, 0, 0), (9, 9, 9, 255)))
    assert np.array_equal(read(holes, values=("transparent",)).nodule, MASK)


def test_a_fan_on_nothing_is_one_ground() -> None:
    fan = np.dstack([np.repeat(MASK[..., None] * 255, 3, 2), ~STRIPE * 255]).astype(np.uint8)
    assert np.array_equal(read(grey(fan)).nodule, MASK)


def test_one_value_is_no_nodule_or_a_question() -> None:
    nothing = np.zeros((HEIGHT, WIDTH), np.uint8)
    for content in (grey(nothing), as_bytes(Image.new("RGBA", (WIDTH, HEIGHT)))):
        assert not read(content).nodule.any()
    with pytest.raises(MaskDoubtError, match="is 255 all over"):
        read(grey(nothing + 255))
    assert read(grey(nothing + 255), inverted=False).nodule.all()
    assert not read(grey(nothing + 255), inverted=True).nodule.any()
    # white is the ground of the set's other masks
    white = mask_values_of(as_bytes(coloured(MASK & False, WHITE, RED)))
    assert not read_mask(white, MaskRule(), frozenset({"255"})).nodule.any()


def test_a_picture_is_no_mask() -> None:
    colours = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    with pytest.raises(MaskDoubtError, match="is a picture in"):
        read(grey(colours))
    with pytest.raises(MaskDoubtError, match=r"falls into \d+ pieces"):
        read(grey(colours[..., 0]))
    assert read(grey(colours[..., 0]), cut=0.5, inverted=False).nodule.any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.integers(1, 300))
def test_whatever_the_values_a_mask_is_read_or_refused(seed, height, width, most) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(0, most, (height, width))
    for content in (
        grey(values.astype(np.uint16)),
        grey(draw.integers(0, min(most, 256), (height, width, 4)).astype(np.uint8)),
        grey(np.where(draw.random((height, width)) < 0.5, 0, values).astype(np.float32), "TIFF"),
    ):
        for rule in ({}, {"inverted": True}, {"cut": 0.3}, {"values": (1, "#010203")}):
            try:
                said, found = "", read(content, **rule).nodule
            except MaskDoubtError as error:
                said, found = str(error), None
            assert "\n" not in said
            assert found is None or found.shape == (height, width)
