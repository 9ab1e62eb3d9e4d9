"""Numbers flagged that chance and difficulty alone give."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom
from simulated_audits import appearances, simulated_counts

from abl.decide.audit.error_rates import error_rates
from abl.decide.audit.expected_flags import expected_flags


def test_without_wrong_labels_the_number_flagged_lies_in_its_announced_interval() -> None:
    random = np.random.default_rng(7)
    held = 0
    for _ in range(20):
        wrong, seen, _ = simulated_counts(250, 4, 12, 2.0, 0.7, -1.8, random)
        found = appearances(wrong, seen)
        expected = expected_flags(found, error_rates(found))
        held += expected.fitted.low <= expected.flagged <= expected.fitted.high
        assert expected.equal.mean < expected.fitted.mean
    assert held >= 19


def test_equal_difficulty_is_binomial() -> None:
    random = np.random.default_rng(0)
    seen = np.full((400, 1), 5)
    found = appearances(random.binomial(seen, 0.6), seen)
    fitted = error_rates(found, theta=0.9)
    expected = expected_flags(found, fitted)
    mean = 400 * binom.pmf(5, 5, fitted.rates[0])
    assert abs(expected.equal.mean - mean) < 1.5
    assert expected.equal.low < mean < expected.equal.high


def test_the_same_seed_gives_the_same_numbers() -> None:
    wrong, seen, _ = simulated_counts(100, 2, 8, 1.5, 0.5, -1.0, np.random.default_rng(1))
    found = appearances(wrong, seen)
    fitted = error_rates(found)
    assert expected_flags(found, fitted, seed=3) == expected_flags(found, fitted, seed=3)
    often, rarely = (expected_flags(found, fitted, theta) for theta in (0.5, 0.95))
    assert often.fitted.mean > rarely.fitted.mean
    assert often.truly.mean > rarely.truly.mean


def test_wrong_labels_are_more_than_the_same_images_give() -> None:
    random = np.random.default_rng(4)
    wrong, seen, _ = simulated_counts(300, 4, 40, 0.5, 0.3, -2.5, random)
    wrong[:6] = seen[:6]
    found = appearances(wrong, seen)
    expected = expected_flags(found, error_rates(found))
    assert expected.flagged == 6 > expected.equal.high
