"""The interval of an optimum: narrow around a clear one, wide on a flat curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from abl.decide.intervals import patient_interval
from abl.decide.optimum import SLOW_RESAMPLES, optimum_over
from abl.decide.replicates import Scores
from abl.errors import InputError

N = range(14)


def axis_of_arms(
    skills: Sequence[float], *, patients: int = 120, seeds: int = 3, folds: int = 1, draw: int = 0
) -> list[list[Scores]]:
    """One arm a skill, two images a patient, all on the same cases."""
    shared = np.random.default_rng([draw, patients])
    patient = np.repeat(np.arange(patients), 2)
    labels = patient % 2
    hard = 0.8 * shared.normal(size=patients)[patient]
    arms = []
    for at, skill in enumerate(skills):
        arm = []
        for fold in range(folds):
            mine = patient // 2 % folds == fold
            for seed in range(seeds):
                noise = np.random.default_rng([draw, at, fold, seed]).normal(size=len(patient))
                score = skill * (2 * labels - 1) + hard + 0.6 * noise
                p = 1 / (1 + np.exp(-score))
                p = np.column_stack([1 - p, p])
                arm.append(Scores(0, fold, seed, labels[mine], patient[mine], p[mine]))
        arms.append(arm)
    return arms


@pytest.mark.parametrize("metric", ["acc", "auc"])
def test_a_clear_optimum_is_found_with_a_narrow_interval(metric: str) -> None:
    arms = axis_of_arms([2.0 - 0.3 * abs(n - 6) for n in N])
    found = optimum_over(arms, metric, resamples=500)
    assert found.best == 6
    assert found.low <= 6 <= found.high
    assert found.high - found.low <= 3
    assert found.shares.sum() == pytest.approx(1)
    assert found.shares[found.low : found.high + 1].sum() >= 0.95
    assert found.patients == 120
    assert not found.few


def test_a_flat_curve_has_a_wide_interval() -> None:
    found = optimum_over(axis_of_arms([1.0] * len(N)), "acc", resamples=500)
    assert found.high - found.low >= 8
    assert found.shares.max() < 0.8


def test_the_same_seed_gives_the_same_answer_and_another_seed_nearly() -> None:
    arms = axis_of_arms([1.5 - 0.1 * abs(n - 4) for n in N])
    one, again = (optimum_over(arms, "auc", resamples=300, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.shares, again.shares)
    np.testing.assert_array_equal(one.lows, again.lows)
    other = optimum_over(arms, "auc", resamples=300, seed=4)
    assert (one.shares != other.shares).any()
    assert np.abs(one.shares - other.shares).max() < 0.2


def test_of_equal_arms_the_first_counts() -> None:
    arm = axis_of_arms([1.0])[0]
    found = optimum_over([arm, arm, arm], "acc", resamples=50)
    assert (found.best, found.low, found.high) == (0, 0, 0)
    assert found.shares.tolist() == [1, 0, 0]


def test_of_a_loss_the_least_is_best_and_slow_metrics_say_that_they_draw_less() -> None:
    arms = axis_of_arms([0.2, 2.0, 0.2], patients=30, seeds=1)
    found = optimum_over(arms, "brier", resamples=2 * SLOW_RESAMPLES)
    assert found.best == 1
    assert found.resamples == SLOW_RESAMPLES
    assert str(SLOW_RESAMPLES) in found.note


def test_bands_are_about_those_of_the_table() -> None:
    arms = axis_of_arms([0.8, 1.2], folds=2)
    found = optimum_over(arms, "acc", resamples=1000)
    for at, arm in enumerate(arms):
        interval = patient_interval(arm, "acc", resamples=1000)
        assert found.means[at] == pytest.approx(interval.estimate)
        assert found.lows[at] == pytest.approx(interval.low, abs=0.02)
        assert found.highs[at] == pytest.approx(interval.high, abs=0.02)


def test_fewer_than_three_patients_leave_the_whole_axis_open() -> None:
    found = optimum_over(axis_of_arms([0.5, 3.0, 0.5], patients=2), "acc", resamples=50)
    assert (found.low, found.high) == (0, 2)
    assert "fewer than 3 patients" in found.note
    assert np.isnan(found.lows).all()


def test_undefined_everywhere_has_no_best() -> None:
    arms = [
        [Scores(0, 0, 0, np.zeros(6, int), np.arange(6), np.full((6, 2), 0.5))] for _ in range(2)
    ]
    found = optimum_over(arms, "auc", resamples=20)
    assert (found.best, found.low, found.high) == (-1, 0, 1)


def test_what_cannot_be_ordered_is_refused() -> None:
    arms = axis_of_arms([1.0, 1.0], patients=10)
    with pytest.raises(InputError, match="at least one arm"):
        optimum_over([], "acc")
    with pytest.raises(InputError, match="no optimum"):
        optimum_over(arms, "calibration_slope")
    with pytest.raises(InputError, match="different images"):
        optimum_over([arms[0], axis_of_arms([1.0], patients=12)[0]], "acc")
