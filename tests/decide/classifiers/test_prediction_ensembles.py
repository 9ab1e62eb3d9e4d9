"""Predictions joined: means, weights, stacking, the best by a metric."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from abl.decide.check import Floats
from abl.decide.classifiers.ensembles import (
    best_by,
    likely_weights,
    mean_of_sets,
    mixture,
    stacked,
)


def drawn(seed: int, parts: int, rows: int = 200, sharp: float = 2.0) -> tuple[list[Floats], ...]:
    """Labels, and parts of falling quality: the last is a coin."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(rows) < 0.4).astype(np.int64)
    found = []
    for at in range(parts):
        signal = sharp * (1 - at / max(parts - 1, 1)) * (2 * labels - 1)
        p = 1 / (1 + np.exp(-(signal + generator.normal(size=rows))))
        found.append(np.column_stack([1 - p, p]))
    return labels, found


@given(st.integers(0, 1000), st.integers(1, 5))
def test_weights_are_shares_and_no_worse_than_equal_ones(seed: int, parts: int) -> None:
    labels, p = drawn(seed, parts)
    weights = likely_weights(p, labels)
    assert np.isclose(weights.sum(), 1)
    assert (weights >= 0).all()

    def loss(given: Floats) -> float:
        return -float(np.log(given[np.arange(len(labels)), labels]).mean())

    assert loss(mixture(p, weights)) <= loss(np.mean(p, axis=0)) + 1e-9


def test_a_coin_gets_less_weight_than_what_knows() -> None:
    labels, p = drawn(3, 2)
    weights = likely_weights(p, labels)
    assert weights[0] > 0.8


def test_the_mean_is_over_sets_of_means_over_classifiers() -> None:
    p = [np.full((1, 2), each) for each in (0.0, 1.0, 0.5)]
    # two classifiers of the first set, one of the second
    assert np.allclose(mean_of_sets(p, [0, 0, 1]), 0.5 * (0.5 + 0.5))
    p[2] = np.full((1, 2), 1.0)
    assert np.allclose(mean_of_sets(p, [0, 0, 1]), 0.75)


def test_stacking_learns_which_part_to_trust() -> None:
    labels, p = drawn(5, 2, rows=400)
    found, coefficients = stacked(p, labels, p)
    assert coefficients[0, 0] > abs(coefficients[0, 1])
    assert np.allclose(found.sum(axis=1), 1)


def test_the_best_is_the_first_of_equals_and_never_undefined() -> None:
    labels = np.array([0, 0, 1, 1])
    good = np.column_stack([[0.9, 0.8, 0.2, 0.1], [0.1, 0.2, 0.8, 0.9]])
    at, values = best_by("auc", labels, [good[:, ::-1], good, good])
    assert (at, values.tolist()) == (1, [0.0, 1.0, 1.0])
    at, _ = best_by("brier", labels, [good[:, ::-1], good])
    assert at == 1  # of which less is better
