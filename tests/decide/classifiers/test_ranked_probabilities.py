"""Probabilities of decision values keep their order, whatever the cases that they are fitted to."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from abl.decide.classifiers.ranked_probabilities import ranked_probability

CASES = st.lists(st.tuples(st.floats(-50, 50), st.booleans()), min_size=2, max_size=40)


@given(CASES)
def test_the_order_is_kept_strictly(cases: list[tuple[float, bool]]) -> None:
    decisions, positive = (np.array(each) for each in zip(*cases, strict=True))
    curve = ranked_probability(decisions.astype(float), positive.astype(bool))
    assert curve.slope > 0
    asked = np.sort(np.unique(np.round(decisions.astype(float), 6)))
    assert (np.diff(curve.logits(asked)) > 0).all()


def test_a_reversed_ranking_is_not_turned_round() -> None:
    decisions = np.linspace(-1, 1, 20)
    curve = ranked_probability(decisions, decisions < 0)  # the classifier ranks the wrong way
    p = expit(curve.logits(decisions))
    assert p[-1] > p[0]
    assert np.allclose(p, 0.5, atol=0.01)


def test_probabilities_are_those_of_a_logistic_model() -> None:
    generator = np.random.default_rng(0)
    decisions = generator.normal(size=40_000)
    positive = generator.random(40_000) < expit(1.5 * decisions - 0.7)
    curve = ranked_probability(decisions, positive)
    assert abs(curve.slope - 1.5) < 0.06
    assert abs(curve.offset + 0.7) < 0.05


def test_separable_cases_have_a_finite_slope() -> None:
    curve = ranked_probability(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1], bool))
    assert 0 < expit(curve.logits(np.array([-2.0])))[0] < 0.5
    assert np.isfinite([curve.slope, curve.offset]).all()
