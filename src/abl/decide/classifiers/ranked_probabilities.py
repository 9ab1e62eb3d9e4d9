"""Probabilities of decision values that never change their order.

Source: Platt, "Probabilistic outputs for support vector machines" (1999), with his targets, by
which separable cases have finite slopes. Fitted on few cases that a classifier ranks badly, its
slope can come out negative, and the ranking is reversed; here it is bounded from below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from abl.decide.check import Bools, Floats

# per standard deviation of the decision values: as good as flat, and still in their order
_SMALLEST_SLOPE = 1e-3


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

    def loss(free: Floats) -> tuple[float, Floats]:
        logit = free[0] * d + free[1]
        gap = weight * (expit(logit) - target)
        value = float(weight @ (np.logaddexp(0.0, logit) - target * logit))
        return value, np.array([float(gap @ d), float(gap.sum())])

    share = (weight[positive].sum() + 1) / (weight[~positive].sum() + 1)
    start = np.array([1.0, float(np.log(share))])
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(_SMALLEST_SLOPE, None), (None, None)]
    ).x
    slope = float(found[0]) / sd
    return RankedProbability(slope, float(found[1]) - slope * center)
