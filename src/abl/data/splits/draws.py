"""Random draws of groups, balanced in number and in size: the randomised blocks behind splits.

Groups of one class are sorted by their number of images and cut into runs of nearly equal length.
A hold-out takes one group of each run at random, k folds share out each run of k at random. So
parts are alike in groups and in images, though a patient may have one image or twenty-five, and
yet the draw stays random: greedy balancing in order of size would give nearly the same folds in
every repeat.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stratum:
    """Groups of one class: their ids, sorted, and how many images each has, int64."""

    names: tuple[str, ...]
    images: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def without(self, taken: set[str]) -> Stratum:
        """The same less some groups."""
        kept = np.array([name not in taken for name in self.names], dtype=bool)
        return Stratum(tuple(itertools.compress(self.names, kept)), self.images[kept])


def drawn_share(stratum: Stratum, share: float, left: int, draw: np.random.Generator) -> list[str]:
    """A share of the groups, at least one, leaving at least so many: one of each run by size."""
    order = _by_size(stratum, draw)
    count = max(0, min(max(1, round(share * len(order))), len(order) - left))
    edges = np.linspace(0, len(order), count + 1).round().astype(int)
    return [
        stratum.names[order[draw.integers(start, end)]] for start, end in itertools.pairwise(edges)
    ]


def drawn_folds(
    strata: Sequence[Stratum], folds: int, draw: np.random.Generator
) -> list[dict[str, int]]:
    """For each stratum, group -> fold."""
    groups_held = np.zeros(folds, dtype=np.int64)
    images_held = np.zeros(folds, dtype=np.int64)
    assigned: list[dict[str, int]] = []
    for stratum in strata:
        order = _by_size(stratum, draw)
        fold_of: dict[str, int] = {}
        for start in range(0, len(order), folds):
            run = order[start : start + folds]
            members = draw.permutation(folds)
            if len(run) < folds:
                # the last run reaches some folds only: those with the fewest groups and, among
                # these, the fewest images
                members = members[np.lexsort((images_held[members], groups_held[members]))]
                members = members[: len(run)]
            groups_held[members] += 1
            images_held[members] += stratum.images[run]
            fold_of.update(
                (stratum.names[i], int(fold)) for i, fold in zip(run, members, strict=True)
            )
        assigned.append(fold_of)
    return assigned


def _by_size(stratum: Stratum, draw: np.random.Generator) -> np.ndarray:
    """Positions from most to fewest images; equal ones in random order."""
    keys = draw.random(len(stratum))
    return np.lexsort((keys, -stratum.images))
