"""Share of the heat inside the nodule: whom flagged images are compared with, and how surely."""

from __future__ import annotations

import numpy as np
import pytest

from abl.decide.audit.map_shares import matched_correct, share_difference


def test_as_many_of_each_class_that_are_never_wrong() -> None:
    labels = np.arange(60) % 3
    flagged = np.isin(np.arange(60), [0, 3, 6, 1])
    share = np.where(np.arange(60) < 30, 0.4, 0.0)
    share[flagged] = 1.0
    share[59] = np.nan
    taken = matched_correct(labels, flagged, share)
    assert np.bincount(labels[taken], minlength=3).tolist() == [3, 1, 0]
    assert not (taken & flagged).any()
    assert (share[taken] == 0).all()


def test_too_few_right_ones_are_topped_up_and_never_by_wrong_or_unseen_ones() -> None:
    labels = np.zeros(8, dtype=int)
    flagged = np.arange(8) < 4
    share = np.array([1, 1, 1, 1, 0.0, 0.3, 0.6, np.nan])
    assert np.flatnonzero(matched_correct(labels, flagged, share)).tolist() == [4, 5]


def test_difference_is_that_of_means_and_its_interval_is_by_patient() -> None:
    rng = np.random.default_rng(0)
    patients = np.arange(40)
    flagged = patients < 20
    inside = np.clip(np.where(flagged, 0.2, 0.5) + rng.normal(0, 0.1, 40), 0, 1)
    area = rng.uniform(0.1, 0.3, 40)
    once = share_difference(inside, area, flagged, patients)
    assert once.difference == pytest.approx(inside[:20].mean() - inside[20:].mean())
    assert once.low < once.difference < once.high < 0
    assert once.adjusted == pytest.approx(once.difference, abs=0.05)
    copies = [np.repeat(each, 5) for each in (inside, area, flagged, patients)]
    many = share_difference(*copies)
    assert many.high - many.low == pytest.approx(once.high - once.low, rel=0.1)


def test_small_nodules_are_not_taken_for_looking_elsewhere() -> None:
    rng = np.random.default_rng(1)
    patients = np.arange(200)
    flagged = patients < 100
    area = np.where(flagged, 0.1, 0.3) + rng.uniform(0, 0.2, 200)
    inside = area + rng.normal(0, 0.02, 200)  # a flat map, but for noise
    found = share_difference(inside, area, flagged, patients)
    assert found.high < 0
    assert found.adjusted_low < 0 < found.adjusted_high
    assert found.flagged == pytest.approx(found.area_flagged, abs=0.02)


def test_without_maps_or_patients_there_is_no_interval_and_it_is_said() -> None:
    nan = np.full(20, np.nan)
    none = share_difference(nan, nan, np.arange(20) < 9, np.arange(20))
    assert none.why == "no map of a flagged image"
    assert np.isnan(none.difference)
    few = share_difference(np.linspace(0, 1, 8), np.full(8, 0.2), np.arange(8) < 4, np.arange(8))
    assert few.why == "8 patients are fewer than 10"
    assert few.difference < 0
    assert np.isnan(few.low)


def test_of_one_patient_on_a_side_there_is_no_interval() -> None:
    """Its mean would be taken for exact, however many of the other side there are."""
    patients = np.array([*range(20), 20, 20])
    inside, area = np.linspace(0, 1, 22), np.linspace(0.1, 0.2, 22)
    lone = share_difference(inside, area, patients < 20, patients)
    assert lone.why == "1 patient has right images, fewer than 5"
    assert lone.difference < 0
    assert np.isnan([lone.low, lone.high, lone.adjusted]).all()
    assert "flagged" in share_difference(inside, area, patients >= 20, patients).why
