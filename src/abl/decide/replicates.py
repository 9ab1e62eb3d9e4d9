"""Replicates of an arm on the same units, their scores, and resamples of their patients."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abl.decide.check import Bools, Floats, Ints, checked_pair, largest_class
from abl.decide.metric_names import metric_named
from abl.decide.metric_registry import Metric
from abl.decide.metrics import METRICS
from abl.decide.placements import ranked_auc
from abl.errors import InputError

Known = TypeVar("Known")
KEYS = ["repeat", "fold", "seed"]  # columns that name a replicate


class Lasting:
    """What does not change, so that what follows from it need not be made twice."""

    def once(self, what: Hashable, make: Callable[[], Known]) -> Known:
        """What follows from this alone, made when it is first asked for by that name."""
        known: dict[Hashable, Any] = self.__dict__.setdefault("_once", {})
        if what not in known:
            known[what] = make()
        found: Known = known[what]
        return found


@dataclass(frozen=True, eq=False)
class Scores(Lasting):
    """Final probabilities of one arm on the test images of one (repeat, fold, seed).

    Attributes:
        repeat, fold, seed: Which replicate. Several seeds share the split of a (repeat, fold).
        labels, patients: (N,) true classes, and names.
        p: (N, K).

    Raises:
        InputError: Arrays of different lengths, or no probabilities.
    """

    repeat: int
    fold: int
    seed: int
    labels: Ints
    patients: NDArray
    p: Floats

    def __post_init__(self) -> None:
        labels, p = checked_pair(self.labels, self.p, f"replicate {self.key}")
        patients = np.asarray(self.patients).astype(str)
        if patients.shape != labels.shape:
            raise InputError(
                f"replicate {self.key}: {len(patients)} patients, {len(labels)} labels"
            )
        for name, value in (("labels", labels), ("p", p), ("patients", patients)):
            object.__setattr__(self, name, value)

    @property
    def key(self) -> tuple[int, int, int]:
        return self.repeat, self.fold, self.seed

    @property
    def split(self) -> tuple[int, int]:
        return self.repeat, self.fold

    def is_of_the_same_images(self, other: Scores) -> bool:
        """Whether labels, patients and classes are those of the other."""
        return self is other or (
            _are_equal(self.labels, other.labels)
            and _are_equal(self.patients, other.patients)
            and self.p.shape == other.p.shape
        )

    @property
    def print(self) -> int:
        """Equal for predictions that are equal to the last bit."""
        return self.once("print", lambda: hash(self.p.tobytes()))


def _are_equal(one: NDArray, other: NDArray) -> bool:
    return one is other or np.array_equal(one, other)


ArmScores = Sequence[Scores]


def checked_arm(arm: ArmScores) -> list[Scores]:
    """The replicates in the order of their keys. Raises InputError if none, or one is double."""
    ordered = sorted(arm, key=lambda each: each.key)
    if not ordered:
        raise InputError("an arm without replicates has no statistics")
    for one, other in pairwise(ordered):
        if one.key == other.key:
            raise InputError(f"replicate (repeat, fold, seed) = {one.key} is there twice")
    return ordered


def checked_pair_of_arms(arm: ArmScores, base: ArmScores) -> tuple[list[Scores], list[Scores]]:
    """Both arms, replicate beside replicate. Raises InputError unless they share every image."""
    first, second = checked_arm(arm), checked_arm(base)
    if [each.key for each in first] != [each.key for each in second]:
        raise InputError("the arms were not run on the same replicates: they cannot be paired")
    for one, other in zip(first, second, strict=True):
        if not one.is_of_the_same_images(other):
            raise InputError(f"replicate {one.key}: the arms were scored on different images")
    return first, second


def replicate_scores(arm: ArmScores, metrics: Sequence[str]) -> pd.DataFrame:
    """Columns repeat, fold, seed and one a metric; one row a replicate, nan where undefined."""
    chosen = [metric_named(name) for name in metrics]
    return pd.DataFrame(
        [
            dict(zip(KEYS, each.key, strict=True))
            | {metric.name: _value_of(metric, each) for metric in chosen}
            for each in checked_arm(arm)
        ]
    )


def _value_of(metric: Metric, replicate: Scores) -> float:
    if metric.name == "auc":  # by the ranks that its interval and comparisons need too
        return ranked_auc(replicate)
    return metric(replicate.labels, replicate.p)


@dataclass(frozen=True, eq=False)
class Patients:
    """The patients of an arm, over all replicates.

    Attributes:
        names: (P,) sorted.
        strata: (P,) class of each patient: the highest label among its images, so that for two
            classes a patient with any malignant image is malignant.
    """

    names: NDArray
    strata: Ints

    def __len__(self) -> int:
        return len(self.names)

    def positions(self, replicate: Scores) -> Ints:
        """(N,) position in `names` of each image's patient."""
        return np.searchsorted(self.names, replicate.patients).astype(np.int64)


def patients_of(*arms: ArmScores) -> Patients:
    replicates = [each for arm in arms for each in arm]
    names, code = np.unique(
        np.concatenate([each.patients for each in replicates]), return_inverse=True
    )
    strata = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(strata, code, np.concatenate([each.labels for each in replicates]))
    return Patients(names, strata)


def one_image_per_patient(patients: NDArray) -> bool:
    """Whether images are independent units, as DeLong, McNemar and Wilson take them to be."""
    return len(np.unique(patients)) == len(patients)


def mean_over_splits(values: Floats, arm: Sequence[Scores], seed_weights: Floats) -> Floats:
    """Seeds averaged within (repeat, fold), then splits: (B, R) -> (B,); nan values left out.

    Args:
        values: (B, R), one column a replicate.
        arm: The R replicates.
        seed_weights: (B, R) or (1, R) weight of each replicate's seed.
    """
    defined = ~np.isnan(values)
    weights = np.where(defined, seed_weights, 0.0)
    weighted = np.where(defined, values, 0.0) * weights
    splits = sorted({each.split for each in arm})
    member = np.array([[each.split == split for split in splits] for each in arm], dtype=float)
    total = weights @ member
    split_means = np.divide(
        weighted @ member, total, out=np.full(total.shape, np.nan), where=total > 0
    )
    known = ~np.isnan(split_means)
    count = known.sum(axis=1)
    summed = np.where(known, split_means, 0.0).sum(axis=1)
    return np.divide(summed, count, out=np.full(len(values), np.nan), where=count > 0)


# above these sizes the patient by patient matrix of an AUC costs more than sorting each resample
MOST_PATIENTS_IN_A_MATRIX = 1500
MOST_PAIRS_IN_A_MATRIX = 30_000_000

# weights (B, P) -> metric (B,), or several columns of it (B, ...)
OfWeights = Callable[[Floats], Floats]


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
