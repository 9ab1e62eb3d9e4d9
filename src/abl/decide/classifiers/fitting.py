"""One classifier on one training part: parameters searched inside, ranks kept in probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from abl.decide.check import Floats, Ints
from abl.decide.classifiers.balance import Balance
from abl.decide.classifiers.ranked_probabilities import ranked_probability
from abl.decide.classifiers.scorers import Scorer
from abl.decide.ranking import auc

# parameters -> a classifier
MakeScorer = Callable[[Mapping[str, Any]], Scorer]


@dataclass(frozen=True, eq=False)
class FittedScores:
    """What a classifier says.

    Attributes:
        p: float64 (R, K) of the rows asked.
        out_of_fold: float64 (n, K) of training rows by fits without their fold; None if none were
            needed.
        parameters: Those that were fitted.
        searched: Score of each set of parameters that was tried; empty without a search.
    """

    p: Floats
    out_of_fold: Floats | None
    parameters: Mapping[str, Any]
    searched: tuple[float, ...]


def fit_and_score(
    make: MakeScorer,
    tried: Sequence[Mapping[str, Any]],
    rows: Ints,
    labels: Ints,
    folds: Ints,
    asked: Ints,
    *,
    balance: Balance,
    calibrate: bool,
    out_of_fold: bool = False,
) -> FittedScores:
    """Fits a training part and scores rows.

    Args:
        tried: Sets of parameters; of several, the one whose out-of-fold decision values are best
            (area under the ROC curve).
        rows: (n,) training rows.
        labels: (n,) in 0 .. K - 1.
        folds: (n,) inner fold of each, grouped by patient.
        asked: (R,) rows.
        balance: Of the fits and of the curves.
        calibrate: Whether decision values become probabilities by a curve fitted to those out of
            fold; otherwise they are probabilities.
        out_of_fold: Whether these are wanted in any case.
    """
    inner: Floats | None = None
    chosen, scores = 0, []
    if len(tried) > 1 or calibrate or out_of_fold:
        of_each = [_out_of_fold(make(each), rows, labels, folds, balance) for each in tried]
        if len(tried) > 1:
            scores = [_quality(labels, each) for each in of_each]
            chosen = int(np.argmax(scores))
        inner = of_each[chosen]
    decisions = make(tried[chosen])(*balance.copied(rows, labels), asked)
    if calibrate:
        assert inner is not None
        columns = [1] if inner.shape[1] == 1 else range(inner.shape[1])
        curves = [
            ranked_probability(
                inner[:, at], labels == each, balance.of_class(labels, labels == each)
            )
            for at, each in enumerate(columns)
        ]
        decisions, inner = (
            np.column_stack(
                [scipy.special.expit(c.logits(d[:, at])) for at, c in enumerate(curves)]
            )
            for d in (decisions, inner)
        )
    of_training = None if inner is None else _normalised(inner)
    return FittedScores(_normalised(decisions), of_training, dict(tried[chosen]), tuple(scores))


def _out_of_fold(scorer: Scorer, rows: Ints, labels: Ints, folds: Ints, balance: Balance) -> Floats:
    found: Floats | None = None
    for fold in np.unique(folds):
        out = folds == fold
        decisions = scorer(*balance.copied(rows[~out], labels[~out]), rows[out])
        if found is None:
            found = np.empty((len(rows), decisions.shape[1]))
        found[out] = decisions
    assert found is not None
    return found


def _quality(labels: Ints, decisions: Floats) -> float:
    """Area under the ROC curve; of three classes and more the mean over them."""
    columns = [1] if decisions.shape[1] == 1 else range(decisions.shape[1])
    areas = [auc(labels == each, decisions[:, at]) for at, each in enumerate(columns)]
    return float(np.mean(areas))


def _normalised(p: Floats) -> Floats:
    """(n, K) that sum to 1; of one column, that of class 1, both."""
    if p.shape[1] == 1:
        return np.column_stack([1 - p[:, 0], p[:, 0]])
    total = p.sum(axis=1, keepdims=True)
    return np.divide(p, total, out=np.full_like(p, 1 / p.shape[1]), where=total > 0)
