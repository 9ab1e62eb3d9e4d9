"""Two binary facts of the same patients: exact conditional P, odds ratio and interval.

Patients are sorted into strata within which they are alike but for the two facts; the margins of
each stratum are held fixed. Of one stratum this is Fisher's exact test. Sources: Mehta, Patel,
Gray, "Computing an exact confidence interval for the common odds ratio in several 2 x 2 contingency
tables", JASA 1985; Fay, "Two-sided exact tests and matching confidence intervals for discrete
data", The R Journal 2010, on the P that agrees with the interval: twice the smaller tail.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from abl.decide.check import Floats

_WIDEST = 60.0  # log odds beyond which an end is not looked for: e^60


@dataclass(frozen=True, eq=False)
class Margins:
    """How often both facts may come together, given how often each does.

    Attributes:
        least: The smallest count of patients with both.
        log_chance: (T,) log probability of least, least + 1, ..., if the facts are independent.
    """

    least: int
    log_chance: Floats

    @classmethod
    def of(cls, strata: Sequence[tuple[int, int, int]]) -> Margins:
        """Of (patients, of these with the first fact, with the second), a stratum each."""
        least, log_chance = 0, np.zeros(1)
        for patients, first, second in strata:
            low, high = max(0, first + second - patients), min(first, second)
            if low < high:
                counts = np.arange(low, high + 1)
                own = scipy.stats.hypergeom.logpmf(counts, patients, first, second)
                log_chance = _log_convolved(log_chance, own)
            least += low
        return cls(least, log_chance)

    @property
    def counts(self) -> Floats:
        """(T,) the counts that can be."""
        return self.least + np.arange(len(self.log_chance), dtype=np.float64)

    @property
    def p_by_count(self) -> Floats:
        """(T,) two-sided P of each count."""
        chance = np.exp(self.log_chance - scipy.special.logsumexp(self.log_chance))
        lower, upper = np.cumsum(chance), np.cumsum(chance[::-1])[::-1]
        return np.minimum(1.0, 2 * np.minimum(lower, upper))

    def p_of(self, both: int) -> float:
        """Two-sided P of this many patients with both facts."""
        return float(self.p_by_count[both - self.least])

    def odds_ratio(self, both: int, level: float = 0.95) -> tuple[float, float, float]:
        """The conditional estimate of the common odds ratio, and the ends of its exact interval.

        0 or inf where the count is the smallest or largest that can be; nan if only one can be.
        """
        if len(self.log_chance) == 1:
            return math.nan, math.nan, math.nan
        at, last = both - self.least, len(self.log_chance) - 1
        tail = (1 - level) / 2
        low = 0.0 if at == 0 else self._solved(lambda chance: chance[at:].sum() - tail)
        high = (
            math.inf if at == last else self._solved(lambda chance: tail - chance[: at + 1].sum())
        )
        if at in (0, last):
            return (0.0 if at == 0 else math.inf), low, high
        steps = np.arange(last + 1)
        return self._solved(lambda chance: float(chance @ steps) - at), low, high

    def _solved(self, rising: Callable[[Floats], float]) -> float:
        """The odds ratio at which what rises with it is 0."""
        steps = np.arange(len(self.log_chance))

        def at(log_odds: float) -> float:
            tilted = self.log_chance + log_odds * steps
            return rising(np.exp(tilted - scipy.special.logsumexp(tilted)))

        return math.exp(scipy.optimize.brentq(at, -_WIDEST, _WIDEST, xtol=1e-10))


def _log_convolved(first: Floats, second: Floats) -> Floats:
    """Log probabilities of a sum, exact in both tails."""
    short, long = sorted((first, second), key=len)
    found = np.full(len(first) + len(second) - 1, -math.inf)
    for at, each in enumerate(short):
        place = slice(at, at + len(long))
        found[place] = np.logaddexp(found[place], each + long)
    return found
