"""The `select` stage: how many selector networks classify each training image correctly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from abl.data.splits import inner_folds, split_of
from abl.decide.consensus import correct_counts
from abl.runner.execute import Work, kind
from abl.runner.seen import view_of
from abl.spec.data import Splits

SELECTION = "selection.parquet"


@kind("select")
def select(work: Work) -> dict[str, Any]:
    """Writes image, label (the one training sees) and correct (number of selectors), by image."""
    frame = view_of(work).frame
    labels = frame.set_index("image")["train_label"]
    folds = int(work.stage.settings.get("folds", 1))
    read = {role: _training_predictions(work, role) for role in work.stage.inputs}
    images = next(iter(read.values())).index
    if folds > 1:
        fold = _fold_of(work, frame, folds).loc[images].to_numpy()
        selectors = sorted({role.split("_")[1] for role in read}, key=int)
        predictions = [
            np.stack([read[f"selector_{at}_{each}"].loc[images] for each in range(folds)])[
                fold, np.arange(len(images))
            ]
            for at in selectors
        ]
    else:
        roles = sorted(read, key=lambda role: int(role.rpartition("_")[2]))
        predictions = [read[role].loc[images].to_numpy() for role in roles]
    seen = labels.loc[images].to_numpy()
    counts = correct_counts(seen, predictions)
    selection = pd.DataFrame({"image": images.to_numpy(), "label": seen, "correct": counts})
    selection.to_parquet(work.out / SELECTION, index=False, compression="zstd")
    return {"images": len(selection), "correct_by_all": int((counts == len(predictions)).sum())}


def _training_predictions(work: Work, role: str) -> pd.DataFrame:
    path = work.store.file(work.stage.inputs[role], "predictions.parquet")
    read = pd.read_parquet(path, filters=[("role", "==", "train")])
    return read.set_index("image").sort_index().filter(regex=r"^p_\d+$")


def _fold_of(work: Work, frame: pd.DataFrame, folds: int) -> pd.Series:
    """Inner fold of each training image: the one whose network was not trained on it."""
    context = work.stage.context
    splits = Splits.model_validate(context["splits"])
    train = split_of(frame, splits, int(context["repeat"]), int(context["fold"])).train
    of_image = inner_folds(frame, train, splits, folds)
    return pd.Series(of_image, index=frame["image"].to_numpy()[train])
