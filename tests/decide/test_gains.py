"""J: a combination over the best of its members."""

from __future__ import annotations

import numpy as np
import pytest

from abl.decide.gains import gains_of, ratio_interval
from abl.decide.intervals import patient_interval
from abl.decide.replicates import Scores

PATIENTS = 120


def arm(quality: float, seed: int) -> list[Scores]:
    """Five replicates: one split of 120 patients, five seeds."""
    truth = np.random.default_rng(0)
    labels = (truth.random(PATIENTS) < 0.5).astype(np.int64)
    names = np.array([f"p{at:03d}" for at in range(PATIENTS)])
    shared = truth.normal(size=PATIENTS)
    found = []
    for replicate in range(5):
        noise = np.random.default_rng([seed, replicate]).normal(size=PATIENTS)
        score = quality * (2 * labels - 1) + shared + 0.3 * noise
        p = 1 / (1 + np.exp(-score))
        found.append(Scores(0, 0, replicate, labels, names, np.column_stack([1 - p, p])))
    return found


def test_the_ratio_is_to_the_best_member_with_an_interval_around_it() -> None:
    arms = {"a": arm(0.3, 1), "b": arm(0.6, 2), "ab": arm(1.5, 3)}
    (gain,) = gains_of(arms, {"ab": ["a", "b"]}, "auc")
    assert gain.best == "b"
    assert gain.ratio == pytest.approx(gain.value / gain.best_value)
    assert 1 < gain.ratio_low < gain.ratio < gain.ratio_high
    assert 0 < gain.low < gain.difference < gain.high


def test_of_a_metric_of_which_less_is_better_the_smallest_is_the_best() -> None:
    arms = {"a": arm(0.3, 1), "b": arm(0.6, 2), "ab": arm(1.5, 3)}
    (gain,) = gains_of(arms, {"ab": ["a", "b"]}, "brier")
    assert gain.best == "b"
    assert gain.ratio < 1


def test_nothing_gained_is_within_the_interval() -> None:
    arms = {"a": arm(0.6, 1), "ab": arm(0.6, 2)}
    (gain,) = gains_of(arms, {"ab": ["a"]}, "auc")
    assert gain.ratio_low < 1 < gain.ratio_high
    assert gain.low < 0 < gain.high
    assert gains_of(arms, {}, "auc") == []


def test_ratio_and_difference_never_disagree() -> None:
    arms = {f"a{at}": arm(0.2 + 0.012 * at, at) for at in range(24)}
    members = {f"a{at}": [f"a{(at + 11) % 24}", f"a{(at + 5) % 24}"] for at in range(24)}
    told = 0
    for metric in ("auc", "acc", "sen"):
        for gain in gains_of(arms, members, metric):
            assert (gain.ratio_low > 1) == (gain.low > 0)
            assert (gain.ratio_high < 1) == (gain.high < 0)
            assert gain.ratio_low <= gain.ratio <= gain.ratio_high
            told += gain.low > 0 or gain.high < 0
    assert 10 < told < 62  # both kinds are among them


def test_the_interval_of_a_ratio_covers_it() -> None:
    generator = np.random.default_rng(5)
    covariance = np.array([[4.0, 3.0], [3.0, 3.6]]) * 1e-4
    true = np.array([0.86, 0.80])
    of_difference = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    inside = 0
    for value, best in generator.multivariate_normal(true, covariance, size=4000):
        half = 1.96 * np.sqrt(of_difference)
        ends = (value - best - half, value - best + half)
        variances = (covariance[0, 0], covariance[1, 1], of_difference)
        low, high = ratio_interval(value, best, ends, variances)
        inside += low <= true[0] / true[1] <= high
    assert 0.94 < inside / 4000 < 0.96


def test_a_ratio_is_possible_where_two_seeds_are_far_apart() -> None:
    """Networks that fail with one of two seeds: one degree of freedom, and t of 12.7."""

    def two_seeds(good: float, bad: float, seed: int) -> list[Scores]:
        found = []
        for key, quality in enumerate((good, bad)):
            whole = arm(quality, seed + 10 * key)[key]
            for fold in range(2):
                own = np.arange(PATIENTS) % 2 == fold
                names = whole.patients[own]
                found.append(Scores(0, fold, key, whole.labels[own], names, whole.p[own]))
        return found

    arms = {"a": two_seeds(1.0, 1.2, 1), "ab": two_seeds(0.1, 3.0, 2)}
    (gain,) = gains_of(arms, {"ab": ["a"]}, "acc")
    assert gain.best_value + gain.high > 1  # the difference is not known at all
    assert 0 <= gain.ratio_low < gain.ratio < gain.ratio_high
    # no accuracy is above 1, and the best is not below its own interval
    best = patient_interval(arms["a"], "acc")
    assert gain.ratio_high == pytest.approx(1 / best.low)
