"""The order in which to look at labels: how improbable the networks together hold the given label.

Counting wrong answers throws away how sure they were. The score is 1 - sqrt(q p), with p the mean
of the networks' probabilities of the given label and q that of a fitted pool of them:

    q_k  ~  exp(sum_m w_m log p_mk + w_0 log p_k + c_k)

a log-linear pool (Genest, Zidek, Statistical Science 1986) of the networks and of their mean, which
weighs networks by how well they do and corrects confidences and classes. Weights and offsets are
fitted to the labels as given, a share eps of which is taken as wrong, each other class as likely:
P(label y) = (1 - eps) q_y + eps (1 - q_y) / (K - 1) (symmetric noise; Natarajan et al., NIPS 2013),
so that wrong labels pull less. The plain mean stands beside it because real errors are not so.

Every constant was set on sets with planted errors; docs/audit.md says how.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from abl.decide.audit.appearances import Appearances
from abl.decide.check import Floats, Ints

SMALLEST = 1e-6  # a probability that is stored as 0 says no more than this
NOISE = (2.0, 20.0)  # Beta prior of eps: some per cent
FITTED = 20_000  # images that the pool is fitted on, evenly over all


@dataclass(frozen=True, eq=False)
class Pool:
    """A log-linear pool of M networks and their mean.

    Attributes:
        weights: (M + 1,) of the networks and of their mean, none below 0.
        offsets: (K,) added to the logits of the classes.
        noise: Share of labels that the fit takes as wrong.
    """

    weights: Floats
    offsets: Floats
    noise: float

    def log_probabilities(self, p: Floats) -> Floats:
        """(N, K) log q of p (N, M, K)."""
        return _normalised(np.einsum("m,nmk->nk", self.weights, _experts(p)) + self.offsets)

    def judged(self, labels: Ints, p: Floats) -> JudgedLabels:
        """Score and q of the labels (N,) given, of p (N, M, K) without nan."""
        at = np.arange(len(labels))
        pooled = self.log_probabilities(p)[at, labels]
        mean = np.log(_clipped(p.mean(axis=1))[at, labels])
        return JudgedLabels(-np.expm1((pooled + mean) / 2), np.exp(pooled))


@dataclass(frozen=True, eq=False)
class JudgedLabels:
    """Of N images, nan where one was in no test set.

    Attributes:
        score: (N,) in [0, 1], 1 - sqrt(q p); higher: look first.
        pooled: (N,) q: probability of the given label that the networks together give.
    """

    score: Floats
    pooled: Floats


def judged_labels(found: Appearances) -> JudgedLabels:
    """Score of every label, by a pool that is fitted to all of them."""
    seen = found.times_seen > 0
    whole = JudgedLabels(*np.full((2, len(seen)), np.nan))
    if seen.any():
        p, labels = without_gaps(found.p[seen]), found.labels[seen]
        known = fitted_pool(labels, p).judged(labels, p)
        whole.score[seen], whole.pooled[seen] = known.score, known.pooled
    return whole


def without_gaps(p: Floats) -> Floats:
    """(N, M, K) with the mean of the others in place of networks that did not see an image."""
    missing = np.isnan(p[:, :, 0])
    if not missing.any():
        return p
    mean = np.nanmean(p, axis=1, keepdims=True)
    whole: Floats = np.where(missing[:, :, None], mean, p)
    return whole


def fitted_pool(labels: Ints, p: Floats) -> Pool:
    """The pool that fits labels (N,) as given best, of p (N, M, K) without nan.

    Penalised maximum likelihood: weights are normal about equal ones, half of all the mean's, with
    variance 1; offsets about 0 with variance 1; eps has the prior NOISE.
    """
    if len(labels) > FITTED:
        few = np.linspace(0, len(labels) - 1, FITTED).astype(np.int64)
        labels, p = labels[few], p[few]
    experts = _experts(p)
    images, size, classes = experts.shape
    equal = np.append(np.full(size - 1, 0.5 / (size - 1)), 0.5)
    at = np.arange(images)

    def loss(values: Floats) -> tuple[float, Floats]:
        weights, offsets, noise = values[:size], values[size:-1], values[-1]
        log_q = _normalised(np.einsum("m,nmk->nk", weights, experts) + offsets)
        q = np.exp(log_q)
        given = q[at, labels]
        other = noise / (classes - 1)
        likely = (1 - noise - other) * given + other
        prior = (NOISE[0] - 1) * np.log(noise) + (NOISE[1] - 1) * np.log1p(-noise)
        value = -np.log(likely).sum() - prior
        value += ((weights - equal) ** 2).sum() / 2 + (offsets**2).sum() / 2
        # of each image by its logits
        pull = (1 - noise - other) * given / likely
        slope = pull[:, None] * q
        slope[at, labels] -= pull
        of_noise = ((given - (1 - given) / (classes - 1)) / likely).sum()
        of_noise -= (NOISE[0] - 1) / noise - (NOISE[1] - 1) / (1 - noise)
        gradient = np.concatenate(
            [np.einsum("nk,nmk->m", slope, experts) + weights - equal,
             slope.sum(axis=0) + offsets, [of_noise]]
        )  # fmt: skip
        return float(value), gradient

    start = np.concatenate([equal, np.zeros(classes), [0.05]])
    bounds = [(0.0, None)] * size + [(None, None)] * classes + [(1e-4, 0.5)]
    best = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Pool(best[:size], best[size:-1], float(best[-1]))


def _clipped(p: Floats) -> Floats:
    raised = np.maximum(p, SMALLEST)
    found: Floats = raised / raised.sum(axis=-1, keepdims=True)
    return found


def _experts(p: Floats) -> Floats:
    """(N, M + 1, K) log probabilities of the networks and of their mean."""
    with_mean = np.concatenate([p, p.mean(axis=1, keepdims=True)], axis=1)
    return np.log(_clipped(with_mean))


def _normalised(logits: Floats) -> Floats:
    found: Floats = logits - scipy.special.logsumexp(logits, axis=1, keepdims=True)
    return found
