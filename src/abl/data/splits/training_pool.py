"""Which of the training part is trained on at all: a pool of images, a share of the patients.

Both are drawn before anything else happens to the training part, selection and inner splits too.
Each image or group has a place of its own, a keyed hash of its name, and the first places are
taken: so a smaller pool or share lies within a larger one, and a new patient moves few others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from abl.data.splits.split_groups import groups_of
from abl.data.splits.stable_draws import hashed_places
from abl.errors import InputError
from abl.spec.splits import SharedSplits, Splits

POOL_DRAW, SHARE_DRAW = 5, 6  # streams of their own, after those of splits.py


def trained_part(
    frame: pd.DataFrame, train: np.ndarray, splits: Splits, repeat: int, fold: int
) -> np.ndarray:
    """Positions of the training part that are left by `pool` and `train.share`, int64, sorted.

    Args:
        train: Positions of the whole training part.

    Raises:
        InputError: A pool of more images than a class has there.
    """
    if splits.pool is not None:
        train = _pooled(frame, train, splits, repeat, fold)
    if isinstance(splits, SharedSplits) and splits.share < 1:
        train = _shared(frame, train, splits, repeat, fold)
    return train


def _pooled(
    frame: pd.DataFrame, train: np.ndarray, splits: Splits, repeat: int, fold: int
) -> np.ndarray:
    """As many images of each class, by the label that training sees."""
    labels = frame["train_label" if "train_label" in frame else "label"].to_numpy()[train]
    classes, counts = np.unique(labels, return_counts=True)
    size = int(counts.min()) if splits.pool == "smallest" else int(splits.pool or 0)
    if size > counts.min():
        each = ", ".join(
            f"class {label}: {n:,}" for label, n in zip(classes, counts.tolist(), strict=True)
        )
        raise InputError(
            f"splits.pool: {size:,} images of each class, and the training part has {each}; write "
            f"pool: {counts.min()} or less, or pool: smallest"
        )
    names = frame["image"].astype(str).to_numpy()[train].tolist()
    place = hashed_places(names, [splits.seed, POOL_DRAW, repeat, fold])[:, 0]
    kept = [
        np.flatnonzero(labels == label)[np.argsort(place[labels == label], kind="stable")[:size]]
        for label in classes
    ]
    return np.sort(train[np.concatenate(kept)])


def _shared(
    frame: pd.DataFrame, train: np.ndarray, splits: SharedSplits, repeat: int, fold: int
) -> np.ndarray:
    """All images of a share of the groups of each class, at least one of each."""
    groups = groups_of(frame.iloc[train], splits)
    kept: set[str] = set()
    for stratum in groups.strata:  # by the class of most of a group's images
        place = hashed_places(stratum.names, [splits.seed, SHARE_DRAW, repeat, fold])[:, 0]
        count = max(1, int(np.floor(splits.share * len(stratum) + 0.5)))
        kept |= {stratum.names[at] for at in np.argsort(place, kind="stable")[:count]}
    return train[[name in kept for name in groups.of_row]]
