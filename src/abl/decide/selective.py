"""How well confidence tells right answers from wrong ones: areas under risk over coverage.

Confidence is the margin of the two largest probabilities. Images that tie are decided together:
their errors are spread evenly over them, as if their order were random.
"""

from __future__ import annotations

import math

import numpy as np
import scipy

from abl.decide.check import Floats, Ints, largest_class, margin
from abl.decide.metric_registry import SHARE, metric


@metric("aurc", label="AURC", higher_is_better=False, bounds=SHARE)
def _aurc(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Mean error rate of the most confident 1, 2, ..., N images, ties spread evenly."""
    # Geifman, El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017
    covered, errors = risk_steps(labels, p, weights)
    if covered[-1] == 0:
        return math.nan
    # between two steps the errors grow evenly: the sum over k of (e + slope (k - c)) / k
    width, before, wrong = np.diff(covered), covered[:-1], errors[:-1]
    slope = np.divide(np.diff(errors), width, out=np.zeros_like(width), where=width > 0)
    harmonic = scipy.special.digamma(covered[1:] + 1) - scipy.special.digamma(before + 1)
    return float(np.sum(slope * width + (wrong - slope * before) * harmonic) / covered[-1])


@metric("augrc", label="AUGRC", higher_is_better=False, bounds=SHARE)
def _augrc(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    """Area under the share of all images that are decided and wrong, over coverage."""
    # Traub et al., "Overcoming common flaws in the evaluation of selective classification systems",
    # NeurIPS 2024
    covered, errors = risk_steps(labels, p, weights)
    if covered[-1] == 0:
        return math.nan
    return float(np.trapezoid(errors, covered)) / float(covered[-1]) ** 2


def risk_steps(labels: Ints, p: Floats, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Images decided, and errors among them, as confidence falls: (S + 1,) each, from 0 on.

    Args:
        labels, p: (N,) and (N, K).
        weights: (N,); an image of weight 2 is two images.

    Returns:
        A step for each distinct confidence.
    """
    certain = margin(p)
    order = np.argsort(-certain, kind="stable")
    own = np.ones(len(order)) if weights is None else np.asarray(weights, np.float64)[order]
    wrong = (largest_class(p) != labels)[order]
    last = np.append(np.diff(certain[order]) != 0, True)[: len(order)]
    covered, errors = np.cumsum(own)[last], np.cumsum(own * wrong)[last]
    return np.append(0.0, covered), np.append(0.0, errors)
