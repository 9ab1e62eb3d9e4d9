"""What decisions read from probabilities (N, K); unchecked, for arrays that passed a door."""

from __future__ import annotations

import numpy as np

from abl.decide.check import Floats, Ints


def margin(p: Floats) -> Floats:
    """(N,) difference of the two largest probabilities; |p_B - p_M| for K = 2."""
    if p.shape[1] == 2:
        return np.abs(p[:, 0] - p[:, 1])
    top = np.partition(p, -2, axis=1)
    return top[:, -1] - top[:, -2]


def largest_class(p: Floats) -> Ints:
    """(N,) class of the largest probability; a tie goes to the higher class (malignant)."""
    classes = p.shape[1]
    if classes == 2:
        return (p[:, 0] <= p[:, 1]).astype(np.int64)
    return (classes - 1 - np.argmax(p[:, ::-1], axis=1)).astype(np.int64)
