"""Net benefit against its formula, counted case by case, and the calibration intercept."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from abl.decide.metric_names import metric_named
from abl.decide.net_benefit import net_benefit, net_benefit_of_all
from abl.decide.reliability import calibration_intercept

CASES = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=40)


def pair(positive: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - positive, positive])


@given(CASES, st.integers(0, 19))
def test_net_benefit_is_that_of_counted_cases(cases: list[tuple[bool, int]], step: int) -> None:
    labels = np.array([int(label) for label, _ in cases])
    p, threshold = np.array([score / 20 for _, score in cases]), step / 20
    true = sum(label == 1 and score >= threshold for label, score in zip(labels, p, strict=True))
    false = sum(label == 0 and score >= threshold for label, score in zip(labels, p, strict=True))
    wanted = true / len(p) - false / len(p) * threshold / (1 - threshold)
    assert net_benefit(labels, pair(p), np.array([threshold]))[0] == pytest.approx(wanted)


@given(CASES)
def test_treating_all_and_none_bound_what_any_model_can_do(cases: list[tuple[bool, int]]) -> None:
    labels = np.array([int(label) for label, _ in cases])
    grid, p = np.linspace(0, 0.95, 20), pair(np.array([score / 20 for _, score in cases]))
    everyone, share = net_benefit_of_all(labels, grid), labels.mean()
    # at the prevalence, treating all and treating none are worth the same
    assert net_benefit_of_all(labels, np.array([share]))[0] == pytest.approx(0, abs=1e-12) or (
        share == 1
    )
    assert np.allclose(net_benefit(labels, p, grid[:1]), everyone[:1])  # from 0 on all are called
    assert (net_benefit(labels, p, grid) <= share + 1e-12).all()
    perfect = net_benefit(labels, pair(labels.astype(float)), grid[1:])
    assert np.allclose(perfect, share)


def test_weights_are_copies_of_cases_and_nobody_has_no_benefit() -> None:
    labels, p = np.array([0, 1, 1]), pair(np.array([0.6, 0.7, 0.2]))
    grid, copies = np.array([0.25, 0.5]), np.array([2, 0, 3])
    repeated = net_benefit(np.repeat(labels, copies), np.repeat(p, copies, axis=0), grid)
    assert np.allclose(net_benefit(labels, p, grid, copies.astype(float)), repeated)
    assert np.isnan(net_benefit(labels[:0], p[:0], grid)).all()
    assert math.isnan(net_benefit(labels, p, np.array([1.0]))[0])


@pytest.mark.parametrize("seed", range(4))
def test_the_calibration_intercept_is_that_of_a_regression_with_an_offset(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=60)
    labels = (rng.random(60) < 1 / (1 + np.exp(0.8 - logits))).astype(np.int64)
    p, weights = pair(1 / (1 + np.exp(-logits))), rng.integers(1, 4, 60).astype(float)
    fitted = sm.GLM(labels, np.ones(60), sm.families.Binomial(), offset=logits).fit()
    assert calibration_intercept(labels, p) == pytest.approx(fitted.params[0], abs=1e-7)
    fitted = sm.GLM(
        labels, np.ones(60), sm.families.Binomial(), offset=logits, freq_weights=weights
    ).fit()
    found = metric_named("calibration_intercept")(labels, p, weights)
    assert found == pytest.approx(fitted.params[0], abs=1e-7)


def test_an_intercept_says_by_how_much_a_class_is_predicted_too_rarely() -> None:
    labels = np.array([0, 1, 1, 1])
    shifted = pair(np.full(4, 0.5))  # three of four are positive: log odds log 3 too low
    assert calibration_intercept(labels, shifted) == pytest.approx(math.log(3))
    assert calibration_intercept(1 - labels, shifted) == pytest.approx(-math.log(3))
    assert math.isnan(calibration_intercept(np.ones(4, np.int64), shifted))
    # even one whose probabilities are 0 and 1
    assert math.isfinite(calibration_intercept(labels, pair(np.array([0.0, 1.0, 1.0, 0.0]))))


def test_intercepts_of_three_classes_do_not_cancel_out() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    p = np.full((6, 3), 1 / 3)
    each = [math.log(share / (1 - share)) - math.log(0.5) for share in (1 / 2, 1 / 3, 1 / 6)]
    assert calibration_intercept(labels, p) == pytest.approx(np.mean(np.abs(each)))
