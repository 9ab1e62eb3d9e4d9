"""Placements of images among the other class, ranked once for all that asks for them.

Of an image: the share of the other class that it is on the right side of, ties one half. Their mean
over either class is the AUC (DeLong et al., Biometrics 1988).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from abl.decide.check import Floats
from abl.decide.ranking import twice_below

if TYPE_CHECKING:
    from abl.decide.replicates import Scores


def placed_among_others(replicate: Scores, column: int) -> tuple[Floats, float]:
    """(N,) placements, and their mean over a class; zeros and nan where it, or the rest, lacks."""
    positive = replicate.labels == column
    m, n = int(positive.sum()), int((~positive).sum())
    place = np.zeros(len(positive))
    if not m or not n:
        return place, math.nan
    below = _below(replicate, column)
    place[positive] = below[positive] / 2 / n
    place[~positive] = 1 - below[~positive] / 2 / m
    return place, float(place[positive].mean())


def ranked_auc(replicate: Scores) -> float:
    """The metric `auc`: of more than two classes the mean; nan if a class is missing."""
    size = replicate.p.shape[1]
    areas = [_area(replicate, column) for column in ([1] if size == 2 else range(size))]
    return areas[0] if size == 2 else float(np.mean(areas))


def _area(replicate: Scores, column: int) -> float:
    """A ratio of two integers: the same images give the same bits in any order."""
    positive = replicate.labels == column
    pairs = 2 * int(positive.sum()) * int((~positive).sum())
    if not pairs:
        return math.nan
    return int(_below(replicate, column)[positive].sum(dtype=np.int64)) / pairs


def _below(replicate: Scores, column: int) -> np.ndarray:
    """`twice_below`, as int32: they are kept as long as the scores are."""

    def ranked() -> np.ndarray:
        return twice_below(replicate.labels == column, replicate.p[:, column]).astype(np.int32)

    return replicate.once(("twice below", column), ranked)
