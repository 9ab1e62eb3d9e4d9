"""Posterior error rates: coverage where the truth is known, and what must hold of any counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import dblquad
from scipy.special import expit
from scipy.stats import binom, norm
from simulated_audits import appearances, simulated_counts

from abl.decide.audit.crossed_effects import CountRows, CrossedEffects, Spreads, network_levels
from abl.decide.audit.error_rates import ErrorRates, error_rates
from abl.errors import InputError

FIELDS = ("mean", "low", "high", "above")


def small_counts() -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    shapes = st.tuples(st.integers(2, 6), st.integers(1, 2))
    return (
        shapes.flatmap(
            lambda shape: st.tuples(
                arrays(np.int64, shape, elements=st.integers(0, 6)),
                arrays(np.int64, shape, elements=st.integers(0, 6)),
            )
        )
        .map(lambda pair: (np.minimum(*pair), pair[1]))
        .filter(lambda pair: bool(pair[1].any()))
    )


def values(rates: ErrorRates) -> np.ndarray:
    return np.stack([getattr(rates, name) for name in FIELDS])


def covered(times: int, sets: int, images: int = 300) -> float:
    """Share of intervals that hold the true rate, over simulated sets."""
    random = np.random.default_rng(times)
    held = []
    for _ in range(sets):
        wrong, seen, p = simulated_counts(images, 4, times, 1.5, 0.7, -1.5, random)
        found = error_rates(appearances(wrong, seen))
        known, truth = seen.any(axis=1), p.mean(axis=1)
        held.append(((found.low <= truth) & (truth <= found.high))[known].mean())
    return float(np.mean(held))


def test_intervals_hold_the_true_rates() -> None:
    assert 0.92 <= covered(10, 3) <= 0.975


@pytest.mark.slow
@pytest.mark.parametrize("times", [3, 5, 10, 20, 40])
def test_intervals_hold_the_true_rates_with_few_and_many_appearances(times: int) -> None:
    assert 0.92 <= covered(times, 12) <= 0.97


def test_images_of_one_patient_inform_each_other_and_intervals_hold() -> None:
    random = np.random.default_rng(5)
    patients = np.array([f"P{each // 2:03d}" for each in range(200)])
    held = []
    for _ in range(2):
        shared = random.normal(0, 1.5, 150)[np.arange(200) // 2]
        p = expit(-1.2 + shared + random.normal(0, 0.5, 200))[:, None] * np.ones(2)
        seen = random.poisson(4, (200, 2))
        found = error_rates(appearances(random.binomial(seen, p), seen, patients))
        truth, known = p.mean(axis=1), seen.any(axis=1)
        held.append(((found.low <= truth) & (truth <= found.high))[known].mean())
        assert found.typical.patient > 0.8
    assert 0.92 <= np.mean(held) <= 0.98


def test_a_twin_that_is_always_wrong_raises_the_rate() -> None:
    # patients of two images; the first image of each of two patients has the same counts
    seen = np.full((80, 2), 9)
    wrong = np.repeat([[0, 1], [8, 9]], 2, axis=0).repeat(20, axis=0)
    seen[:4], wrong[:4] = 3, [[2, 2], [3, 3], [2, 2], [0, 0]]
    pairs = np.array([f"P{each // 2:03d}" for each in range(80)])
    found = error_rates(appearances(wrong, seen, pairs))
    assert found.mean[0] > found.mean[2] + 0.02
    apart = error_rates(appearances(wrong, seen, pairs), by_patient=False)
    assert apart.mean[0] == apart.mean[2]


@given(small_counts())
@settings(max_examples=10, deadline=None)
def test_intervals_lie_in_the_unit_interval_and_hold_the_mean(
    counts: tuple[np.ndarray, np.ndarray],
) -> None:
    wrong, seen = counts
    found = error_rates(appearances(wrong, seen))
    known = seen.any(axis=1)
    assert np.isnan(values(found)[:, ~known]).all()
    mean, low, high, above = values(found)[:, known]
    assert ((low >= 0) & (low <= mean) & (mean <= high) & (high <= 1)).all()
    assert ((above >= 0) & (above <= 1)).all()


@given(small_counts(), st.randoms())
@settings(max_examples=6, deadline=None)
def test_the_order_of_images_and_networks_does_not_matter(
    counts: tuple[np.ndarray, np.ndarray], random: object
) -> None:
    wrong, seen = counts
    rows, columns = (list(range(size)) for size in wrong.shape)
    random.shuffle(rows)  # type: ignore[attr-defined]
    random.shuffle(columns)  # type: ignore[attr-defined]
    one = values(error_rates(appearances(wrong, seen)))
    other = values(error_rates(appearances(wrong[rows][:, columns], seen[rows][:, columns])))
    np.testing.assert_allclose(one[:, rows], other, atol=1e-3)


def test_equal_counts_once_or_one_by_one_are_the_same() -> None:
    random = np.random.default_rng(2)
    wrong, seen, _ = simulated_counts(60, 2, 4, 1.0, 0.5, -1.0, random)
    wrong, seen = np.repeat(wrong, 2, axis=0), np.repeat(seen, 2, axis=0)
    grouped = error_rates(appearances(wrong, seen))
    rates = grouped.rates
    alone = CrossedEffects(CountRows(wrong, seen, np.ones(120, dtype=np.int64)), rates)
    patterns = CrossedEffects(CountRows(wrong[::2], seen[::2], np.full(60, 2)), rates)
    spreads = Spreads(1.0, 0.5)
    assert alone.log_likelihood(spreads) == pytest.approx(patterns.log_likelihood(spreads))
    np.testing.assert_allclose(
        alone.on_lattice(spreads).mean[::2], patterns.on_lattice(spreads).mean
    )


def test_the_lattice_gives_what_adaptive_quadrature_gives() -> None:
    spreads, rates = Spreads(1.2, 0.6), np.array([0.2])
    level = network_levels(spreads, rates)[0]

    def joint(b: float, a: float) -> float:
        return float(
            binom.pmf(5, 7, expit(level + a + b)) * norm.pdf(a, 0, 1.2) * norm.pdf(b, 0, 0.6)
        )

    expected, _ = dblquad(joint, -8, 8, -5, 5)
    one = np.ones(1, dtype=np.int64)
    model = CrossedEffects(CountRows(np.array([[5]]), np.array([[7]]), one), rates)
    assert np.exp(model.log_likelihood(spreads)) == pytest.approx(expected, rel=1e-5)
    top, _ = dblquad(lambda b, a: expit(level + a + b) * joint(b, a), -8, 8, -5, 5)
    on = model.on_lattice(spreads)
    assert (on.weight * on.mean).sum() == pytest.approx(top / expected, rel=1e-5)


def test_levels_give_the_networks_own_rates() -> None:
    rates, random = np.array([0.05, 0.4]), np.random.default_rng(0)
    spreads = Spreads(1.5, 0.8)
    logits = network_levels(spreads, rates) + random.normal(0, spreads.total, (200_000, 1))
    np.testing.assert_allclose(expit(logits).mean(axis=0), rates, atol=0.003)


def test_more_errors_raise_the_rate_and_more_appearances_narrow_it() -> None:
    random = np.random.default_rng(1)
    wrong, seen, _ = simulated_counts(200, 2, 10, 1.5, 0.5, -1.0, random)
    seen[:4], wrong[:4] = 5, [[0, 0], [2, 2], [5, 5], [0, 0]]
    seen[3] = 50
    found = error_rates(appearances(wrong, seen))
    assert found.mean[0] < found.mean[1] < found.mean[2]
    assert found.above[0] < found.above[1] < found.above[2]
    assert found.high[3] - found.low[3] < found.high[0] - found.low[0]


@pytest.mark.parametrize("share", [0, 1])
def test_no_error_at_all_and_nothing_but_errors_are_answered(share: int) -> None:
    seen = np.full((30, 2), 4)
    found = error_rates(appearances(seen * share, seen), theta=0.5)
    assert np.isfinite(values(found)).all()
    assert (found.above > 0.9).all() if share else (found.above < 0.1).all()


def test_thousands_of_patterns_are_answered() -> None:
    random = np.random.default_rng(3)
    wrong, seen, p = simulated_counts(3000, 4, 60, 1.5, 0.7, -1.5, random)
    found = error_rates(appearances(wrong, seen))
    truth = p.mean(axis=1)
    assert 0.92 <= ((found.low <= truth) & (truth <= found.high)).mean() <= 0.97


def test_nothing_seen_is_told() -> None:
    with pytest.raises(InputError, match="no image"):
        error_rates(appearances(np.zeros((3, 2), dtype=int), np.zeros((3, 2), dtype=int)))
