from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.data.pixel_sets import PairedPixels, SquarePixels, pixels_of, shuffled_partners


def squares(seed, count=6, channels=3, side=8):
    shape = (count, channels, side, side)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_squares_come_in_the_order_asked_for():
    array = squares(0)
    pixels = pixels_of(array)
    assert (len(pixels), pixels.channels) == (6, 3)
    taken = pixels.take(np.array([4, 0, 4]))
    np.testing.assert_array_equal(taken, array[[4, 0, 4]])
    taken[:] = 0  # new memory: augmentation may write into it
    assert array[4].any()
    np.testing.assert_array_equal(pixels.shapes(np.array([1, 2])), [[8, 8], [8, 8]])
    assert pixels_of(pixels) is pixels
    with pytest.raises(ValueError, match="four dimensions"):
        SquarePixels(array[0])


def test_of_a_mapped_file_only_the_rows_asked_for_are_read(tmp_path):
    np.save(tmp_path / "a.npy", squares(0, count=4000, side=32))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    pixels = SquarePixels(mapped)
    tracemalloc.start()
    taken = pixels.take(np.array([3999, 17]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken.flags.writeable
    assert peak < 10 * taken.nbytes < mapped.nbytes / 100


def test_pairs_stand_one_after_the_other_on_the_channel_axis():
    first, second = squares(0), squares(1, channels=1)
    own = PairedPixels(SquarePixels(first), SquarePixels(second))
    assert (len(own), own.channels) == (6, 4)
    rows = np.array([5, 2])
    np.testing.assert_array_equal(own.take(rows)[:, :3], first[rows])
    np.testing.assert_array_equal(own.take(rows)[:, 3:], second[rows])
    partner = np.array([1, 2, 3, 4, 5, 0])
    other = PairedPixels(SquarePixels(first), SquarePixels(second), partner)
    np.testing.assert_array_equal(other.take(rows)[:, :3], first[rows])
    np.testing.assert_array_equal(other.take(rows)[:, 3:], second[[0, 3]])
    assert other.shapes(rows).tolist() == [[8, 8], [8, 8]]


def test_a_partner_of_another_shape_is_fitted_to_the_first_image():
    first, second = squares(0), np.full((6, 1, 12, 4), 7, dtype=np.uint8)
    taken = PairedPixels(SquarePixels(first), SquarePixels(second)).take(np.arange(3))
    assert taken.shape == (3, 4, 8, 8)
    assert (taken[:, 3] == 7).all()


def test_pairs_need_as_many_of_each():
    with pytest.raises(ValueError, match="as many"):
        PairedPixels(SquarePixels(squares(0)), SquarePixels(squares(0, count=5)))
    with pytest.raises(ValueError, match="as many"):
        PairedPixels(SquarePixels(squares(0)), SquarePixels(squares(0)), np.arange(5))


@st.composite
def rows_in_parts(draw):
    """Labels, patients and three disjoint parts; some rows in none."""
    rows = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 3))))
    labels = np.array([row[0] for row in rows], dtype=np.int64)
    patients = np.array([f"p{row[1]}" for row in rows], dtype=str)
    role = np.array([row[2] for row in rows], dtype=np.int64)
    return labels, patients, [np.flatnonzero(role == each) for each in range(3)]


@settings(max_examples=300, deadline=None)
@given(rows_in_parts(), st.integers(0, 5))
def test_partners_are_of_the_same_part_and_class_and_of_another_patient(case, seed):
    labels, patients, parts = case
    partner = shuffled_partners(labels, patients, parts, seed)
    assert partner.dtype == np.int64
    np.testing.assert_array_equal(partner, shuffled_partners(labels, patients, parts, seed))
    outside = np.setdiff1d(np.arange(len(labels)), np.concatenate(parts))
    np.testing.assert_array_equal(partner[outside], outside)
    for part in parts:
        for label in np.unique(labels[part]):
            rows = part[labels[part] == label]
            given_to = partner[rows]
            assert set(given_to) <= set(rows)
            held = [int((patients[rows] == name).sum()) for name in set(patients[rows])]
            if len(held) > 1:
                assert (patients[given_to] != patients[rows]).all()
            elif len(rows) > 1:
                assert (given_to != rows).all()
            if len(held) == 1 or 2 * max(held) <= len(rows):
                assert sorted(given_to) == rows.tolist()  # each once
            else:
                uses = np.unique(given_to, return_counts=True)[1]
                others = len(rows) - max(held)
                assert uses.max() <= -(-max(held) // others)


def test_another_seed_shuffles_anew_and_test_rows_do_not_move_the_others():
    labels, patients = np.arange(80) % 2, [f"p{row // 2}" for row in range(80)]
    parts = [np.arange(40), np.arange(40, 60), np.arange(60, 80)]
    drawn = {shuffled_partners(labels, patients, parts, seed).tobytes() for seed in range(20)}
    assert len(drawn) == 20
    whole = shuffled_partners(labels, patients, parts, 0)
    fewer = shuffled_partners(labels, patients, [*parts[:2], parts[2][:10]], 0)
    np.testing.assert_array_equal(whole[:60], fewer[:60])


def test_reading_pixels_needs_neither_pandas_nor_torch():
    code = "import sys, abl.data.pixel_sets; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pandas", "torch", "ray", "mlflow"}.isdisjoint(done.stdout.split())
