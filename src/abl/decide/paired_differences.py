"""Differences of pairs of arms: their intervals and P, which agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abl.decide.check import Bools, Floats
from abl.decide.score_intervals import (
    LEVEL,
    plain_interval,
    plain_p,
    quantile,
    tango_interval,
    tango_p,
)


@dataclass(frozen=True, eq=False)
class Differences:
    """Differences of n pairs of arms; nan where no replicate has a value of both.

    Attributes:
        difference: (n,) first - second.
        variance, freedom: (n,) what it varies by.
        patients: (n,) effective number of patients that carry the difference.
        discordant, units: (n,) of shares: the share of units that one of both has right, and the
            effective number of units; otherwise nan.
        edge: The largest difference that the metric can have.
        recipes: (n,) whether both arms were trained often enough to speak of more than the
            networks at hand.
    """

    difference: Floats
    variance: Floats
    freedom: Floats
    patients: Floats
    discordant: Floats
    units: Floats
    edge: float
    recipes: Bools

    @property
    def p(self) -> Floats:
        """(n,) two-sided; below 0.05 exactly where the 95 % interval excludes 0."""
        found = plain_p(self.difference, np.sqrt(self.variance), self.freedom)
        of_units = ~np.isnan(self.units)
        found[of_units] = tango_p(*self._of_units(of_units), self.freedom[of_units])
        found[np.isnan(self.difference)] = np.nan
        return found

    def interval(self, level: float | Floats = LEVEL) -> tuple[Floats, Floats]:
        """(n,) low and high ends."""
        level = np.broadcast_to(level, self.difference.shape)
        reach = quantile(self.freedom, level)
        low, high = plain_interval(self.difference, np.sqrt(self.variance), reach, self.edge)
        of_units = ~np.isnan(self.units)
        if of_units.any():
            ends = tango_interval(*self._of_units(of_units), reach[of_units])
            low[of_units], high[of_units] = ends
        return low, high

    def _of_units(self, chosen: Bools) -> tuple[Floats, Floats, Floats]:
        return self.difference[chosen], self.discordant[chosen], self.units[chosen]
