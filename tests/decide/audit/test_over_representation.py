"""Exact tests of what flagged images have more often, by patient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats.contingency import odds_ratio

from abl.decide.audit.exact_association import Margins
from abl.decide.audit.over_representation import over_representation


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 12), st.integers(1, 40))
def test_one_stratum_is_fisher_s_test_and_scipy_s_interval(a: int, b: int, c: int, d: int) -> None:
    margins = Margins.of([(a + b + c + d, a + b, a + c)])
    found = margins.odds_ratio(a)
    if a + b == 0 or a + c == 0:
        assert np.isnan(found).all()
        return
    reference = odds_ratio([[a, b], [c, d]])
    ends = reference.confidence_interval(0.95)
    np.testing.assert_allclose(found, (reference.statistic, ends.low, ends.high), rtol=1e-6)
    sides = [stats.fisher_exact([[a, b], [c, d]], side).pvalue for side in ("less", "greater")]
    assert margins.p_of(a) == pytest.approx(min(1, 2 * min(sides)))


@given(st.integers(0, 8), st.integers(0, 8))
def test_interval_and_p_agree(first: int, second: int) -> None:
    margins = Margins.of([(30, 8, 10), (20, 8, 6)])
    both = first + second
    if both > margins.counts[-1]:
        return
    _, low, high = margins.odds_ratio(both)
    assert (margins.p_of(both) > 0.05) == (low < 1 < high)


def test_strata_are_pooled_and_not_merged() -> None:
    # in each stratum the two facts are independent, and merged they go together
    apart = Margins.of([(100, 50, 50), (100, 5, 5)])
    assert apart.p_of(25) == 1.0
    assert apart.odds_ratio(25)[0] == pytest.approx(1, abs=0.2)
    assert Margins.of([(200, 55, 55)]).p_of(25) < 0.01


def test_the_patient_is_the_unit() -> None:
    patients = np.repeat(np.arange(40), 3)
    has = (patients < 10)[:, None]
    flagged = np.zeros(120, dtype=bool)
    flagged[[0, 1, 2, 3, 60]] = True  # four images of two patients that have it, one of another
    row = over_representation(has, flagged, patients).iloc[0]
    assert (row["images"], row["flagged_images"]) == (30, 4)
    assert (row["patients"], row["flagged_patients"]) == (10, 2)
    reference = odds_ratio([[2, 8], [1, 29]])
    assert row["odds_ratio"] == pytest.approx(reference.statistic)
    assert row["p"] > 0.05


def test_many_images_alone_over_represent_nothing() -> None:
    # every image has the fact, and is flagged, with a chance of its own; some patients have many
    rng = np.random.default_rng(1)
    found = []
    for _ in range(60):
        patients = np.repeat(np.arange(60), rng.choice([1, 20], 60))
        has = rng.random((len(patients), 4)) < 0.05
        table = over_representation(has, rng.random(len(patients)) < 0.05, patients, draws=50)
        found += table["p"].dropna().tolist()
    assert np.mean(np.array(found) < 0.05) < 0.06


def test_small_groups_have_no_p_and_say_why() -> None:
    patients = np.arange(60)
    has = np.column_stack([patients < 4, patients >= 4, patients < 30])
    table = over_representation(has, patients < 20, patients)
    assert table["why"].tolist() == ["4 have it, fewer than 5", "4 without it, fewer than 5", ""]
    assert table["p"].isna().tolist() == [True, True, False]
    assert table["p_corrected"].isna().tolist() == [True, True, False]
    assert table["odds_ratio"].iloc[0] == np.inf  # it is said, with its interval
    assert table["low"].iloc[0] > 0


def test_without_flags_nothing_is_tested() -> None:
    table = over_representation(np.eye(20, 2, dtype=bool), np.zeros(20, bool), np.arange(20))
    assert table["why"].tolist() == ["nothing is flagged"] * 2
    assert table[["p", "p_corrected"]].isna().all(axis=None)


def test_p_is_corrected_over_the_family_and_less_than_by_holm() -> None:
    rng = np.random.default_rng(0)
    patients = np.arange(200)
    flagged = patients < 20
    one = (rng.random(200) < np.where(flagged, 0.6, 0.2))[:, None]
    noise = rng.random((200, 5)) < 0.3
    copies = np.repeat(noise, 6, axis=1)  # thirty facts that are five
    table = over_representation(np.hstack([one, copies]), flagged, patients)
    first = table.iloc[0]
    assert first["p"] < 0.01
    assert first["p"] < first["p_corrected"] < 31 * first["p"] / 2
    assert (table["p_corrected"] >= table["p"]).all()
