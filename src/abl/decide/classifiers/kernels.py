"""Kernels of features of several networks, composed from what was computed of each alone.

Features are scaled network by network on training rows. Of concatenated features the linear kernel
is the sum of the networks' kernels, and the RBF kernel with one gamma their product (squared
distances add up), so that no subset of networks goes back to the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from abl.decide.check import Floats, Ints

Scale = Literal["network", "columns"]
KernelName = Literal["linear", "rbf"]
_ROWS = 4096  # scaled at a time: what stays in memory is products, not features


@dataclass(frozen=True, eq=False)
class Products:
    """Inner products of one network's scaled features.

    Attributes:
        inner: float64 (R, n): of every row with every training row.
        squares: float64 (R,): of every row with itself.
        columns: int64 (n,): the row that each column is.
    """

    inner: Floats
    squares: Floats
    columns: Ints


def products_of(
    features: Sequence[np.ndarray],
    training: Ints,
    scale: Scale = "network",
    outside: np.ndarray | None = None,
) -> Products:
    """Inner products of features after scaling.

    Args:
        features: (N, width) each: the images, then their copies (flipped, for one).
        training: Rows of the first array that decide the scaling; their copies are columns too.
        scale: columns: each has mean 0 and variance 1 on the training rows. network: so, and then
            over the root of their number: every network has the same weight, whatever its width.
        outside: (M, width) of further images, the last rows.
    """
    first = np.asarray(features[0][training], dtype=np.float64)
    mean, sd = first.mean(axis=0), first.std(axis=0)
    varies = sd > 1e-12 * np.maximum(np.abs(mean), 1e-30)  # a constant column says nothing
    factor = np.zeros(len(sd))
    factor[varies] = 1 / sd[varies]
    if scale == "network" and varies.any():
        factor /= np.sqrt(varies.sum())
    size = len(features[0])
    columns = np.concatenate([training + at * size for at in range(len(features))])
    known = np.concatenate([_scaled(each[training], mean, factor) for each in features])
    every = [*features, *([] if outside is None else [outside])]
    count = sum(len(each) for each in every)
    inner, squares = np.empty((count, len(columns))), np.empty(count)
    for at, each in enumerate(every):
        for start in range(0, len(each), _ROWS):
            rows = _scaled(each[start : start + _ROWS], mean, factor)
            place = slice(at * size + start, at * size + start + len(rows))
            inner[place], squares[place] = rows @ known.T, np.einsum("ij,ij->i", rows, rows)
    return Products(inner, squares, columns.astype(np.int64))


def _scaled(features: np.ndarray, mean: Floats, factor: Floats) -> Floats:
    scaled: Floats = (np.asarray(features, dtype=np.float64) - mean) * factor
    return scaled


class ComposedKernels:
    """Kernels of the concatenated features of some networks, each composed once.

    Args:
        parts: One a network, in the order in which sums are taken.

    Attributes:
        columns: int64 (n,): the row that each column of a kernel is.
    """

    def __init__(self, parts: Sequence[Products]):
        inner = parts[0].inner.astype(np.float64)
        for part in parts[1:]:
            inner += part.inner
        self._squares: Floats = np.sum([part.squares for part in parts], axis=0)
        self._made: dict[tuple[KernelName, float | None], Floats] = {("linear", None): inner}
        self.columns = parts[0].columns

    @property
    def bytes(self) -> int:
        """Of what it holds."""
        return sum(each.nbytes for each in self._made.values())

    def of(self, name: KernelName, gamma: float | None = None) -> Floats:
        """(R, n) the kernel of this name, which nobody changes.

        Args:
            gamma: Of rbf, exp(-gamma d^2); None: one over the mean squared norm of the training
                rows, scikit-learn's `scale`.
        """
        key = (name, None if name == "linear" else gamma)
        if key not in self._made:
            self._made[key] = self._rbf(gamma)
        return self._made[key]

    def _rbf(self, gamma: float | None) -> Floats:
        of_columns = self._squares[self.columns]
        if gamma is None:
            gamma = 1 / max(float(of_columns.mean()), 1e-300)
        inner = self._made["linear", None]
        distances = self._squares[:, None] + of_columns[None, :] - 2 * inner
        kernel: Floats = np.exp(-gamma * np.maximum(distances, 0.0))
        return kernel
