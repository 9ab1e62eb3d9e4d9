"""What the selectors of a panel say of the training images that they judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.data.splits.splits import inner_folds
from abl.decide.check import Floats
from abl.plan.graph import Replicate
from abl.plan.stage import PREDICTIONS, Stage
from abl.record.store import Store
from abl.spec.splits import Splits
from abl.stages.inputs import OpenData


@dataclass(frozen=True)
class Judged:
    """What a select stage judged: the training part of a replicate, by a panel of so many.

    `name` tells its data from that of other arms.
    """

    name: str
    opened: OpenData
    splits: Splits
    replicate: Replicate
    panel: int


def judges_out_of_fold(stage: Stage) -> bool:
    """Whether a select stage asks networks that were not trained on the image."""
    return "folds" in stage.settings


def judgements(
    store: Store, judged: Judged, stage: Stage, images: pd.Index
) -> list[tuple[str, Floats]]:
    """Each selector of a select stage: digest of its (first) network, and (N, K) probabilities.

    With inner folds each image is judged by the network that was not trained on it.

    Args:
        images: (N,) ids of the training images.
    """
    read = {}
    for role, digest in stage.inputs.items():
        frame = pd.read_parquet(store.file(digest, PREDICTIONS))
        p = frame[frame["role"] == "train"].set_index("image").filter(regex=r"^p_\d+$")
        read[role] = p.loc[images].to_numpy(dtype=np.float64)
    if not judges_out_of_fold(stage):
        roles = sorted(read, key=lambda role: int(role.rpartition("_")[2]))
        return [(stage.inputs[role], read[role]) for role in roles]
    folds = int(stage.settings["folds"])
    frame, splits = judged.opened.dataset.frame, judged.splits
    train = judged.opened.split(splits, judged.replicate.repeat, judged.replicate.fold).train
    fold = pd.Series(inner_folds(frame, train, splits, folds), frame["image"].to_numpy()[train])
    at = fold.loc[images].to_numpy(), np.arange(len(images))
    selectors = sorted({role.split("_")[1] for role in read}, key=int)
    return [
        (
            stage.inputs[f"selector_{k}_0"],
            np.stack([read[f"selector_{k}_{each}"] for each in range(folds)])[at],
        )
        for k in selectors
    ]
