"""Classes of different size: copies of the smaller ones, or weights, in fits and in what follows.

A curve that turns decision values into probabilities, or a regression on predictions, follows the
share of the classes that it is fitted to. It gets the weights of the fit, or a balanced classifier
would call nearly everything the larger class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from abl.decide.check import Bools, Floats, Ints

BalanceName = Literal["none", "weights", "duplicate", "flips"]
COPIES = ("duplicate", "flips")
FLIPPED = ("left_right", "up_down")  # copies of a class that is smaller
_DRAW = 7  # stream of random numbers


@dataclass(frozen=True)
class Balance:
    """How a training part is balanced.

    Attributes:
        how: none; weights; duplicate and flips: copies of the smaller classes' images until all
            are as large as the largest.
        images: Rows before copies: those flipped stand this many rows behind, once or twice.
        seed: Of the order in which images are copied.
    """

    how: BalanceName = "none"
    images: int = 0
    seed: int = 0

    @property
    def weighs(self) -> bool:
        """Whether classifiers weigh classes, each the inverse of its size."""
        return self.how == "weights"

    def copied(self, rows: Ints, labels: Ints) -> tuple[Ints, Ints]:
        """Rows and labels (n,) with copies of the smaller classes behind them.

        flips: first each image's left-right copy, then its up-down one, in a random order of
        images each time; then these once more. duplicate: the images themselves.
        """
        if self.how not in COPIES:
            return rows, labels
        counts = np.bincount(labels)
        generator = np.random.default_rng([self.seed, _DRAW])
        extra, of = [rows], [labels]
        for label, count in enumerate(counts):
            members, wanted = rows[labels == label], int(counts.max() - count)
            rounds = -(-wanted // max(len(members), 1))
            shift = [1 + at % len(FLIPPED) if self.how == "flips" else 0 for at in range(rounds)]
            drawn = [generator.permutation(members) + each * self.images for each in shift]
            if drawn:
                extra.append(np.concatenate(drawn)[:wanted])
                of.append(np.full(wanted, label))
        return np.concatenate(extra), np.concatenate(of)

    def of_cases(self, labels: Ints) -> Floats:
        """(n,) weights with mean 1 under which all classes of the labels weigh the same."""
        if self.how == "none":
            return np.ones(len(labels))
        counts = np.bincount(labels)
        weights: Floats = len(labels) / (np.count_nonzero(counts) * counts[labels])
        return weights

    def of_class(self, labels: Ints, positive: Bools) -> Floats:
        """(n,) weights of the cases in a decision between one class and all others.

        Weights are given decision by decision, as to a machine that makes it; copies are of every
        class, so that of three the others together weigh twice as much.
        """
        return self.of_cases(positive.astype(np.int64) if self.weighs else labels)
