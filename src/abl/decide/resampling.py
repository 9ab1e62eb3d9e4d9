"""Draws of patients, and an arm's metric as a function of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from abl.decide.check import Bools, Floats, Ints, largest_class
from abl.decide.metric_registry import Metric
from abl.decide.metrics import METRICS
from abl.decide.replicates import Patients, Scores, mean_over_splits

# weights (B, P) -> metric (B,), or several columns of it (B, ...)
OfWeights = Callable[[Floats], Floats]
# above these sizes the patient by patient matrix of an AUC costs more than sorting each resample
MOST_PATIENTS_IN_A_MATRIX = 1500
MOST_PAIRS_IN_A_MATRIX = 30_000_000


class WeightedArm:
    """One arm and metric as a function of patient weights."""

    def __init__(self, arm: Sequence[Scores], metric: Metric, patients: Patients):
        self._arm = list(arm)
        self._of_weights = [of_weights(each, metric, patients) for each in self._arm]
        seeds = sorted({each.seed for each in self._arm})
        self._of_seed = [[float(each.seed == seed) for each in self._arm] for seed in seeds]

    @property
    def seeds(self) -> int:
        return len(self._of_seed)

    def values(self, weights: Floats) -> Floats:
        """(B, 1 + S): the cell's mean for each row of weights (B, P), then of each seed alone.

        nan where no replicate is defined.
        """
        by_replicate = np.column_stack([function(weights) for function in self._of_weights])
        every = [1.0] * len(self._arm)
        return np.column_stack(
            [
                mean_over_splits(by_replicate, self._arm, np.array([of_seed]))
                for of_seed in [every, *self._of_seed]
            ]
        )


def bootstrap_weights(strata: Ints, resamples: int, rng: np.random.Generator) -> Floats:
    """(B, P) how often each patient counts, drawn as patients come: how many of each stratum is
    drawn first, at least one, so that what needs every class stays defined.

    n - 1 of a stratum's n patients are drawn and scaled to n: drawing n makes intervals too narrow
    by sqrt((n - 1) / n) (Hesterberg, "Unbiasing the bootstrap", 2004).
    """
    weights = np.zeros((resamples, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        size = len(members)
        if size == 1:
            weights[:, members] = 1.0
        else:
            scale = size / (size - 1)
            weights[:, members] = scale * draw_counts(size, resamples, rng, draws=size - 1)
    _, stratum, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    came = np.maximum(rng.multinomial(len(strata), sizes / len(strata), resamples), 1)
    return weights * (came / sizes)[:, stratum]


def draw_counts(
    size: int, resamples: int, rng: np.random.Generator, *, draws: int | None = None
) -> Floats:
    """(B, size) times each of `size` units is drawn, with replacement; `size` draws by default."""
    drawn = rng.integers(0, size, size=(resamples, size if draws is None else draws))
    flat = (drawn + size * np.arange(resamples)[:, None]).ravel()
    return np.bincount(flat, minlength=resamples * size).reshape(resamples, size).astype(np.float64)


def of_weights(replicate: Scores, metric: Metric, patients: Patients) -> OfWeights:
    position = patients.positions(replicate)
    present, local = np.unique(position, return_inverse=True)
    if metric.of_confusion is not None:
        by_patient = confusions_by_patient(replicate, local, len(present))
        of_confusion, size = metric.of_confusion, replicate.p.shape[1]
        return lambda weights: of_confusion(
            (weights[:, present] @ by_patient).reshape(-1, size, size)
        )
    if metric is METRICS["auc"] and len(present) <= MOST_PATIENTS_IN_A_MATRIX:
        size = replicate.p.shape[1]
        if len(replicate.labels) ** 2 / 4 <= MOST_PAIRS_IN_A_MATRIX:
            forms = [
                _auc_form(replicate.labels == column, replicate.p[:, column], position)
                for column in ([1] if size == 2 else range(size))
            ]
            return lambda weights: np.mean([form(weights) for form in forms], axis=0)
    return lambda weights: np.array(
        [metric(replicate.labels, replicate.p, row[position]) for row in weights]
    )


def confusions_by_patient(replicate: Scores, local: Ints, count: int) -> Floats:
    """(patients, K * K) images of each patient in each cell of the confusion matrix."""
    size = replicate.p.shape[1]
    cell = replicate.labels * size + largest_class(replicate.p)
    flat = np.bincount(local * size**2 + cell, minlength=count * size**2)
    return flat.reshape(count, size**2).astype(np.float64)


def _auc_form(positive: Bools, score: Floats, local: Ints) -> OfWeights:
    """AUC as a'Mb / pairs: M counts the image pairs that one patient wins from another."""
    if positive.all() or not positive.any():
        return lambda weights: np.full(len(weights), np.nan)
    high, of_high = _by_patient(score, local, positive)
    low, of_low = _by_patient(score, local, ~positive)
    won = (high[:, None] > low).astype(np.float64) + 0.5 * (high[:, None] == low)
    winners, first_high, positives = np.unique(of_high, return_index=True, return_counts=True)
    losers, first_low, negatives = np.unique(of_low, return_index=True, return_counts=True)
    won = np.add.reduceat(np.add.reduceat(won, first_high, axis=0), first_low, axis=1)

    def auc(weights: Floats) -> Floats:
        for_high, for_low = weights[:, winners], weights[:, losers]
        pairs = (for_high @ positives) * (for_low @ negatives)
        u = np.einsum("bp,bp->b", for_high @ won, for_low)
        return np.divide(u, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)

    return auc


def _by_patient(score: Floats, local: Ints, chosen: Bools) -> tuple[Floats, Ints]:
    """Scores of the chosen images and their patients, patient after patient."""
    order = np.argsort(local[chosen], kind="stable")
    return score[chosen][order], local[chosen][order]
