"""Unequal classes: which training images an epoch shows, and how often."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from abl.errors import StageError
from abl.train.process import Stream

Balance = Literal["none", "duplicate", "subsample", "sampler", "loss"]


def balanced_rows(labels: np.ndarray, classes: int, balance: Balance, seed: int) -> np.ndarray:
    """Rows of the training set that are used, int64, drawn once for a whole training.

    duplicate: every row, then rows of each smaller class at random until all classes are as large
    as the largest; none is repeated twice more often than another of its class. subsample: as many
    rows of each class as the smallest has, at random. Others: every row.

    Raises:
        StageError: a class without a training image.
    """
    counts = np.bincount(labels, minlength=classes)
    empty = [str(label) for label in np.flatnonzero(counts == 0)]
    if empty:
        raise StageError(f"the training set has no image of class {', '.join(empty)}")
    generator = np.random.default_rng([seed, Stream.BALANCE])
    rows = np.arange(len(labels), dtype=np.int64)
    if balance == "duplicate":
        extra = [
            _repeated(np.flatnonzero(labels == label), int(counts.max() - count), generator)
            for label, count in enumerate(counts)
        ]
        return np.concatenate([rows, *extra])
    if balance == "subsample":
        kept = [
            generator.permutation(np.flatnonzero(labels == label))[: counts.min()]
            for label in range(classes)
        ]
        return np.sort(np.concatenate(kept)).astype(np.int64)
    return rows


def epoch_rows(
    rows: np.ndarray, labels: np.ndarray, balance: Balance, seed: int, epoch: int
) -> np.ndarray:
    """The rows of one epoch in the order in which they are shown, int64.

    sampler: as many as there are, with replacement, every class with the same probability.
    """
    generator = np.random.default_rng([seed, Stream.ORDER, epoch])
    if balance != "sampler":
        return generator.permutation(rows)
    by_class = [rows[labels[rows] == label] for label in np.unique(labels[rows])]
    drawn = generator.integers(len(by_class), size=len(rows))
    place = generator.random(len(rows))
    sizes = np.array([len(members) for members in by_class])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return np.concatenate(by_class)[starts[drawn] + (place * sizes[drawn]).astype(np.int64)]


def class_weights(labels: np.ndarray, classes: int, balance: Balance) -> Tensor | None:
    """Weights of the loss, float32 (classes,), mean 1 over images; None unless balance is loss."""
    if balance != "loss":
        return None
    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy((len(labels) / (classes * counts)).astype(np.float32))


def _repeated(members: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    rounds = [generator.permutation(members) for _ in range(-(-count // len(members)))]
    return np.concatenate([*rounds, members[:0]])[:count].astype(np.int64)
