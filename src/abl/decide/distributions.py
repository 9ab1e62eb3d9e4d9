"""Tails and quantiles of Student's t and the normal distribution, elementwise.

To the bits of `scipy.stats`, which takes half a second to load: a plan needs one quantile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy


def t_quantile(p: Any, freedom: Any) -> Any:
    """The value that t is below with probability p."""
    # at 0 the function beneath says inf (SciPy 1.17)
    return np.where(np.asarray(p) <= 0, -np.inf, scipy.special.stdtrit(freedom, p))


def t_above(t: Any, freedom: Any) -> Any:
    """The probability of values above t."""
    return scipy.special.stdtr(freedom, -t)


def normal_above(z: Any) -> Any:
    """The probability of values above z."""
    return scipy.special.ndtr(-z)


def normal_reached(p: Any) -> Any:
    """The value that is exceeded with probability p."""
    return -scipy.special.ndtri(p)
