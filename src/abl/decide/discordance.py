"""How often only one of two arms is right: what a difference of shares stands on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from abl.decide.check import Bools, Floats, Ints, largest_class
from abl.decide.replicates import ArmScores
from abl.decide.spread import Layout


class Rightness:
    """Which images A arms have right, replicate by replicate.

    Args:
        arms: On the same tests.
        of_class: Of which images a share is; None for all.
    """

    def __init__(self, arms: Sequence[ArmScores], of_class: int | None):
        self._right: list[tuple[Bools, Floats]] = []  # (A, N), and (N,) weights in the share
        for at, each in enumerate(arms[0]):
            right = np.stack([largest_class(arm[at].p) == each.labels for arm in arms])
            counted = np.ones(len(each.labels))
            if of_class is not None:
                counted = (each.labels == of_class).astype(np.float64)
            self._right.append((right, counted / max(counted.sum(), 1.0)))

    def discordant(
        self, arms: Ints, kept: Bools, layout: Layout, first: Ints, second: Ints
    ) -> Floats:
        """(n,) share of units that one of two arms alone has right, over the kept replicates.

        Args:
            arms: Positions of those concerned, which `first` and `second` count in.
            layout: Of the kept replicates.
        """
        product = np.zeros((len(arms), len(arms)))
        for weight, at in zip(layout.weight, np.flatnonzero(kept), strict=True):
            right, share = self._right[at]
            of_arms = right[arms].astype(np.float64)
            product += weight * (of_arms * share) @ of_arms.T
        own = np.diagonal(product)
        return np.clip(own[first] + own[second] - 2 * product[first, second], 0.0, 1.0)
