"""Score intervals against scipy, statsmodels, the likelihood itself and Newcombe's method 10."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from abl.decide.mover import sides
from abl.decide.paired_differences import Differences
from abl.decide.score_intervals import tango_interval, tango_p, tango_variance, wilson

Z = float(stats.norm.isf(0.025))


def tango(b, c, n, reach=Z):
    found = tango_interval(*(np.array([x]) for x in ((b - c) / n, (b + c) / n, n)), reach)
    return float(found[0][0]), float(found[1][0])


@given(st.integers(1, 300), st.data())
def test_wilson_of_whole_numbers_is_that_of_statsmodels(total, data):
    right = data.draw(st.integers(0, total))
    low, high = wilson(np.array([right / total]), np.array([float(total)]), np.array([Z]))
    expected = proportion_confint(right, total, method="wilson")
    assert (low[0], high[0]) == pytest.approx(expected, abs=1e-12)


def likelihood_variance(b, c, n, delta):
    """Of one pair's difference: the likelihood of b, c and the rest is maximised numerically."""

    def lost(second):
        first, rest = second + delta, 1 - 2 * second - delta
        terms = ((b, first), (c, second), (n - b - c, rest))
        return -sum(k * math.log(max(share, 1e-300)) for k, share in terms if k)

    low, high = max(0.0, -delta), (1 - delta) / 2
    second = optimize.minimize_scalar(
        lost, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    ).x
    return 2 * second + delta - delta**2


@pytest.mark.parametrize(("b", "c", "n"), [(12, 2, 50), (8, 3, 40), (1, 0, 30), (20, 25, 300)])
def test_ends_are_where_the_score_reaches_the_quantile(b, c, n):
    for end in tango(b, c, n):
        variance = likelihood_variance(b, c, n, end)
        assert abs((b - c) / n - end) / math.sqrt(variance / n) == pytest.approx(Z, rel=1e-4)
    at = np.array([-0.1, 0.05, 0.3])
    ours = tango_variance(np.full(3, (b - c) / n), np.full(3, (b + c) / n), at)
    theirs = [likelihood_variance(b, c, n, each) for each in at]
    assert ours == pytest.approx(theirs, abs=1e-5)


def newcombe(b, c, n, right_of_both):
    """Method 10 of Newcombe, Statistics in Medicine 1998: squares and add, with continuity."""
    a, d = right_of_both, n - b - c - right_of_both
    ends = [proportion_confint(k, n, method="wilson") for k in (a + b, a + c)]
    p, q = (a + b) / n, (a + c) / n
    product = (a + b) * (c + d) * (a + c) * (b + d)
    top = a * d - b * c
    top = max(top - n / 2, 0) if top > 0 else top
    phi = top / math.sqrt(product) if product else 0.0
    (l1, u1), (l2, u2) = ends
    down = (p - l1) ** 2 - 2 * phi * (p - l1) * (u2 - q) + (u2 - q) ** 2
    up = (u1 - p) ** 2 - 2 * phi * (u1 - p) * (q - l2) + (q - l2) ** 2
    return p - q - math.sqrt(down), p - q + math.sqrt(up)


@pytest.mark.parametrize(
    ("b", "c", "n", "a"), [(12, 2, 50, 36), (8, 3, 80, 60), (15, 20, 200, 120)]
)
def test_newcombes_other_method_says_nearly_the_same(b, c, n, a):
    assert tango(b, c, n) == pytest.approx(newcombe(b, c, n, a), abs=0.025)


@given(st.integers(0, 40), st.integers(0, 40))
def test_p_is_that_of_mcnemar(b, c):
    n = 100.0
    found = tango_p(
        np.array([(b - c) / n]), np.array([(b + c) / n]), np.array([n]), np.array([np.inf])
    )
    table = [[20, b], [c, 100 - 20 - b - c]]
    expected = mcnemar(table, exact=False, correction=False).pvalue if b + c else 1.0
    assert found[0] == pytest.approx(expected)


@given(
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.floats(3, 5000),
    st.floats(1, 500),
    st.floats(0.5, 0.99),
)
def test_a_difference_lies_inside_and_p_agrees(b, c, units, freedom, level):
    difference, discordant = np.array([b - c]), np.array([b + c])
    reach = stats.t.isf((1 - level) / 2, freedom)
    low, high = tango_interval(difference, discordant, np.array([units]), reach)
    assert -1 <= low[0] <= b - c <= high[0] <= 1
    p = tango_p(difference, discordant, np.array([units]), np.array([freedom]))[0]
    if abs(p - (1 - level)) > 1e-6:
        assert (p < 1 - level) == (low[0] > 0 or high[0] < 0)


@pytest.mark.parametrize("n", [12, 35, 72, 183])
def test_nothing_discordant_is_not_nothing_at_all(n):
    low, high = tango(0, 0, n)
    assert high == pytest.approx(Z**2 / (n + Z**2))
    assert low == pytest.approx(-high)


def differences(difference, variance, freedom, lower, upper, edge=1.0):
    """Of metrics that are no shares."""
    known = (np.array([each]) for each in (difference, variance, freedom, 50.0, np.nan, np.nan))
    sides_of, none = (np.array([lower]), np.array([upper])), np.full((2, 3, 1), np.nan)
    return Differences(*known, *sides_of, edge, np.array([True]), np.array([False]), none)


@given(st.integers(4, 300), st.integers(4, 300), st.data())
def test_the_longer_side_is_that_of_two_independent_shares_by_newcombe(n, m, data):
    k, q = data.draw(st.integers(1, n - 1)), data.draw(st.integers(1, m - 1))
    one, other = k / n, q / m
    down, up = sides(*((np.array([x]), np.array([float(of)])) for x, of in ((one, n), (other, m))))
    low, high = confint_proportions_2indep(k, n, q, m, method="newcomb")
    plain = Z * math.sqrt(one * (1 - one) / n + other * (1 - other) / m)
    found = one - other - down[0] * plain, one - other + up[0] * plain
    assert found == pytest.approx((low, high), abs=1e-9)


@given(
    st.floats(-0.9, 0.9), st.floats(1e-6, 0.1), st.floats(1, 100),
    st.floats(0.3, 3), st.floats(0.3, 3), st.sampled_from([0.9, 0.95, 0.999]),
)  # fmt: skip
def test_p_is_the_level_at_which_an_interval_of_two_sides_reaches_0(d, v, freedom, low, up, level):
    found = differences(d, v, freedom, low, up, edge=np.inf)
    ends = found.interval(level)
    excluded = ends[0][0] > 0 or ends[1][0] < 0
    p = found.p[0]
    assert ends[0][0] <= d <= ends[1][0]
    if abs(p - (1 - level)) > 1e-9:
        assert (p < 1 - level) == excluded
    assert found.interval(0.999)[0][0] <= found.interval(0.95)[0][0]


def test_the_longer_side_is_that_to_which_the_arm_nearest_its_ceiling_falls():
    def of(first, second):
        return sides(*((np.array([each]), np.array([60.0])) for each in (first, second)))

    falls, stays = np.concatenate(of(0.99, 0.5))
    assert falls > stays
    assert np.concatenate(of(0.5, 0.99)) == pytest.approx([stays, falls])
    assert np.concatenate(of(0.53, 0.47)) == pytest.approx(1, abs=0.05)
