"""The cut-off of two classes that serves a metric best: p of class 1 from which on it is called.

Sources: the cut-off of the largest G-mean is that of Rafalo, Zylka (2025), who chose it on the test
set that it was scored on; honestly it is chosen on validation images.
"""

from __future__ import annotations

import numpy as np

from abl.decide.check import DIGITS, Floats, Ints, comparable
from abl.decide.confusion import OfConfusion
from abl.decide.decision import TIE_RULE
from abl.decide.metric_names import metric_named
from abl.errors import InputError

HALF = "half"  # in place of a metric: no choice, the class is the more probable one
_LARGEST = 1 - 10.0**-DIGITS  # a cut-off lies below 1, where its odds are finite


def best_cutoff(
    labels: Ints, p: Floats, metric: OfConfusion, *, higher_is_better: bool = True
) -> float:
    """The cut-off in (0, 1) with the best value of a metric of confusion matrices.

    One that lies between two scores is their middle: which images are called is all that the
    choice knows. Of equally good ones that nearest to 0.5 is taken, the lower of two.

    Args:
        labels: (N,) 0 or 1.
        p: (N, 2) probabilities.
        metric: Of (..., 2, 2) counts, row true class, column final class.

    Returns:
        0.5 where the metric is undefined at every cut-off, as without one of the classes.
    """
    scores = comparable(p[:, 1])
    found, place = np.unique(scores, return_inverse=True)
    counts = np.zeros((2, len(found) + 1))
    np.add.at(counts, (labels, place), 1)
    below = np.cumsum(counts, axis=1) - counts  # (2, C): of each class below the cut-off
    total = counts.sum(axis=1, keepdims=True)
    confusion = np.stack([below, total - below], axis=-1).transpose(1, 0, 2)
    values = metric(confusion) * (1 if higher_is_better else -1)
    # no cut-off inside (0, 1) calls a score of 0, or does not call one of 1
    values[[0, -1]] = np.where([found[0] == 0, found[-1] == 1], np.nan, values[[0, -1]])
    if np.isnan(values).all():
        return TIE_RULE
    cutoffs = _between(found)
    best = np.flatnonzero(values == np.nanmax(values))
    nearest = min(best.tolist(), key=lambda at: (abs(cutoffs[at] - TIE_RULE), cutoffs[at]))
    return float(cutoffs[nearest])


def _between(found: Floats) -> Floats:
    """(C + 1,) cut-offs that call the images from each distinct score on, and none."""
    low = np.concatenate([[0.0], found])
    high = np.concatenate([found, [1.0]])
    # the tie rule, where it calls the same images
    middle = np.where((low < TIE_RULE) & (high >= TIE_RULE), TIE_RULE, (low + high) / 2)
    middle = np.round(middle, DIGITS)
    # of neighbours that differ in the last digit the middle is one of them
    cutoffs: Floats = np.clip(np.where(middle <= low, high, middle), 10.0**-DIGITS, _LARGEST)
    return cutoffs


def cutoff_by(name: str, labels: Ints, p: Floats) -> float:
    """The best cut-off by a metric's name; 0.5 for `half`, and for other than two classes.

    Raises:
        InputError: No such metric, or one that does not depend on which class is called alone.
    """
    if name == HALF or p.shape[1] != 2:
        return TIE_RULE
    metric = metric_named(name)
    if metric.of_confusion is None or metric.higher_is_better is None:
        raise InputError(f"no cut-off is best by {name}: name a metric of right and wrong calls")
    better = metric.higher_is_better
    return best_cutoff(labels, p, metric.of_confusion, higher_is_better=better)
