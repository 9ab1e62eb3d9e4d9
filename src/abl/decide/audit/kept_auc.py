"""AUC of one test set under many choices of which of its images count, all at once."""

from __future__ import annotations

import numpy as np

from abl.decide.check import Bools, Floats, Ints

CELLS = 2_000_000  # choices x images looked at together: some 100 MB


class KeptAuc:
    """AUC of the images kept, ties one half; mean over classes, each against the rest, for K > 2.

    The scores are sorted once. Undefined (nan) where the images kept lack a class.
    """

    def __init__(self, labels: Ints, p: Floats):
        """labels (n,), p (n, K)."""
        classes = p.shape[1]
        self._sides = [
            _Side(labels == column, p[:, column])
            for column in ([1] if classes == 2 else range(classes))
        ]

    def of(self, kept: Bools) -> Floats:
        """(D,) AUC of each row of `kept` (D, n)."""
        block = max(1, CELLS // max(1, kept.shape[1]))
        parts = [
            np.mean([side.of(kept[start : start + block]) for side in self._sides], axis=0)
            for start in range(0, len(kept), block)
        ]
        found: Floats = np.concatenate(parts)
        return found


class _Side:
    """One class against the rest."""

    def __init__(self, positive: Bools, score: Floats):
        self._order = np.argsort(score, kind="stable")
        ordered = score[self._order]
        self._starts = np.flatnonzero(np.append(True, np.diff(ordered) != 0))  # of equal scores
        self._positive = positive[self._order]

    def of(self, kept: Bools) -> Floats:
        counted = kept[:, self._order]
        positive, negative = (
            np.add.reduceat(counted & each, self._starts, axis=1, dtype=np.int64)
            for each in (self._positive, ~self._positive)
        )
        not_above = np.cumsum(negative, axis=1)
        twice_u = (positive * (2 * not_above - negative)).sum(axis=1)
        pairs = 2 * positive.sum(axis=1) * not_above[:, -1]
        found: Floats = np.divide(twice_u, pairs, out=np.full(len(kept), np.nan), where=pairs > 0)
        return found
