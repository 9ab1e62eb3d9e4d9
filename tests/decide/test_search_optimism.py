"""The best of a search by chance: right on average, blind to replicates, sees a real effect."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.decide.optimum import expected_best_by_chance, expected_maximum
from abl.errors import InputError

SEARCHES = 2000


def no_effect(rng: np.random.Generator, points: int, replicates: int) -> np.ndarray:
    """Scores (P, R) in which replicates differ and points do not."""
    easy = rng.normal(0, 0.05, replicates)
    return 0.8 + easy + rng.normal(0, 0.01, (points, replicates))


def test_expected_maximum_is_that_of_the_literature() -> None:
    # Teichroew 1956; two normals: 1 / sqrt(pi)
    assert expected_maximum(1) == pytest.approx(0, abs=1e-9)
    assert expected_maximum(2) == pytest.approx(1 / math.sqrt(math.pi), abs=1e-9)
    assert expected_maximum(10) == pytest.approx(1.5387527, abs=1e-6)
    assert expected_maximum(100) == pytest.approx(2.5075936, abs=1e-6)


@pytest.mark.parametrize(("points", "replicates"), [(2, 2), (5, 3), (24, 4)])
def test_without_an_effect_the_best_is_as_expected(points: int, replicates: int) -> None:
    rng = np.random.default_rng([7, points])
    excess, p = [], []
    for _ in range(SEARCHES):
        scores = no_effect(rng, points, replicates)
        found = expected_best_by_chance(scores, maximize=True)
        excess.append(scores.mean(axis=1).max() - found.expected)
        p.append(found.p)
    error = np.std(excess, ddof=1) / math.sqrt(SEARCHES)
    assert abs(np.mean(excess)) < 4 * error
    # 5 % of searches without an effect are called one, within four standard errors
    assert abs(np.mean(np.array(p) < 0.05) - 0.05) < 4 * math.sqrt(0.05 * 0.95 / SEARCHES)


def test_the_residual_is_what_replicates_do_not_share() -> None:
    rng = np.random.default_rng(3)
    variances = [
        expected_best_by_chance(no_effect(rng, 12, 5), maximize=True).residual_sd ** 2
        for _ in range(400)
    ]
    assert np.mean(variances) == pytest.approx(0.01**2, rel=0.05)


def test_a_real_effect_is_far_above_chance() -> None:
    scores = no_effect(np.random.default_rng(1), 20, 4)
    scores[3] += 0.1
    found = expected_best_by_chance(scores, maximize=True)
    assert scores[3].mean() > found.expected + 5 * found.residual_sd
    assert found.p < 1e-4


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(2, 6))
def test_minimizing_mirrors_maximizing(seed: int, points: int, replicates: int) -> None:
    scores = no_effect(np.random.default_rng(seed), points, replicates)
    up = expected_best_by_chance(scores, maximize=True)
    down = expected_best_by_chance(-scores, maximize=False)
    assert down.expected == pytest.approx(-up.expected)
    assert (down.residual_sd, down.p) == pytest.approx((up.residual_sd, up.p))


@pytest.mark.parametrize("shape", [(6, 1), (1, 6), (1, 1)])
def test_one_replicate_or_one_point_says_nothing(shape: tuple[int, int]) -> None:
    found = expected_best_by_chance(np.ones(shape), maximize=True)
    assert all(map(math.isnan, (found.expected, found.residual_sd, found.p)))


def test_scores_without_noise_are_all_chance_or_none() -> None:
    equal = expected_best_by_chance(np.full((5, 3), 0.7), maximize=True)
    assert (equal.expected, equal.residual_sd, equal.p) == (pytest.approx(0.7), 0.0, 1.0)
    apart = expected_best_by_chance(np.array([[0.7, 0.8], [0.6, 0.7]]), maximize=True)
    assert (apart.residual_sd, apart.p) == (0.0, 0.0)


def test_scores_must_be_complete() -> None:
    with pytest.raises(InputError, match="complete points"):
        expected_best_by_chance(np.array([[0.7, math.nan], [0.6, 0.7]]), maximize=True)
    with pytest.raises(InputError, match="points, replicates"):
        expected_best_by_chance(np.ones(3), maximize=True)


def test_points_given_up_count_and_pull_the_mean_down():
    """With no effect the best of all asked points, not of the survivors, is what chance gives."""
    rng = np.random.default_rng(5)
    gaps = []
    for _ in range(400):
        scores = rng.normal(0.8, 0.03, size=(24, 5)) + rng.normal(0, 0.05, size=5)
        order = np.argsort(scores[:, :3].mean(axis=1))
        lost, kept = order[:6], order[6:]
        given_up = [scores[at, :3].tolist() for at in lost]
        found = expected_best_by_chance(scores[kept], True, given_up)
        gaps.append(scores[kept].mean(axis=1).max() - found.expected)
    assert abs(np.mean(gaps)) < 0.0027  # a fifth of the sd of a mean of five
