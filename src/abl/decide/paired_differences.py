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
    wilson,
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
        lower, upper: (n,) of others, by how much the interval is longer on that side.
        edge: The largest difference that the metric can have.
        recipes: (n,) whether both arms were trained often enough to speak of more than the
            networks at hand.
        same: (n,) whether both arms predict the same of every image: the difference is a fact, so
            that interval and P are nan.
        cells: (2, 3, n) of first and second, of others than shares of units with bounds: the share
            of the metric's scale, its effective number of units, degrees of freedom.
    """

    difference: Floats
    variance: Floats
    freedom: Floats
    patients: Floats
    discordant: Floats
    units: Floats
    lower: Floats
    upper: Floats
    edge: float
    recipes: Bools
    same: Bools
    cells: Floats

    @property
    def p(self) -> Floats:
        """(n,) two-sided; below 0.05 exactly where the 95 % interval excludes 0."""
        error = np.sqrt(self.variance)
        towards_none = np.where(self.difference > 0, self.lower, self.upper)
        usual = self._usual
        far = np.abs(self.difference) - error * towards_none * usual
        # what `_length` is the inverse of
        same = error * usual + far / _beyond(towards_none)
        near = self.difference / np.where(towards_none > 0, towards_none, 1.0)
        found = plain_p(np.where(far > 0, same, near), error, self.freedom)
        of_units = ~np.isnan(self.units)
        found[of_units] = tango_p(*self._of_units(of_units), self.freedom[of_units])
        found[np.isnan(self.difference) | self.same] = np.nan
        return found

    def interval(self, level: float | Floats = LEVEL) -> tuple[Floats, Floats]:
        """(n,) low and high ends."""
        level = np.broadcast_to(level, self.difference.shape)
        reach = quantile(self.freedom, level)
        low, _ = plain_interval(self.difference, self._length(self.lower, reach), self.edge)
        _, high = plain_interval(self.difference, self._length(self.upper, reach), self.edge)
        low, high = self._within_both(low, high, level)
        of_units = ~np.isnan(self.units)
        if of_units.any():
            ends = tango_interval(*self._of_units(of_units), reach[of_units])
            low[of_units], high[of_units] = ends
        low[self.same] = high[self.same] = np.nan
        return low, high

    def _within_both(self, low: Floats, high: Floats, level: Floats) -> tuple[Floats, Floats]:
        """Ends that the intervals of both arms leave room for; none is moved across 0.

        Where few patients carry a difference of nearly perfect arms, its length is that of patients
        who were not seen, and says nothing of the ends of the scale.
        """
        first, second = (
            wilson(share, units, quantile(freedom, level)) for share, units, freedom in self.cells
        )
        least = self.edge * np.minimum(first[0] - second[1], 0.0)
        most = self.edge * np.maximum(first[1] - second[0], 0.0)
        # nan where there are no cells
        return (
            np.where(low < 0, np.fmax(low, least), low),
            np.where(high > 0, np.fmin(high, most), high),
        )

    @property
    def _usual(self) -> Floats:
        """(n,) quantile of a 95 % interval, up to which one side may be the shorter."""
        return quantile(self.freedom, LEVEL)

    def _length(self, side: Floats, reach: Floats) -> Floats:
        usual = np.minimum(reach, self._usual)
        of_side = side * usual + _beyond(side) * (reach - usual)
        length: Floats = np.sqrt(self.variance) * of_side
        return length

    def _of_units(self, chosen: Bools) -> tuple[Floats, Floats, Floats]:
        return self.difference[chosen], self.discordant[chosen], self.units[chosen]


def _beyond(side: Floats) -> Floats:
    """By how much a length grows per standard error beyond that of 95 %.

    A side that was shorter is as long as any at twice that distance: so far out, where the best of
    many arms are decided, a few patients have longer tails than the scale of the metric tells.
    """
    grows: Floats = 2 * np.maximum(side, 1.0) - side
    return grows
