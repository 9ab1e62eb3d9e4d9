"""How much longer one side of a difference of two bounded metrics is than the other: MOVER.

A metric near its ceiling varies more downwards than upwards, so that a difference has room on one
side that it has not on the other. How much tell the score intervals of a and of b (Zou, Donner,
Stat. Med. 2008; of two shares Newcombe 1998, method 10):

    low = a - b - sqrt((a - a_low)^2 + (b_high - b)^2)

It enters as a factor on the length that the difference's own variance gives, in which the
correlation of both is: what they share moves both, and never one down and the other up. Taken at
the normal's quantile for 95 %: of three trainings a quantile of t may be 12, at which every score
interval is the whole scale and says nothing of its sides.
"""

from __future__ import annotations

import numpy as np

from abl.decide.check import Floats
from abl.decide.score_intervals import wilson

_REACH = 1.959963984540054  # of the normal for 95 %


def sides(first: tuple[Floats, Floats], second: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """(n,) factors on the lower and on the upper length of first - second.

    Args:
        first, second: Values on a scale of 0 to 1, and the effective number of independent units
            that each stands on.
    """
    (a, n), (b, m) = first, second
    reach = np.full(len(a), _REACH)
    (a_low, a_high), (b_low, b_high) = wilson(a, n, reach), wilson(b, m, reach)
    plain = _REACH * np.sqrt(a * (1 - a) / n + b * (1 - b) / m)

    def factor(one: Floats, other: Floats) -> Floats:
        return np.divide(np.hypot(one, other), plain, out=np.ones(len(a)), where=plain > 0)

    return factor(a - a_low, b_high - b), factor(a_high - a, b - b_low)
