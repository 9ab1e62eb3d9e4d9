"""How much longer one side of a difference of two bounded metrics is than the other: MOVER.

A metric near its ceiling varies more downwards than upwards, so that a difference has room on one
side that it has not on the other. How much tell the score intervals of a and of b (Zou, Donner,
Stat. Med. 2008; of two shares Newcombe 1998, method 10):

    low = a - b - sqrt((a - a_low)^2 + (b_high - b)^2 - 2 r (a - a_low) (b_high - b))

where r is the correlation of a and b. Taken at the normal's quantile for 95 %, as a factor on the
symmetric length: of three trainings a quantile of t may be 12, at which every score interval is the
whole scale and says nothing of its sides.
"""

from __future__ import annotations

import numpy as np

from abl.decide.check import Floats
from abl.decide.score_intervals import wilson

_REACH = 1.959963984540054  # of the normal for 95 %


def sides(
    first: tuple[Floats, Floats], second: tuple[Floats, Floats], variance: Floats
) -> tuple[Floats, Floats]:
    """(n,) factors on the lower and on the upper length of first - second; 1 where both are equal.

    Args:
        first, second: Values on a scale of 0 to 1, and the effective number of independent units
            that each stands on.
        variance: Of the difference, on that scale.
    """
    (a, n), (b, m) = first, second
    of_a, of_b = a * (1 - a) / n, b * (1 - b) / m
    (a_low, a_high), (b_low, b_high) = wilson(a, n, _whole(a)), wilson(b, m, _whole(b))
    both = 2 * np.sqrt(of_a * of_b)
    r = np.divide(of_a + of_b - variance, both, out=np.zeros(len(a)), where=both > 0)
    r = np.clip(r, -1.0, 1.0)
    plain = _REACH * np.sqrt(of_a + of_b - r * both)

    def factor(one: Floats, other: Floats) -> Floats:
        length = np.sqrt(np.maximum(one**2 + other**2 - 2 * r * one * other, 0.0))
        return np.divide(length, plain, out=np.ones(len(a)), where=plain > 0)

    return factor(a - a_low, b_high - b), factor(a_high - a, b - b_low)


def _whole(values: Floats) -> Floats:
    return np.full(len(values), _REACH)
