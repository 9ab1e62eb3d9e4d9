"""Counts of test appearances and errors, and the strict comparison with theta."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from abl.decide.audit.appearances import appearances_of
from abl.decide.consensus import more_than_share


def test_counts_by_image_and_network() -> None:
    rows = pd.DataFrame(
        [
            ("b", 1, "x", 0.8, 0.2, "P2"),
            ("b", 1, "x", 0.4, 0.6, "P2"),
            ("b", 1, "y", 0.1, 0.9, "P2"),
            ("a", 0, "x", 0.3, 0.7, "P1"),
        ],
        columns=["image", "label", "network", "p_0", "p_1", "patient"],
    )
    whole = pd.DataFrame({"image": ["a", "b", "c"], "label": [0, 1, 1], "patient": list("ABC")})
    found = appearances_of(rows, whole)
    assert found.images.tolist() == ["a", "b", "c"]
    assert found.seen.tolist() == [[1, 0], [2, 1], [0, 0]]
    assert found.wrong.tolist() == [[1, 0], [1, 0], [0, 0]]
    assert found.share_wrong.tolist()[:2] == [1, 1 / 3]
    assert np.isnan(found.share_wrong[2])
    np.testing.assert_allclose(found.p[1], [[0.6, 0.4], [0.1, 0.9]])
    assert np.isnan(found.p[0, 1]).all()
    assert found.of_network("y").times_seen.tolist() == [0, 1, 0]


def test_a_training_s_own_cut_off_decides() -> None:
    rows = pd.DataFrame(
        {"image": ["a"], "label": [1], "network": ["x"], "p_0": [0.7], "p_1": [0.3], "called": [1]}
    )
    assert appearances_of(rows).times_wrong.tolist() == [0]


@given(st.integers(0, 100), st.integers(0, 60), st.integers(0, 60))
def test_more_often_is_strict_and_exact(per_cent: int, wrong: int, more: int) -> None:
    seen = wrong + more
    found = more_than_share(np.array([wrong]), np.array([seen]), per_cent / 100)
    assert found[0] == (seen > 0 and Fraction(wrong, max(seen, 1)) > Fraction(per_cent, 100))
