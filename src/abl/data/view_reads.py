"""What a stage reads of a view, as digests: a change elsewhere leaves its result in use."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abl.data.splits.splits import Split, reads_fingerprint
from abl.plan.stage import digest_of


def training_reads(frame: pd.DataFrame, split: Split) -> str:
    """Fingerprint of a training's images and labels. Of test images no label is read."""
    return digest_of(
        {
            "train": reads_fingerprint(frame, split.train, labels="train_label"),
            "validation": reads_fingerprint(frame, split.validation, labels="label"),
            "test": reads_fingerprint(frame.assign(label=0), split.test, labels="label"),
        }
    )


def unlabelled_reads(frame: pd.DataFrame, split: Split) -> str:
    """Fingerprint of a training's images, for one that reads no label."""
    return training_reads(frame.assign(label=0, train_label=0), split)


def tested_reads(frame: pd.DataFrame, split: Split) -> str:
    """Fingerprint of the test images, for what reads them alone and no label."""
    return reads_fingerprint(frame.assign(label=0), split.test, labels="label")


def all_reads(frame: pd.DataFrame) -> str:
    """Fingerprint of all images, for what reads no label."""
    return reads_fingerprint(frame.assign(label=0), np.arange(len(frame)), labels="label")


def everything_trains(images: int) -> Split:
    """A split that leaves nothing out: for training on a source task."""
    nothing = np.empty(0, dtype=np.int64)
    return Split(np.arange(images, dtype=np.int64), nothing, nothing)
