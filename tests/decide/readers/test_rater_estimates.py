"""Values of raters and their covariance over cases, against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.decide.paired_tests import delong_test
from abl.decide.readers.rater_estimates import COVARIANCE_METHODS, rater_estimates
from abl.errors import InputError


def drawn(seed: int, raters: int = 3, cases: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Ratings with ties, and unequal classes."""
    draw = np.random.default_rng(seed)
    truth = (np.arange(cases) % 3 == 0).astype(int)
    shared = draw.normal(size=cases) + truth
    return np.round(shared + draw.normal(size=(raters, cases))), truth


def aucs(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """By pairs."""
    high, low = scores[:, truth == 1], scores[:, truth == 0]
    return ((np.sign(high[:, :, None] - low[:, None, :]) + 1) / 2).mean(axis=(1, 2))


def left_out(scores: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(R, R) jackknife, every value computed again."""
    values = np.array(
        [aucs(scores[:, groups != each], truth[groups != each]) for each in np.unique(groups)]
    )
    off = values - values.mean(axis=0)
    return off.T @ off * (len(values) - 1) / len(values)


def test_the_jackknife_leaves_out_cases_or_patients() -> None:
    scores, truth = drawn(1)
    found = rater_estimates(scores, truth, method="jackknife")
    np.testing.assert_allclose(found.values, aucs(scores, truth))
    np.testing.assert_allclose(found.covariance, left_out(scores, truth, np.arange(24)))
    patients = np.arange(24) // 2  # of both classes
    clustered = rater_estimates(scores, truth, method="jackknife", patients=patients)
    np.testing.assert_allclose(clustered.covariance, left_out(scores, truth, patients))
    assert (clustered.units, clustered.clustered) == (12, True)


def test_delong_is_that_of_two_classifiers() -> None:
    scores, truth = drawn(2, raters=2, cases=60)
    found = rater_estimates(scores, truth)
    known = delong_test(truth, scores[0], scores[1])
    variance = found.covariance[0, 0] + found.covariance[1, 1] - 2 * found.covariance[0, 1]
    assert (found.values[0] - found.values[1]) / np.sqrt(variance) == pytest.approx(known.statistic)


def test_images_of_a_patient_that_say_the_same_are_one() -> None:
    """Obuchowski's clustered variance of every case three times is that of the cases once."""
    scores, truth = drawn(3)
    once = rater_estimates(scores, truth)
    again = [np.repeat(each, 3, axis=-1) for each in (scores, truth, np.arange(24))]
    thrice = rater_estimates(again[0], again[1], patients=again[2])
    np.testing.assert_allclose(thrice.covariance, once.covariance)
    assert rater_estimates(again[0], again[1]).covariance[0, 0] < 0.5 * once.covariance[0, 0]


def test_the_unbiased_covariance_is_the_mean_over_distinct_quadruples() -> None:
    """E(A_r A_s) less E(A_r) E(A_s), the latter over pairs that share no case."""
    scores, truth = drawn(4, raters=2, cases=12)
    wins = (np.sign(scores[:, truth == 1][:, :, None] - scores[:, truth == 0][:, None, :]) + 1) / 2
    positives, negatives = wins.shape[1:]
    apart = [
        wins[0, i, j] * wins[1, k, m]
        for i, k in itertools.permutations(range(positives), 2)
        for j, m in itertools.permutations(range(negatives), 2)
    ]
    product = wins[0].mean() * wins[1].mean()
    found = rater_estimates(scores, truth, method="unbiased")
    assert found.covariance[0, 1] == pytest.approx(product - np.mean(apart))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(COVARIANCE_METHODS))
def test_only_the_order_of_ratings_counts_and_not_that_of_cases(seed: int, method: str) -> None:
    scores, truth = drawn(seed)
    found = rater_estimates(scores, truth, "auc", method)  # type: ignore[arg-type]
    order = np.random.default_rng(seed).permutation(len(truth))
    other = rater_estimates(np.exp(scores)[:, order], truth[order], "auc", method)  # type: ignore[arg-type]
    np.testing.assert_allclose(other.values, found.values)
    np.testing.assert_allclose(other.covariance, found.covariance, atol=1e-12)


@pytest.mark.parametrize("method", COVARIANCE_METHODS)
def test_sensitivity_hears_positives_alone(method: str) -> None:
    scores, truth = drawn(5)
    answers = (scores > 0).astype(int)
    found = rater_estimates(answers, truth, "sen", method)  # type: ignore[arg-type]
    positives = answers[:, truth == 1]
    np.testing.assert_allclose(found.values, positives.mean(axis=1))
    np.testing.assert_allclose(found.covariance, np.cov(positives) / positives.shape[1])
    flipped = np.where(truth == 1, answers, 1 - answers)
    again = rater_estimates(flipped, truth, "sen", method)  # type: ignore[arg-type]
    np.testing.assert_allclose(again.covariance, found.covariance)
    assert found.units == 8


def test_what_cannot_be_estimated_is_refused() -> None:
    scores, truth = drawn(6)
    with pytest.raises(InputError, match="take"):
        rater_estimates(scores, truth, method="unbiased", patients=np.arange(24) // 2)
    with pytest.raises(InputError, match="only 1 positive case"):
        rater_estimates(scores, np.arange(24) == 0)
    with pytest.raises(InputError, match="answers 0 and 1"):
        rater_estimates(scores, truth, "sen")
    with pytest.raises(InputError, match="1 are missing"):
        rater_estimates([[1, np.nan, 2]], [0, 1, 1])
