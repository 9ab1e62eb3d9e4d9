"""Consensus data selection: which training images a panel of selector networks gets right.

Source: Lee, Kwak, Lee, Sci. Rep. 2025, doi 10.1038/s41598-025-00416-5, "effective data selection".
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from abl.decide.check import DIGITS, Bools, Ints, checked_pair, largest_class
from abl.errors import InputError, Problem, raise_if_any


def correct_counts(labels: ArrayLike, predictions: Sequence[ArrayLike]) -> Ints:
    """How many selectors classify each image correctly, (N,) int64.

    Args:
        labels: (N,) training labels.
        predictions: One (N, K) a selector.

    Raises InputError: no selector, or arrays of different images.
    """
    if not predictions:
        raise InputError("consensus: no selector network")
    counts = np.zeros(len(np.asarray(labels)), dtype=np.int64)
    for position, p in enumerate(predictions):
        true_labels, checked = checked_pair(labels, p, f"selector {position + 1}")
        counts += largest_class(checked) == true_labels
    return counts


def true_set(counts: ArrayLike, n: int, panel: int) -> Bools:
    """True-N: images that at least n of `panel` selectors classify correctly, (N,) bool.

    It is the complement of False-(panel + 1 - n). Raises InputError unless 1 <= n <= panel.
    """
    return _checked_counts(counts, n, panel, "True") >= n


def false_set(counts: ArrayLike, k: int, panel: int) -> Bools:
    """False-k: images that at least k of `panel` selectors misclassify, (N,) bool.

    Raises InputError unless 1 <= k <= panel.
    """
    return panel - _checked_counts(counts, k, panel, "False") >= k


def more_than_share(counts: ArrayLike, totals: ArrayLike, share: float | Fraction) -> Bools:
    """Whether counts / totals > share, strictly and in whole numbers, (N,) bool: F_j > theta.

    9 wrong answers of 10 are not more than 0.9, nor more than 1 - 0.1. An image without answers
    has no share and is not flagged.

    Args:
        counts, totals: (N,) whole numbers, 0 <= counts <= totals; one total holds for all.
        share: In [0, 1]; a number stands for the decimal, or the simple fraction, next to it.

    Raises InputError: no whole numbers, counts above their totals, a share outside [0, 1].
    """
    few, many = np.broadcast_arrays(np.asarray(counts), np.asarray(totals))
    for name, array in (("counts", few), ("totals", many)):
        if array.size and not np.issubdtype(array.dtype, np.integer):
            raise InputError(f"{name}: not whole numbers")
    if few.size and (few.min() < 0 or (few > many).any()):
        raise InputError("counts: not between 0 and their totals")
    exact = _fraction(share)
    # k > x is k > floor(x), and there are few different totals
    distinct, place = np.unique(many, return_inverse=True)
    most = [exact.numerator * int(total) // exact.denominator for total in distinct]
    return np.asarray(few > np.array(most, dtype=np.int64)[place].reshape(few.shape))


def _fraction(share: float | Fraction) -> Fraction:
    if not 0 <= share <= 1:
        raise InputError(f"share: {share} is outside [0, 1]")
    if isinstance(share, Fraction):
        return share
    simple = Fraction(share).limit_denominator(10_000)
    if abs(simple - Fraction(share)) < Fraction(1, 2 * 10**DIGITS):
        return simple
    return Fraction(repr(round(float(share), DIGITS)))


def topped_up(labels: ArrayLike, selected: ArrayLike, agreement: ArrayLike, least: int) -> Bools:
    """The selection with at least so many images of each class, if the class has them, (N,) bool.

    Args:
        labels, selected: (N,) training labels, and bool.
        agreement: (N,) the larger, the sooner an image is added; ties by position.
        least: Images of each class.
    """
    kept = np.array(selected, dtype=bool)
    true_labels, wanted = np.asarray(labels), np.asarray(agreement, dtype=np.float64)
    for label in np.unique(true_labels):
        members = np.flatnonzero((true_labels == label) & ~kept)
        missing = least - int(np.count_nonzero(kept & (true_labels == label)))
        order = members[np.argsort(-wanted[members], kind="stable")]
        kept[order[: max(missing, 0)]] = True
    return kept


def class_sizes(labels: ArrayLike, selected: ArrayLike, classes: int) -> Ints:
    """Selected images of each class, (classes,) int64."""
    return np.bincount(np.asarray(labels)[np.asarray(selected, dtype=bool)], minlength=classes)


def matched_random_subset(
    labels: ArrayLike, selected: ArrayLike, rng: np.random.Generator
) -> Bools:
    """Random images with the size and class counts of a selection, (N,) bool: its control.

    Args:
        labels: (N,) training labels.
        selected: (N,) bool.
        rng: Draws without replacement, class after class.

    Raises InputError for different lengths.
    """
    labels = np.asarray(labels)
    selected = np.asarray(selected, dtype=bool)
    if labels.shape != selected.shape:
        raise InputError(f"{len(selected)} selected flags for {len(labels)} labels")
    drawn = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        size = int(np.count_nonzero(selected[members]))
        drawn[rng.choice(members, size=size, replace=False)] = True
    return drawn


def with_share_of_rest(
    labels: ArrayLike, selected: ArrayLike, share: float, rng: np.random.Generator
) -> Bools:
    """The selection and a random share of each class's other images, (N,) bool: a hybrid set.

    Of one state of `rng`, a smaller share lies within a larger one; 0 adds nothing, 1 all.

    Args:
        labels, selected: (N,) training labels, and bool.
        share: In [0, 1]; the number of images is rounded to the nearest, a half up.
    """
    kept = np.array(selected, dtype=bool)
    true_labels = np.asarray(labels)
    for label in np.unique(true_labels):
        rest = rng.permutation(np.flatnonzero((true_labels == label) & ~kept))
        kept[rest[: int(np.floor(share * len(rest) + 0.5))]] = True
    return kept


def consensus_problems(ns: Sequence[int], panel: int, *, name: str = "consensus") -> list[Problem]:
    """What is wrong with the values of the consensus axis for a panel of this size."""
    return [
        Problem(f"{name}: {n} is not in 1..{panel}, the number of selectors")
        for n in ns
        if not 1 <= n <= panel
    ]


def _checked_counts(counts: ArrayLike, n: int, panel: int, kind: str) -> Ints:
    raise_if_any(consensus_problems([n], panel, name=f"{kind}-{n}"))
    array = np.asarray(counts, dtype=np.int64)
    if array.size and (array.min() < 0 or array.max() > panel):
        raise InputError(f"counts of correct selectors outside 0..{panel}")
    return array
