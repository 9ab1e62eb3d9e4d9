from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.decide.consensus import (
    class_sizes,
    correct_counts,
    false_set,
    matched_random_subset,
    topped_up,
    true_set,
)
from abl.errors import InputError


@st.composite
def panels(draw):
    panel = draw(st.integers(1, 9))
    counts = draw(st.lists(st.integers(0, panel), max_size=60))
    return np.array(counts, dtype=np.int64), panel


@given(panels(), st.data())
def test_true_n_is_the_complement_of_false_of_the_rest(counts_and_panel, data):
    counts, panel = counts_and_panel
    n = data.draw(st.integers(1, panel))
    np.testing.assert_array_equal(
        true_set(counts, n, panel), ~false_set(counts, panel + 1 - n, panel)
    )


@given(panels())
def test_sets_shrink_as_n_grows(counts_and_panel):
    counts, panel = counts_and_panel
    for n in range(1, panel):
        assert not (true_set(counts, n + 1, panel) & ~true_set(counts, n, panel)).any()
        assert not (false_set(counts, n + 1, panel) & ~false_set(counts, n, panel)).any()


def test_published_counts_agree():
    # images that at least k of 5 selectors misclassify: benign and malignant, k = 1..5
    at_least = np.array([[1657, 1378], [953, 823], [585, 544], [283, 331], [74, 99]])
    totals = (10447, 7160)
    labels, counts = [], []
    for label in (0, 1):
        exactly = -np.diff([totals[label], *at_least[:, label], 0])
        for wrong, images in enumerate(exactly):
            labels += [label] * images
            counts += [5 - wrong] * images
    for k in range(1, 6):
        found = class_sizes(labels, false_set(counts, k, 5), 2)
        assert found.tolist() == at_least[k - 1].tolist()
    assert class_sizes(labels, true_set(counts, 5, 5), 2).tolist() == [8790, 5782]
    assert class_sizes(labels, true_set(counts, 3, 5), 2).tolist() == [9862, 6616]


def test_correct_counts_use_the_final_class():
    tie, benign = [[0.5, 0.5]] * 2, [[0.9, 0.1]] * 2
    assert correct_counts([0, 1], [tie, benign, benign]).tolist() == [2, 1]


@given(st.integers(0, 1000), st.integers(1, 200))
def test_matched_subset_has_the_same_class_counts(seed, images):
    rng = np.random.default_rng(seed)
    labels, selected = rng.integers(0, 3, images), rng.random(images) < 0.6
    drawn = matched_random_subset(labels, selected, np.random.default_rng(seed))
    again = matched_random_subset(labels, selected, np.random.default_rng(seed))
    assert class_sizes(labels, drawn, 3).tolist() == class_sizes(labels, selected, 3).tolist()
    np.testing.assert_array_equal(drawn, again)


def test_matched_subset_is_not_the_selection():
    labels, selected = np.zeros(100, dtype=int), np.arange(100) < 50
    drawn = matched_random_subset(labels, selected, np.random.default_rng(0))
    assert 0 < (drawn & selected).sum() < 50


@pytest.mark.parametrize("n", [0, 6])
def test_n_beyond_the_panel(n):
    with pytest.raises(InputError, match=r"not in 1\.\.5"):
        true_set([1, 2], n, 5)
    with pytest.raises(InputError, match=r"not in 1\.\.5"):
        false_set([1, 2], n, 5)


@given(seed=st.integers(0, 2**32 - 1), least=st.integers(0, 30))
def test_topping_up_adds_the_most_agreed_on_and_takes_nothing_away(seed, least):
    rng = np.random.default_rng(seed)
    labels, counts = rng.integers(0, 2, 40), rng.integers(0, 6, 40)
    kept = true_set(counts, 5, 5)
    more = topped_up(labels, kept, counts, least)
    assert not (kept & ~more).any()
    for label in (0, 1):
        own = labels == label
        assert (more & own).sum() == max((kept & own).sum(), min(least, own.sum()))
        added, left = counts[more & ~kept & own], counts[~more & own]
        assert not (len(added) and len(left)) or added.min() >= left.max()
