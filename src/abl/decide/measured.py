"""Arms on the same tests, measured by one metric: means and differences with what they are worth.

The one place from which intervals, P, their correction over a family and the best arm are taken, so
that a row never says one thing in its interval and another in its P.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from abl.decide.check import Bools, Floats, Ints, largest_class
from abl.decide.contributions import (
    DRAWS,
    EntryPlaces,
    SharedTests,
    confusion_of,
    contributions,
    gradient,
    places_of,
    smoothed,
    weights_for,
)
from abl.decide.metrics import Metric
from abl.decide.replicates import ArmScores, checked_pair_of_arms
from abl.decide.score_intervals import (
    plain_interval,
    plain_p,
    quantile,
    tango_interval,
    tango_p,
    wilson,
)
from abl.decide.spread import FEWEST_TRAININGS, Layout, Moments

LEVEL = 0.95  # of every interval
# shares of units: the class they are a share of, None for all; of two classes alone where one is
_SHARES = {"acc": None, "sen": 1, "spe": 0}
# independent units that stand for what is not known of the spread of a few discordant ones
_PRIOR = 0.5
# by how many of the other class a patient that has not been seen may be misplaced
_MOVED = 0.25
_FEWEST_CHUNK = 512


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
        design: The tests that they share.
        values: (A, R) the metric in each replicate.

    Raises:
        InputError: Arms that were not scored on the same images.
    """

    def __init__(
        self, arms: Sequence[ArmScores], metric: Metric, *, draws: int = DRAWS, seed: int = 0
    ):
        ordered = [checked_pair_of_arms(arm, arms[0])[0] for arm in arms]
        self.arms, self.metric = ordered, metric
        self.design = SharedTests.of(ordered[0])
        weights = weights_for(self.design, metric, draws, seed)
        found = [contributions(arm, self.design, metric, weights) for arm in ordered]
        self.values = np.stack([each.values for each in found])
        self._entries = np.stack([each.entries for each in found])
        self._rows = places_of(self.design, metric, draws)
        self._defined = ~np.isnan(self.values)
        prints = [[hash(each.p.tobytes()) for each in arm] for arm in ordered]
        self._prints = np.array(prints)
        self._whole = Layout.of(self.design.replicates)
        self._sizes = _effective_patients(self.design, self._whole)
        kind = _SHARES.get(metric.name, -1)
        self._of_units = kind is None or (kind >= 0 and self.design.classes == 2)
        self._class = kind if self._of_units else None
        self._right = self._correct() if self._of_units else []

    @property
    def patients_concerned(self) -> int:
        """Patients that the metric can say anything of."""
        if self._class is None:
            return len(self.design.patients)
        named = [each.patients[each.labels == self._class] for each in self.design.replicates]
        return len(np.unique(np.concatenate(named)))

    def alike(self, first: int, second: int) -> bool:
        """Whether both arms predict the same of every image."""
        return bool((self._prints[first] == self._prints[second]).all())

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
                ends = self._ends_of_mean(at[chosen], mean, variance, carriers, reach)
                found["mean"][at[chosen]] = mean
                found["low"][at[chosen]], found["high"][at[chosen]] = ends
                found["variance"][at[chosen]] = variance
                found["patients"][at[chosen]] = spread.patients[chosen]
        return Means(**found)

    def differences(self, first: Sequence[int], second: Sequence[int]) -> Differences:
        """first - second of every pair of positions, over the replicates in which both are defined.

        The networks are taken as given where either arm was trained less than three times.
        """
        one, other = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
        count = len(one)
        numbers = np.full((6, count), np.nan)
        numbers[2] = 1.0
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
            if self._of_units:
                discordant = self._discordant(involved, kept, moments.layout, i, j)
                spare = np.maximum(discordant - difference**2, 0.0)
                units = self._units(spare, variance, carriers, self._sizes_concerned())
            else:
                flips = self._flips(involved)
                unseen = 2 * _MOVED**2 * ((flips[i] + flips[j]) ** 2 / 4).sum(axis=1)
                # the fewer patients carry a difference, the more may hang on those not seen
                few = 1 / np.maximum(carriers, 1.0)
                share = np.minimum(4 * few**2, 1.0)
                if not self._rows.are_patients:  # who carries bootstrap draws is not known
                    whole = unseen + variance
                    share = np.divide(unseen, whole, out=np.zeros(len(at)), where=whole > 0)
                variance = variance * (1 + few) + unseen * share
            numbers[:, at] = difference, variance, spread.freedom, carriers, discordant, units
        low, high = self.metric.bounds or (-np.inf, np.inf)
        return Differences(
            numbers[0],
            numbers[1],
            numbers[2],
            numbers[3],
            numbers[4],
            numbers[5],
            high - low,
            recipes,
        )

    def covariance(self) -> Floats:
        """(A, A) of the arms' means: patients, and the luck of trainings, shared as networks are."""
        known = np.nan_to_num(self.values)
        moments = Moments(known, self._entries, self._rows, self._whole)
        means = self.means()
        luck = np.sqrt(np.maximum(np.nan_to_num(means.variance - means.patients), 0.0))
        own = np.sqrt(np.diagonal(moments.interaction))
        scale = np.outer(own, own)
        alike = np.divide(moments.interaction, scale, out=np.zeros_like(scale), where=scale > 0)
        np.fill_diagonal(alike, 1.0)
        total: Floats = moments.by_stratum.sum(axis=0) + np.outer(luck, luck) * alike
        return total

    def _moments(self, arms: Ints, kept: Bools) -> Moments:
        replicates = [each for each, keep in zip(self.design.replicates, kept, strict=True) if keep]
        inside = kept[self._rows.column]
        rows = self._rows
        column = (np.cumsum(kept) - 1)[rows.column[inside]]
        kept_rows = EntryPlaces(
            rows.row[inside], column, rows.strata, rows.freedom, rows.are_patients
        )
        entries = self._entries[arms] if inside.all() else self._entries[arms][:, inside]
        return Moments(self.values[arms][:, kept], entries, kept_rows, Layout.of(replicates))

    def _carriers(self, combined: Floats) -> Floats:
        """(n,) effective number of patients behind contributions (n, rows)."""
        if not self._rows.are_patients:
            return np.full(len(combined), float(len(self.design.patients)))
        squares = combined**2
        fourth = (squares**2).sum(axis=1)
        return np.divide(
            squares.sum(axis=1) ** 2, fourth, out=np.zeros(len(combined)), where=fourth > 0
        )

    def _correct(self) -> list[tuple[Bools, Floats]]:
        """By replicate: (A, N) whether right, and (N,) each image's weight in the metric."""
        found = []
        for at, each in enumerate(self.design.replicates):
            right = np.stack([largest_class(arm[at].p) == each.labels for arm in self.arms])
            counted = np.ones(len(each.labels))
            if self._class is not None:
                counted = (each.labels == self._class).astype(np.float64)
            found.append((right, counted / max(counted.sum(), 1.0)))
        return found

    def _discordant(
        self, arms: Ints, kept: Bools, layout: Layout, first: Ints, second: Ints
    ) -> Floats:
        product = np.zeros((len(arms), len(arms)))
        places = np.flatnonzero(kept)
        for weight, at in zip(layout.weight, places, strict=True):
            right, share = self._right[at]
            of_arms = right[arms].astype(np.float64)
            product += weight * (of_arms * share) @ of_arms.T
        own = np.diagonal(product)
        return np.clip(own[first] + own[second] - 2 * product[first, second], 0.0, 1.0)

    def _units(self, spare: Floats, variance: Floats, carriers: Floats, least: float) -> Floats:
        """Effective number of independent units of a share whose variance is spare / units."""
        known = np.divide(variance, spare, out=np.zeros(len(spare)), where=spare > 1e-15)
        carried = np.where(spare > 1e-15, carriers, 0.0)
        return (carried + _PRIOR) / (carried * known + _PRIOR / least)

    def _sizes_concerned(self) -> float:
        """Effective number of patients that a share of units is of."""
        if self._class is not None:
            return float(max(self._sizes[self._class], 1.0))
        return float(max(self._sizes[-1], 1.0))

    def _flips(self, arms: Ints) -> Floats:
        """(n, K) by how much a patient of a class moves the metric if it is got wrong."""
        return np.stack([self._flip(int(arm)) for arm in arms])

    def _flip(self, arm: int) -> Floats:
        sizes, classes = np.maximum(self._sizes[:-1], 1.0), self.design.classes
        counts = confusion_of(self.arms[arm])
        images = counts.sum(axis=1)
        if self.metric.of_confusion is not None:
            smooth = smoothed(counts)
            slope = gradient(self.metric, smooth)
            away = np.diagonal(slope)[:, None] - slope
            found: Floats = np.abs(away).sum(axis=1) / max(classes - 1, 1) * images / sizes
            return found
        if self.metric.terms is not None:
            share: Floats = images / (sizes * max(images.sum(), 1.0))
            return share
        if self.metric.bounds is None:
            return np.zeros(classes)
        if classes == 2:
            return 1 / sizes
        rest = np.maximum(sizes.sum() - sizes, 1.0)
        of_auc: Floats = (1 / sizes + (1 / rest).sum() - 1 / rest) / classes
        return of_auc

    def _least_units(self, arm: int) -> float:
        """Effective number of units of a mean in which no spread is seen."""
        if self._of_units:
            return self._sizes_concerned()
        sizes = np.maximum(self._sizes[:-1], 1.0)
        present = self._sizes[:-1] > 0
        if self.metric.of_confusion is None or self.metric.bounds is None:
            return float(sizes[present].min()) if present.any() else 1.0
        counts = smoothed(confusion_of(self.arms[arm]), 1.0)
        images = counts.sum(axis=1)
        share = counts / np.maximum(images[:, None], 1e-9)
        slope = gradient(self.metric, counts)
        mean = (share * slope).sum(axis=1)
        spread = (share * slope**2).sum(axis=1) - mean**2
        variance = float(np.sum(images**2 * np.maximum(spread, 0.0) / sizes))
        low, high = self.metric.bounds
        value = (float(self.metric.of_confusion(counts)) - low) / (high - low)
        whole = value * (1 - value) * (high - low) ** 2
        fewest, most = float(sizes[present].min()), float(sizes[present].sum())
        return float(np.clip(whole / variance, fewest, most)) if variance > 0 else fewest

    def _ends_of_mean(
        self, arms: Ints, mean: Floats, variance: Floats, carriers: Floats, reach: Floats
    ) -> tuple[Floats, Floats]:
        if self.metric.bounds is None:
            return plain_interval(mean, np.sqrt(variance), reach)
        low, high = self.metric.bounds
        share = np.clip((mean - low) / (high - low), 0.0, 1.0)
        scaled = variance / (high - low) ** 2
        least = np.array([self._least_units(int(arm)) for arm in arms])
        spare = share * (1 - share)
        known = np.divide(scaled, spare, out=np.zeros(len(spare)), where=spare > 1e-15)
        carried = np.where(spare > 1e-15, carriers, 0.0)
        units = (carried + _PRIOR) / (carried * known + _PRIOR / least)
        ends = wilson(share, units, reach)
        return low + (high - low) * ends[0], low + (high - low) * ends[1]


def _patterns(defined: Bools) -> Iterator[tuple[Bools, Ints]]:
    """Each set of replicates that is defined for some, with those; not the empty set."""
    patterns, which = np.unique(defined, axis=0, return_inverse=True)
    for at, kept in enumerate(patterns):
        if kept.any():
            yield kept, np.flatnonzero(which.ravel() == at)


def _chunks(count: int) -> list[slice]:
    return [slice(at, at + _FEWEST_CHUNK) for at in range(0, count, _FEWEST_CHUNK)]


def _effective_patients(design: SharedTests, layout: Layout) -> Floats:
    """(K + 1,) effective number of patients of each class, then of all, by their images (Kish)."""
    size, count = design.classes, len(design.patients)
    weight = np.zeros((size + 1, count))
    for each, of_replicate in zip(design.replicates, layout.weight, strict=True):
        position = design.patients.positions(each)
        images = np.bincount(each.labels, minlength=size)
        for at in range(size):
            if images[at]:
                share = (each.labels == at) / images[at]
                weight[at] += of_replicate * np.bincount(position, share, minlength=count)
        weight[size] += of_replicate * np.bincount(position, minlength=count) / len(each.labels)
    squares = (weight**2).sum(axis=1)
    return np.divide(weight.sum(axis=1) ** 2, squares, out=np.zeros(size + 1), where=squares > 0)
