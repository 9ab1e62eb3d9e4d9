"""Scores of several networks on one scale, so that images of different test sets can be ranked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abl.decide.check import Bools, Floats, Ints
from abl.decide.replicates import KEYS

RANKED = (
    "AUC and ROC of arms: networks of several folds have no common scale of probabilities, so that "
    "each score is its rank among the test images of its own network, both classes counting alike."
)


def rank_shares(scores: Floats, labels: Ints, positive: int) -> Floats:
    """Where each score of a network stands among those of its own test images.

    The mean of two shares: of the positive images, and of the others, how many score lower, ties
    counting half. The two classes count alike, so that a test set with more positives does not
    lower the ranks of its own. The order of a network's images stays as it is. After the placement
    values of Pepe, Cai, Biometrics 60, 2004.

    Args:
        scores: (N,).
        labels: (N,) true classes.

    Returns:
        (N,) between 0 and 1.
    """
    is_positive = labels == positive
    parts = [_share_below(scores, each) for each in (is_positive, ~is_positive) if each.any()]
    shares: Floats = np.mean(parts, axis=0)
    return shares


def _share_below(scores: Floats, chosen: Bools) -> Floats:
    """(N,) of the chosen scores the share below each, ties half."""
    own = np.sort(scores[chosen])
    below = np.searchsorted(own, scores, "left") + np.searchsorted(own, scores, "right")
    shares: Floats = below / (2 * len(own))
    return shares


def on_one_scale(chosen: pd.DataFrame, tests: pd.DataFrame, positive: int) -> Floats | None:
    """The positive class' scores of some images of an arm, comparable between networks.

    Args:
        chosen: Rows of predictions, an image each; a part of `tests`.
        tests: All test predictions of that arm: repeat, fold, seed, label, p_0, p_1, ...

    Returns:
        (N,) rank shares among all test images of the row's own network; None if one network
        predicted all rows, so that their probabilities can be compared as they are.
    """
    if len(chosen[KEYS].drop_duplicates()) < 2:
        return None
    found = pd.Series(np.nan, index=tests.index)
    for _, own in tests.groupby(KEYS, sort=False):
        scores = own[f"p_{positive}"].to_numpy(np.float64)
        found[own.index] = rank_shares(scores, own["label"].to_numpy(np.int64), positive)
    return np.asarray(found[chosen.index], dtype=np.float64)
