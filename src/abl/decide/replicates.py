"""Replicates of an arm on the same units, their scores and their patients."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abl.decide.check import Floats, Ints, checked_pair
from abl.decide.metric_names import metric_named
from abl.decide.metric_registry import Metric
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
