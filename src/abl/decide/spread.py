"""How much a mean over replicates varies: other patients, other trainings. One model for all.

A value y_jk of split j and seed k varies with the patients it is tested on and with its training.
The variance of the mean over J splits and K seeds is the sum of

- what patients explain that is common to different trainings of a split: from contributions, less
  the part in which trainings of one split differ on the same patients;
- W / (J K): W, the variance of seeds within splits, holds that part and the luck of a training, so
  that nothing is counted twice;
- a seed that is better in all its splits: the variance of the seeds' means beyond 2 W / J, by K;
- from three splits on, what splits differ by beyond twice of what patients and seeds explain, by J.

With its degrees of freedom after Satterthwaite (Biometrics Bulletin 1946). Where the trained
networks are taken as given, only the patients count.

All of it is quadratic in the arms: of two arms' difference it follows from sums of products between
arms, so that thousands of pairs cost no more than a few matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from abl.decide.check import Bools, Floats, Ints
from abl.decide.contributions import EntryPlaces
from abl.decide.replicates import Scores

# correlation, on patients, of two arms' networks of one seed, from which on they share some
SHARED = 0.25


@dataclass(frozen=True, eq=False)
class Layout:
    """Replicates as splits and seeds.

    Attributes:
        split, seed: (R,) of each replicate, from 0.
        weight: (R,) in the mean: seeds averaged within splits, then splits.
        splits, seeds: J, K.
    """

    split: Ints
    seed: Ints
    weight: Floats
    splits: int
    seeds: int

    @classmethod
    def of(cls, replicates: Sequence[Scores]) -> Layout:
        splits = sorted({each.split for each in replicates})
        seeds = sorted({each.seed for each in replicates})
        split = np.array([splits.index(each.split) for each in replicates], dtype=np.int64)
        seed = np.array([seeds.index(each.seed) for each in replicates], dtype=np.int64)
        weight = 1 / (len(splits) * np.bincount(split)[split])
        return cls(split, seed, weight, len(splits), len(seeds))

    @property
    def within(self) -> int:
        """Degrees of freedom of seeds within splits."""
        return len(self.split) - self.splits

    @property
    def one_by_seeds(self) -> float:
        """Mean over splits of 1 / (seeds of the split)."""
        return float(np.mean(1 / np.bincount(self.split)))

    def centred(self, values: Floats) -> Floats:
        """(A, R) less the mean of each split."""
        means = np.stack([values[:, self.split == at].mean(axis=1) for at in range(self.splits)])
        out: Floats = values - means.T[:, self.split]
        return out


@dataclass(frozen=True, eq=False)
class Spread:
    """A mean's variance, elementwise for n means.

    Attributes:
        variance, freedom: (n,) of a statement about recipes, or about the networks at hand.
        patients: (n,) the part of patients alone, the networks taken as given.
    """

    variance: Floats
    freedom: Floats
    patients: Floats


@dataclass(frozen=True, eq=False)
class Averages:
    """How entries of H are averaged; alike for all arms on a design.

    Attributes:
        mean: (L, rows) sparse: over the replicates.
        members: (strata) rows of each.
        of_cell: (L, cells) sparse 0 and 1: the (split, row) of each entry. Columns of one split
            stand beside each other.
        cell: (L,) the same as positions.
        seeds: (cells,) seeds of the split of each.
    """

    mean: Any
    members: Sequence[Ints]
    of_cell: Any
    cell: Ints
    seeds: Ints

    @classmethod
    def of(cls, rows: EntryPlaces, layout: Layout) -> Averages:
        count, entry = len(rows.strata), np.arange(len(rows.row))
        mean = scipy.sparse.csr_matrix(
            (layout.weight[rows.column], (entry, rows.row)), shape=(len(entry), count)
        )
        members = [np.flatnonzero(rows.strata == at) for at in range(len(rows.freedom))]
        kept, cell = np.unique(layout.split[rows.column] * count + rows.row, return_inverse=True)
        of_cell = scipy.sparse.csr_matrix(
            (np.ones(len(cell)), (entry, cell)), shape=(len(cell), len(kept))
        )
        return cls(mean, members, of_cell, cell, np.bincount(layout.split)[kept // count])


class Moments:
    """Sums of products between A arms, from their values and contributions on R replicates.

    Args:
        values: (A, R), all defined.
        entries: (A, L) of H.
        rows: Where the entries stand.
        layout: Of the R replicates.
        averages: Of these places and this layout, where they are known.
    """

    def __init__(
        self,
        values: Floats,
        entries: Floats,
        rows: EntryPlaces,
        layout: Layout,
        averages: Averages | None = None,
    ):
        self.layout, self.rows = layout, rows
        averages = averages or Averages.of(rows, layout)
        columns = len(layout.split)
        self.means = values @ layout.weight
        self.combined = np.asarray(entries @ averages.mean)  # (A, rows): H w
        self.by_stratum = np.stack(
            [
                part @ part.T
                for at in range(len(rows.freedom))
                for part in [self.combined[:, averages.members[at]]]
            ]
        )
        arms = len(values)
        self.interaction = self.within = self.of_seeds = self.of_splits = np.zeros((arms, arms))
        self.expected_of_splits = np.zeros((arms, arms))
        split_means = np.asarray(entries @ averages.of_cell) / averages.seeds
        if layout.within:
            apart = entries - split_means[:, averages.cell]
            self.interaction = apart @ apart.T / layout.within
            deviation = layout.centred(values)
            self.within = deviation @ deviation.T / layout.within
            if layout.splits > 1 and layout.seeds > 1:
                by_seed = np.stack(
                    [deviation[:, layout.seed == k].mean(axis=1) for k in range(layout.seeds)],
                    axis=1,
                )
                self.of_seeds = by_seed @ by_seed.T / (layout.seeds - 1)
        if layout.splits > 2:
            sums = np.zeros((columns, layout.splits))
            sums[np.arange(columns), layout.split] = 1
            of_split = values @ (sums / sums.sum(axis=0))
            apart = of_split - of_split.mean(axis=1, keepdims=True)
            self.of_splits = apart @ apart.T / (layout.splits - 1)
            total = self.by_stratum.sum(axis=0)
            self.expected_of_splits = (split_means @ split_means.T - layout.splits * total) / (
                layout.splits - 1
            )

    def share_networks(self, first: Ints, second: Ints) -> Bools:
        """(n,) whether networks of one seed are alike in both arms beyond those of different seeds.

        Then their luck is shared too, and only the difference's own spread tells of it.
        """
        own = np.diagonal(self.interaction)
        scale = np.sqrt(own[first] * own[second])
        between = self.interaction[first, second]
        return np.asarray(between > SHARED * scale)

    def of_means(self, recipes: bool) -> Spread:
        """Of each arm's mean, (A,)."""
        at = np.arange(len(self.means))

        def own(product: Floats) -> Floats:
            return np.diagonal(product).copy()

        within, seeds = own(self.within), own(self.of_seeds)
        freedom = np.full(len(at), float(max(self.layout.within, 1)))
        return self._spread(
            np.stack([own(each) for each in self.by_stratum]),
            own(self.interaction), (within, freedom), (seeds, _of_seeds(self.layout, len(at))),
            own(self.of_splits), own(self.expected_of_splits),
            np.full(len(at), recipes),
        )  # fmt: skip

    def of_differences(self, first: Ints, second: Ints, recipes: Bools) -> Spread:
        """Of first - second, (n,)."""

        def difference(product: Floats) -> Floats:
            diagonal = np.diagonal(product)
            found = diagonal[first] + diagonal[second] - 2 * product[first, second]
            return np.maximum(found, 0.0)

        shared = self.share_networks(first, second)

        def of_trainings(product: Floats, freedom: Floats) -> tuple[Floats, Floats]:
            """Networks of both arms apart tell of it twice."""
            own = np.diagonal(product)
            one, other = own[first], own[second]
            squares = one**2 + other**2
            twice = np.divide((one + other) ** 2, squares, out=np.ones(len(one)), where=squares > 0)
            return (
                np.where(shared, difference(product), one + other),
                np.where(shared, 1.0, twice) * freedom,
            )

        count = len(first)
        return self._spread(
            np.stack([difference(each) for each in self.by_stratum]),
            difference(self.interaction),
            of_trainings(self.within, np.full(count, float(max(self.layout.within, 1)))),
            of_trainings(self.of_seeds, _of_seeds(self.layout, count)),
            difference(self.of_splits),
            difference(self.expected_of_splits),
            recipes,
        )

    def _spread(
        self,
        strata: Floats,
        interaction: Floats,
        within: tuple[Floats, Floats],
        seeds: tuple[Floats, Floats],
        of_splits: Floats,
        expected: Floats,
        recipes: Bools,
    ) -> Spread:
        layout = self.layout
        patients = strata.sum(axis=0)
        squares = (strata**2 / self.rows.freedom[:, None]).sum(axis=0)
        of_patients = _divided(patients**2, squares, float(self.rows.freedom.sum()))
        if not layout.within:
            beyond = np.where(recipes, np.maximum(of_splits - expected, 0.0) / layout.splits, 0.0)
            parts = [(patients, of_patients), (beyond, np.full_like(beyond, layout.splits - 1))]
        else:
            each = layout.one_by_seeds / layout.splits
            w, w_freedom = within
            # what trainings have in common is known with an error and may come out below 0
            common = np.maximum(patients - each * interaction, -each * w / 2)
            # chance alone makes seeds and splits differ by up to twice what explains them
            of_seed = np.maximum(seeds[0] - 2 * w / layout.splits, 0.0) / max(layout.seeds, 1)
            explained = expected + (w - interaction) * layout.one_by_seeds
            beyond = np.maximum(of_splits - 2 * np.maximum(explained, 0.0), 0.0) / layout.splits
            parts = [
                (np.where(recipes, common, patients), of_patients),
                (np.where(recipes, each * w, 0.0), w_freedom),
                (np.where(recipes, of_seed, 0.0), seeds[1]),
                (np.where(recipes, beyond, 0.0), np.full_like(beyond, layout.splits - 1)),
            ]
        variance = np.sum([part for part, _ in parts], axis=0)
        error = np.sum([part**2 / np.maximum(free, 1.0) for part, free in parts], axis=0)
        freedom = _divided(variance**2, error, float(self.rows.freedom.sum()))
        return Spread(variance, np.maximum(freedom, 1.0), patients)


def _of_seeds(layout: Layout, count: int) -> Floats:
    return np.full(count, float(max(layout.seeds - 1, 1)))


def _divided(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    out = np.full(np.shape(numerator), otherwise)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)
