"""Tails and quantiles of Student's t and the normal distribution, elementwise.

To the bits of `scipy.stats`, which takes half a second to load. What `abl plan` says of power needs
two quantiles: even `scipy.special` would be a quarter of what it takes (`t_quantile_of_one`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy


def t_quantile(p: Any, freedom: Any) -> Any:
    """The value that t is below with probability p."""
    # at 0 the function beneath says inf (SciPy 1.17)
    return np.where(np.asarray(p) <= 0, -np.inf, scipy.special.stdtrit(freedom, p))


def t_quantile_of_one(p: float, freedom: float) -> float:
    """As `t_quantile`, of two numbers, to 7 digits, without SciPy; p from 0.6 to 0.9999.

    Nearer to 0.5 what is left of 1 - x has too few digits.
    """
    # P(T > t) = I_x(f / 2, 1 / 2) / 2 with x = f / (f + t^2); Abramowitz, Stegun 26.7.1, 26.5.27
    low, high = 0.0, 1.0
    while _t_above_of_one(high, freedom) > 1 - p:
        low, high = high, 2 * high
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_above_of_one(middle, freedom) > 1 - p else (low, middle)
    return (low + high) / 2


def _t_above_of_one(t: float, freedom: float) -> float:
    x, a, b = freedom / (freedom + t * t), freedom / 2, 0.5
    scale = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + (b * math.log1p(-x) if x < 1 else -math.inf)
    )  # fmt: skip
    if x < (a + 1) / (a + b + 2):
        return scale * _beta_fraction(x, a, b) / a / 2
    return 0.5 - scale * _beta_fraction(1 - x, b, a) / b / 2


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function, from its end; A. and S. 26.5.8."""
    found = 1.0
    for m in range(60, 0, -1):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1))
        found = 1 + odd / (1 + even / found)
    return 1 / found


def t_above(t: Any, freedom: Any) -> Any:
    """The probability of values above t."""
    return scipy.special.stdtr(freedom, -t)


def normal_above(z: Any) -> Any:
    """The probability of values above z."""
    return scipy.special.ndtr(-z)


def normal_reached(p: Any) -> Any:
    """The value that is exceeded with probability p."""
    return -scipy.special.ndtri(p)
