"""The tests and intervals on data whose truth is known: two arms that are alike."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from simulated_arms import Truth, arms

from abl.decide.check import largest_class
from abl.decide.intervals import difference_interval, patient_interval
from abl.decide.metrics import scores
from abl.decide.multiple_testing import family_test
from abl.decide.paired_tests import delong_test, mcnemar_test

FEW = (35, 7, 3)
MANY = (242, 2, 3)
TEST_METRICS = ("acc", "auc", "f1")
INTERVAL_METRICS = ("acc", "auc", "sen")
SWEEPS = 1000


def null_sweep(shape, sweep, truth=Truth()):
    patients, images, seeds = shape
    # drawn after the schemes were settled: on no sweep of these were they tuned
    rng = np.random.default_rng([2026, patients, sweep])
    return arms(rng, patients, images, seeds, truth=truth)


def rejection_rates(shape, sweeps, metrics=TEST_METRICS, permutations=1000):
    rejected = np.zeros(len(metrics))
    for sweep in range(sweeps):
        arm, base = null_sweep(shape, sweep)
        rejected += [
            family_test([(arm, base)], metric, permutations=permutations)[0].p < 0.05
            for metric in metrics
        ]
    return dict(zip(metrics, rejected / sweeps, strict=True))


@cache
def expected_scores(images: int) -> dict[str, float]:
    """Metrics of one network over very many patients."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(40):
        arm, _ = arms(rng, 5000, images, 1)
        found.append(scores(INTERVAL_METRICS, arm[0].labels, arm[0].p))
    return {name: float(np.mean([each[name] for each in found])) for name in INTERVAL_METRICS}


def test_equal_arms_are_rarely_told_apart():
    # 200 sweeps: a rate of 5 % has a standard error of 1.5 %
    for metric, rate in rejection_rates(FEW, 200, ("acc", "auc")).items():
        assert 0.01 < rate < 0.09, metric


def test_seeds_as_independent_images_would_be_told_apart_far_too_often():
    naive = []
    for sweep in range(60):
        arm, base = null_sweep(FEW, sweep)
        labels = np.concatenate([each.labels for each in arm])
        first, second = (np.concatenate([each.p for each in one]) for one in (arm, base))
        naive.append(
            (
                mcnemar_test(labels, largest_class(first), largest_class(second)).p < 0.05,
                delong_test(labels, first[:, 1], second[:, 1]).p < 0.05,
            )
        )
    assert (np.mean(naive, axis=0) > 0.15).all()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [FEW, MANY])
def test_rejection_rates_under_the_null(shape):
    for metric, rate in rejection_rates(shape, SWEEPS).items():
        assert 0.03 <= rate <= 0.07, (metric, rate)


@pytest.mark.slow
def test_a_lucky_seed_passes_for_a_better_arm():
    """The limit of the test: it holds the trained networks fixed and exchanges patients alone."""
    lucky = Truth(luck=0.3)
    rejected = [
        family_test([null_sweep(MANY, sweep, lucky)], "auc", permutations=1000)[0].p < 0.05
        for sweep in range(200)
    ]
    assert np.mean(rejected) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("shape", [FEW, MANY])
def test_coverage_of_intervals(shape):
    truth = expected_scores(shape[1])
    covered = np.zeros(len(INTERVAL_METRICS))
    covered_difference = np.zeros(len(INTERVAL_METRICS))
    for sweep in range(SWEEPS):
        arm, base = null_sweep(shape, sweep)
        for column, metric in enumerate(INTERVAL_METRICS):
            interval = patient_interval(arm, metric, seed=sweep)
            covered[column] += interval.low <= truth[metric] <= interval.high
            difference = difference_interval(arm, base, metric, seed=sweep)
            covered_difference[column] += difference.low <= 0 <= difference.high
    for rates in (covered / SWEEPS, covered_difference / SWEEPS):
        for metric, rate in zip(INTERVAL_METRICS, rates, strict=True):
            assert 0.92 <= rate <= 0.97, (metric, rate)
