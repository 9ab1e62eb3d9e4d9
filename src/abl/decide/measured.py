"""Arms on the same tests, measured by one metric: means and differences with what they are worth.

The one place from which intervals, P, their correction over a family and the best arm are taken, so
that a row never says one thing in its interval and another in its P.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from abl.decide.check import Bools, Floats, Ints
from abl.decide.contributions import (
    DRAWS,
    EntryPlaces,
    contributions,
    places_of,
    weights_for,
)
from abl.decide.discordance import Rightness
from abl.decide.effective_units import (
    effective_patients,
    effective_units,
    least_units,
    mean_interval,
    patient_flips,
    unseen_variance,
    widened,
)
from abl.decide.metric_registry import Metric
from abl.decide.mover import sides
from abl.decide.paired_differences import Differences
from abl.decide.replicates import ArmScores, checked_pair_of_arms
from abl.decide.score_intervals import LEVEL, quantile
from abl.decide.shared_tests import SharedTests
from abl.decide.spread import Averages, Layout, Moments
from abl.decide.verdicts import FEWEST_TRAININGS

# shares of units: the class they are a share of, None for all; of two classes alone where one is
_SHARES = {"acc": None, "sen": 1, "spe": 0}
_CHUNK = 512  # pairs whose contributions are held at once


@dataclass(frozen=True, eq=False)
class Means:
    """Means of A arms with the ends of their intervals, and variances; (A,) each, nan if undefined.

    Attributes:
        mean, low, high, variance: In whole.
        patients: The part of the variance that the networks at hand have.
    """

    mean: Floats
    low: Floats
    high: Floats
    variance: Floats
    patients: Floats


class Measured:
    """Arms that were tested on the same images, by one metric.

    Attributes:
        tests: That they share.
        values: (A, R) the metric in each replicate.

    Raises:
        InputError: Arms that were not scored on the same images.
    """

    def __init__(
        self, arms: Sequence[ArmScores], metric: Metric, *, draws: int = DRAWS, seed: int = 0
    ):
        ordered = [checked_pair_of_arms(arm, arms[0])[0] for arm in arms]
        self.arms, self.metric = ordered, metric
        self.tests = SharedTests.of(ordered[0])
        self._bounds = metric.bounds_for(self.tests.classes)
        weights = weights_for(self.tests, metric, draws, seed)
        found = [contributions(arm, self.tests, metric, weights) for arm in ordered]
        self.values = np.stack([each.values for each in found])
        self._entries = np.stack([each.entries for each in found])
        self._rows = places_of(self.tests, metric, draws)
        self._defined = ~np.isnan(self.values)
        self._prints = np.array([[each.print for each in arm] for arm in ordered])
        known: dict[tuple[int, ...], int] = {}
        rows = map(tuple, self._prints.tolist())
        self._same = np.array([known.setdefault(row, len(known)) for row in rows])
        tests = self.tests
        self._whole = tests.once("layout", lambda: Layout.of(tests.replicates))
        self._sizes = tests.once("sizes", lambda: effective_patients(tests, self._whole))
        kind = _SHARES.get(metric.name, -1)
        self._of_units = kind is None or (kind >= 0 and self.tests.classes == 2)
        self._class = kind if self._of_units else None
        self._right = Rightness(ordered, self._class) if self._of_units else None

    @property
    def patients_concerned(self) -> int:
        """Patients that the metric can say anything of."""
        if self._class is None:
            return len(self.tests.patients)
        named = [each.patients[each.labels == self._class] for each in self.tests.replicates]
        return len(np.unique(np.concatenate(named)))

    def alike(self, first: int, second: int) -> bool:
        """Whether both arms predict the same of every image."""
        return bool(self._same[first] == self._same[second])

    def are_defined(self, first: int, second: int) -> bool:
        """Whether some replicate has a value of both arms."""
        return bool((self._defined[first] & self._defined[second]).any())

    def of_recipe(self, arm: int, kept: Bools | None = None) -> bool:
        """Whether an arm was trained often enough, with several seeds; equal ones are one.

        Args:
            kept: (R,) replicates that count.
        """
        counted = [
            len(set(self._prints[arm, self._at(split, kept)].tolist()))
            for split in range(self._whole.splits)
        ]
        return sum(counted) >= FEWEST_TRAININGS and max(counted) > 1

    def _at(self, split: int, kept: Bools | None) -> Bools:
        of_split: Bools = self._whole.split == split
        return of_split if kept is None else of_split & kept

    def means(self, level: float = LEVEL) -> Means:
        """Every arm's mean with its interval."""
        size = len(self.arms)
        found = {each.name: np.full(size, np.nan) for each in fields(Means)}
        for kept, at in _patterns(self._defined):
            moments = self._moments(at, kept)
            enough = np.array([self.of_recipe(arm, kept) for arm in at])
            # one seed in several splits still tells what splits differ by
            enough |= (moments.layout.seeds == 1) & (moments.layout.splits >= FEWEST_TRAININGS)
            for recipes in np.unique(enough):
                chosen = np.flatnonzero(enough == recipes)
                spread = moments.of_means(bool(recipes))
                mean, reach = moments.means[chosen], quantile(spread.freedom[chosen], level)
                variance = spread.variance[chosen]
                carriers = self._carriers(moments.combined[chosen])
                least = np.array([self._least_units(int(arm)) for arm in at[chosen]])
                bounds = self._bounds
                most = least * self._repeated if self._counts else np.inf
                ends = mean_interval(bounds, mean, variance, carriers, least, reach, most)
                found["mean"][at[chosen]] = mean
                found["low"][at[chosen]], found["high"][at[chosen]] = ends
                found["variance"][at[chosen]] = variance
                found["patients"][at[chosen]] = spread.patients[chosen]
        return Means(**found)

    def differences(self, first: Sequence[int] | Ints, second: Sequence[int] | Ints) -> Differences:
        """first - second of every pair of positions, over the replicates in which both are defined.

        The networks are taken as given where either arm was trained less than three times. Of arms
        that predict the same the difference is 0 and has neither interval nor P.
        """
        one, other = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
        count = len(one)
        numbers = np.full((8, count), np.nan)
        numbers[2] = 1.0
        cells = np.full((2, 3, count), np.nan)
        recipes = np.zeros(count, dtype=bool)
        for kept, at in _patterns(self._defined[one] & self._defined[other]):
            involved = np.unique(np.concatenate([one[at], other[at]]))
            moments = self._moments(involved, kept)
            i, j = (np.searchsorted(involved, each[at]) for each in (one, other))
            enough = np.array([self.of_recipe(arm, kept) for arm in involved])
            recipes[at] = enough[i] & enough[j]
            spread = moments.of_differences(i, j, recipes[at])
            carriers = np.concatenate(
                [
                    self._carriers(moments.combined[i[part]] - moments.combined[j[part]])
                    for part in _chunks(len(at))
                ]
            )
            difference = moments.means[i] - moments.means[j]
            variance = spread.variance
            discordant = units = np.full(len(at), np.nan)
            lower = upper = np.ones(len(at))
            if self._right is not None:
                discordant = self._right.discordant(involved, kept, moments.layout, i, j)
                spare = np.maximum(discordant - difference**2, 0.0)
                least = np.full(len(at), self._concerned)
                units = effective_units(spare, variance, carriers, least, least * self._repeated)
            else:
                flips = np.stack([self._flips(int(arm)) for arm in involved])
                unseen = unseen_variance((flips[i] + flips[j]) / 2, counts=self._counts)
                variance = widened(
                    variance, unseen, carriers,
                    counts=self._counts,
                    carriers_are_known=self._rows.are_patients,
                )  # fmt: skip
                if self._bounds is not None:
                    found = self._on_their_scale(involved, moments, recipes[at], i, j)
                    cells[:, :, at] = found
                    lower, upper = sides(*((share, units) for share, units, _ in found))
            numbers[:, at] = (
                difference, variance, spread.freedom, carriers, discordant, units, lower, upper,
            )  # fmt: skip
        low, high = self._bounds or (-np.inf, np.inf)
        d, v, f, c, q, u, below, above = numbers
        same = self._same[one] == self._same[other]
        d = np.where(same & ~np.isnan(d), 0.0, d)  # sums may differ in their last bits
        return Differences(d, v, f, c, q, u, below, above, high - low, recipes, same, cells)

    def _on_their_scale(
        self, arms: Ints, moments: Moments, recipes: Bools, i: Ints, j: Ints
    ) -> Floats:
        """(2, 3, n) of both: share of the scale, effective units, degrees of freedom."""
        assert self._bounds is not None
        low, high = self._bounds
        share = np.clip((moments.means - low) / (high - low), 0.0, 1.0)
        carriers = self._carriers(moments.combined)
        least = np.array([self._least_units(int(arm)) for arm in arms])
        most = least * self._repeated if self._counts else np.inf
        of_both = []
        for each in (False, True):
            spread = moments.of_means(each)
            variance = spread.variance / (high - low) ** 2
            units = effective_units(share * (1 - share), variance, carriers, least, most)
            of_both.append(np.stack([share, units, spread.freedom])[:, [i, j]])
        found: Floats = np.where(recipes, of_both[1], of_both[0]).swapaxes(0, 1)
        return found

    def covariance(self) -> Floats:
        """(A, A) of the means: patients, and the luck of trainings, shared where networks are."""
        known = np.nan_to_num(self.values)
        moments = Moments(known, self._entries, self._rows, self._whole, self._averages)
        means = self.means()
        luck = np.sqrt(np.maximum(np.nan_to_num(means.variance - means.patients), 0.0))
        own = np.sqrt(np.diagonal(moments.interaction))
        scale = np.outer(own, own)
        alike = np.divide(moments.interaction, scale, out=np.zeros_like(scale), where=scale > 0)
        np.fill_diagonal(alike, 1.0)
        total: Floats = moments.by_stratum.sum(axis=0) + np.outer(luck, luck) * alike
        return total

    @property
    def _concerned(self) -> float:
        """Effective number of patients that a share of units is of."""
        return float(max(self._sizes[-1 if self._class is None else self._class], 1.0))

    @property
    def _counts(self) -> bool:
        return self.metric.of_confusion is not None

    @property
    def _repeated(self) -> float:
        """How often a patient was called: images of one, by trainings of a split."""
        images = sum(len(each.labels) for each in self.tests.replicates)
        return max(images / max(len(self.tests.patients), 1), 1.0)

    def _flips(self, arm: int) -> Floats:
        return patient_flips(self.arms[arm], self.metric, self._sizes[:-1])

    def _least_units(self, arm: int) -> float:
        if self._of_units:
            return self._concerned
        return least_units(self.arms[arm], self.metric, self._sizes[:-1])

    def _moments(self, arms: Ints, kept: Bools) -> Moments:
        rows = self._rows
        values = self.values[arms][:, kept]
        if kept.all():
            entries = self._entries[arms]
            return Moments(values, entries, rows, self._whole, self._averages)
        replicates = [each for each, keep in zip(self.tests.replicates, kept, strict=True) if keep]
        inside = kept[rows.column]
        column = (np.cumsum(kept) - 1)[rows.column[inside]]
        kept_rows = EntryPlaces(
            rows.row[inside], column, rows.strata, rows.freedom, rows.are_patients
        )
        entries = self._entries[arms][:, inside]
        return Moments(values, entries, kept_rows, Layout.of(replicates))

    @property
    def _averages(self) -> Averages:
        rows, whole = self._rows, self._whole
        return self.tests.once(("averages", id(rows)), lambda: Averages.of(rows, whole))

    def _carriers(self, combined: Floats) -> Floats:
        """(n,) effective number of patients behind contributions (n, rows)."""
        if not self._rows.are_patients:
            return np.full(len(combined), float(len(self.tests.patients)))
        squares = combined**2
        fourth = (squares**2).sum(axis=1)
        return np.divide(
            squares.sum(axis=1) ** 2, fourth, out=np.zeros(len(combined)), where=fourth > 0
        )


def _patterns(defined: Bools) -> Iterator[tuple[Bools, Ints]]:
    """Each set of replicates that is defined for some, with those; not the empty set."""
    patterns, which = np.unique(defined, axis=0, return_inverse=True)
    for at, kept in enumerate(patterns):
        if kept.any():
            yield kept, np.flatnonzero(which.ravel() == at)


def _chunks(count: int) -> list[slice]:
    return [slice(at, at + _CHUNK) for at in range(0, count, _CHUNK)]
