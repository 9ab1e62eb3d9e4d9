"""Tails and quantiles are those of scipy.stats."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abl.decide.distributions import (
    normal_above,
    normal_reached,
    t_above,
    t_quantile,
    t_quantile_of_one,
)

# what lies between 0 and the smallest of these neither of both gets right
shares = st.just(0.0) | st.floats(1e-300, 1.0)
values = st.floats(allow_nan=False) | st.just(math.nan)
freedoms = st.floats(1.0, 1e9) | st.just(math.inf)


def same(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=1e-12, atol=0.0, equal_nan=True))


@given(shares, freedoms)
def test_quantiles(p: float, freedom: float) -> None:
    assert same(t_quantile(p, freedom), stats.t.ppf(p, freedom))
    assert same(normal_reached(p), stats.norm.isf(p))


@given(st.floats(0.6, 0.9999), st.floats(1.0, 1e6))
def test_quantiles_without_scipy(p: float, freedom: float) -> None:
    found = t_quantile_of_one(p, freedom)
    assert math.isclose(found, stats.t.ppf(p, freedom), rel_tol=1e-7)


@given(values, freedoms)
def test_tails(x: float, freedom: float) -> None:
    assert same(t_above(x, freedom), stats.t.sf(x, freedom))
    assert same(normal_above(x), stats.norm.sf(x))
