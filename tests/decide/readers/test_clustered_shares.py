"""Two raters' shares of right answers: the Wald test of a GEE of their difference, with gaps and
few patients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from abl.decide.readers.clustered_shares import gee_difference


def fitted(first, second, patients, few: bool) -> tuple[float, float]:
    """Error of the difference and P by statsmodels, a row per case and rater."""
    y = np.concatenate([first, second])
    groups = np.concatenate([patients[: len(first)], patients[: len(second)]])
    rater = np.repeat([1.0, 0.0], [len(first), len(second)])
    order = np.argsort(groups, kind="stable")
    model = sm.GEE(
        y[order], sm.add_constant(rater)[order], groups=groups[order],
        family=sm.families.Gaussian(),
    )  # fmt: skip
    found = model.fit(cov_type="bias_reduced" if few else "robust")
    t = abs(found.params[1] / found.bse[1])
    clusters = len(np.unique(groups))
    p = float(2 * (stats.t.sf(t, clusters - 1) if few else stats.norm.sf(t)))
    return float(found.bse[1]), p


@pytest.mark.parametrize("patients", [12, 80])
@pytest.mark.parametrize("gaps", [0, 5])
def test_p_is_that_of_the_fitted_model(patients: int, gaps: int) -> None:
    draw = np.random.default_rng(patients)
    names = np.repeat(np.arange(patients), 3)
    hard = np.repeat(draw.random(patients), 3)
    first = (draw.random(len(names)) < 0.3 + 0.6 * hard).astype(float)
    second = (draw.random(len(names)) < 0.2 + 0.6 * hard).astype(float)
    second = second[: len(second) - gaps]
    found = gee_difference("a - b", first, second, names, names[: len(second)])
    error, p = fitted(first, second, names, patients < 50)
    assert found.error == pytest.approx(error, rel=1e-6)
    assert found.p == pytest.approx(p, rel=1e-6)
    assert found.estimate == pytest.approx(first.mean() - second.mean())


def test_where_a_rater_is_always_right_the_shares_themselves_are_compared() -> None:
    names = np.arange(60)
    found = gee_difference("a - b", np.ones(60), np.arange(60) % 4 > 0, names, names)
    assert found.estimate == pytest.approx(0.25)
    assert 0 < found.p < 0.001
    same = gee_difference("a - b", np.ones(60), np.ones(60), names, names)
    assert same.why
    assert math.isnan(same.p)


@pytest.mark.parametrize("patients", [12, 80])
def test_the_interval_excludes_0_exactly_where_p_is_small(patients: int) -> None:
    draw = np.random.default_rng(9)
    names = np.arange(patients)
    sides = set()
    for _ in range(300):
        first, second = (draw.random((2, patients)) < [[0.97], [0.85]]).astype(float)
        found = gee_difference("a - b", first, second, names, names)
        if found.why:
            continue
        excluded = found.low > 0 or found.high < 0
        assert excluded == (found.p < 0.05)
        assert found.p == pytest.approx(2 * stats.t.sf(abs(found.t), found.df))
        sides.add(excluded)
    assert sides == {True, False}
