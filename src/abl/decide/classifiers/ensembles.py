"""One prediction of several: means, weights by likelihood, stacking, and the best by a metric."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from abl.decide.check import Floats, Ints
from abl.decide.classifiers.one_thread import one_thread
from abl.decide.metric_names import metric_named

_ROUNDS, _SMALLEST = 500, 1e-12


def mean_of_sets(p: Sequence[Floats], sets: Sequence[int]) -> Floats:
    """(N, K) the mean over feature sets of the mean over each set's classifiers.

    Args:
        p: (N, K) each.
        sets: The feature set of each.
    """
    of_sets = [
        np.mean([each for each, at in zip(p, sets, strict=True) if at == wanted], axis=0)
        for wanted in dict.fromkeys(sets)
    ]
    mean: Floats = np.mean(of_sets, axis=0)
    return mean


def likely_weights(p: Sequence[Floats], labels: Ints, cases: Floats | None = None) -> Floats:
    """(M,) weights >= 0 with sum 1 under which the mixture of predictions is most likely.

    By expectation-maximisation from equal weights; the likelihood is concave in them.

    Args:
        p: (n, K) each, of cases that no part was fitted to.
        cases: (n,) weights of the cases, as the parts were fitted with; None is equal ones.
    """
    own = np.stack([each[np.arange(len(labels)), labels] for each in p], axis=1)
    own = np.maximum(own, _SMALLEST)
    weights = np.full(len(p), 1 / len(p))
    for _ in range(_ROUNDS):
        shares = own * weights
        shares /= shares.sum(axis=1, keepdims=True)
        weights = np.average(shares, axis=0, weights=cases)
    found: Floats = weights
    return found


def mixture(p: Sequence[Floats], weights: Floats) -> Floats:
    """(N, K) the weighted mean of predictions."""
    mixed: Floats = np.tensordot(weights, np.stack(p), axes=1)
    return mixed


def stacked(
    out_of_fold: Sequence[Floats],
    labels: Ints,
    p: Sequence[Floats],
    cases: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Predictions by a logistic regression on those of the parts (Wolpert 1992).

    Args:
        out_of_fold: (n, K) each, of training cases by fits without their fold.
        labels: (n,) in 0 .. K - 1.
        p: (N, K) each, of the cases asked.
        cases: (n,) weights of the training cases; None is equal ones.

    Returns:
        (N, K) and the coefficients (K or 1, M (K - 1)).
    """
    model = LogisticRegression(C=1.0, max_iter=1000)
    with one_thread():
        model.fit(_log_odds(out_of_fold), labels, sample_weight=cases)
        found: Floats = model.predict_proba(_log_odds(p))
    return found, model.coef_


def _log_odds(p: Sequence[Floats]) -> Floats:
    """(N, M (K - 1)) log odds against the first class; finite for vote shares of 0 and 1."""
    logs = [np.log(np.clip(each, 1e-3, 1 - 1e-3)) for each in p]
    return np.concatenate([each[:, 1:] - each[:, :1] for each in logs], axis=1)


def best_by(metric: str, labels: Ints, p: Sequence[Floats]) -> tuple[int, Floats]:
    """Position of the prediction with the best value of a metric, the first of equals; all values.

    Undefined values are never the best.
    """
    known = metric_named(metric)
    values = np.array([known(labels, each) for each in p], dtype=np.float64)
    signed = values if known.higher_is_better is not False else -values
    return int(np.argmax(np.nan_to_num(signed, nan=-np.inf))), values
