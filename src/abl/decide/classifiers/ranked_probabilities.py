"""Probabilities of decision values that never change their order.

Source: Platt, "Probabilistic outputs for support vector machines" (1999), with his targets, by
which separable cases have finite slopes. Fitted on few cases that a classifier ranks badly, its
slope can come out negative, and the ranking is reversed; here it is bounded from below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from abl.decide.check import Bools, Floats

# per standard deviation of the decision values: as good as flat, and still in their order
_SMALLEST_SLOPE = 1e-3
_ROUNDS, _ENOUGH = 100, 1e-12  # of Newton's method, and the gradient at which it ends


@dataclass(frozen=True)
class RankedProbability:
    """p = 1 / (1 + exp(-(slope d + offset))), slope above 0."""

    slope: float
    offset: float

    def logits(self, decisions: Floats) -> Floats:
        """Log odds of decision values of any shape."""
        logits: Floats = self.slope * decisions + self.offset
        return logits


def ranked_probability(
    decisions: Floats, positive: Bools, weights: Floats | None = None
) -> RankedProbability:
    """The most likely slope and offset, of slopes that keep the order.

    Args:
        decisions: (n,) of cases that the classifier was not fitted to.
        positive: (n,) whether each is of the class.
        weights: (n,) of the cases, those that the classifier was fitted with; None is equal ones.
            Platt's targets count cases: a weight makes no case more of which to learn.
    """
    sd = float(np.std(decisions)) or 1.0
    center = float(np.mean(decisions))
    d = (decisions - center) / sd
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    weight = np.ones(len(positive)) if weights is None else weights
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

    offset = np.log((weight[positive].sum() + 1) / (weight[~positive].sum() + 1))
    both = np.column_stack([d, np.ones(len(d))])
    slope, offset = _most_likely(both, np.zeros(len(d)), target, weight, np.array([0.0, offset]))
    if slope < _SMALLEST_SLOPE:  # the loss is convex: the best that is allowed is on the bound
        slope, start = _SMALLEST_SLOPE, np.array([offset])
        (offset,) = _most_likely(both[:, 1:], slope * d, target, weight, start)
    slope = float(slope) / sd
    return RankedProbability(slope, float(offset) - slope * center)


def _most_likely(x: Floats, base: Floats, target: Floats, weight: Floats, start: Floats) -> Floats:
    """(m,) coefficients of a logistic model, by Newton's method with steps that are halved.

    Source: Lin, Lin, Weng, "A note on Platt's probabilistic outputs for support vector machines"
    (2007).

    Args:
        x: (n, m); base: (n,) log odds that are added.
        target: (n,) probabilities between 0 and 1.
    """

    def loss(found: Floats) -> float:
        logit = x @ found + base
        return float(weight @ (np.logaddexp(0.0, logit) - target * logit))

    found, value = start, loss(start)
    for _ in range(_ROUNDS):
        p = scipy.special.expit(x @ found + base)
        gradient = x.T @ (weight * (p - target))
        if np.abs(gradient).max() <= _ENOUGH * weight.sum():
            break
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x
        step = np.linalg.solve(curvature + 1e-12 * np.eye(len(found)), gradient)
        size = 1.0
        while (after := loss(found - size * step)) > value and size > 1e-4:
            size /= 2
        if after > value:
            break  # as exact as the loss can be told
        found, value = found - size * step, after
    return found
