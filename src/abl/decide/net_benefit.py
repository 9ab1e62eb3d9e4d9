"""Net benefit: what decisions by a probability are worth, in true positives for each case.

Source: Vickers, Elkin, Medical Decision Making 2006; 26:565-574.
"""

from __future__ import annotations

import math

import numpy as np

from abl.decide.check import Floats, Ints


def net_benefit(
    labels: Ints, p: Floats, thresholds: Floats, weights: Floats | None = None
) -> Floats:
    """(T,) TP / n - FP / n x t / (1 - t), where a case is called positive if p_1 is at least t.

    t is the probability from which one would treat: the odds t / (1 - t) are the harm of treating
    a negative case over the benefit of treating a positive one. nan without cases, and at t = 1.

    Args:
        labels: (N,) 0 or 1.
        p: (N, 2) probabilities.
        thresholds: (T,) in [0, 1].
        weights: (N,) of the cases; default: 1 each.
    """
    return _benefit(labels, p[:, 1] >= thresholds[:, None], thresholds, weights)


def net_benefit_of_all(labels: Ints, thresholds: Floats, weights: Floats | None = None) -> Floats:
    """(T,) net benefit of calling every case positive; that of calling none positive is 0."""
    everyone = np.ones((len(thresholds), len(labels)), dtype=bool)
    return _benefit(labels, everyone, thresholds, weights)


def _benefit(
    labels: Ints, called: np.ndarray, thresholds: Floats, weights: Floats | None
) -> Floats:
    weight = np.ones(len(labels)) if weights is None else weights
    total = float(weight.sum())
    if not total:
        return np.full(len(thresholds), math.nan)
    true = called @ (weight * (labels == 1)) / total
    false = called @ (weight * (labels == 0)) / total
    rest = 1 - thresholds
    odds = np.divide(thresholds, rest, out=np.full_like(rest, np.nan), where=rest > 0)
    return np.asarray(true - false * odds, dtype=np.float64)
