"""The `select` stage: how many selector networks classify each training image correctly."""

from __future__ import annotations

from typing import Any

import pandas as pd

from abl.data.views import open_view
from abl.decide.consensus import correct_counts
from abl.runner.execute import Work, kind

SELECTION = "selection.parquet"


@kind("select")
def select(work: Work) -> dict[str, Any]:
    """Writes image, label (the one training sees) and correct (number of selectors), by image."""
    frame = open_view(work.store.cache, work.stage.context["view"]).frame
    labels = frame.set_index("image")["train_label"]
    predictions = []
    for role in sorted(work.stage.inputs, key=lambda role: int(role.rpartition("_")[2])):
        path = work.store.file(work.stage.inputs[role], "predictions.parquet")
        read = pd.read_parquet(path, filters=[("role", "==", "train")])
        predictions.append(read.set_index("image").sort_index().filter(regex=r"^p_\d+$"))
    images = predictions[0].index
    seen = labels.loc[images].to_numpy()
    counts = correct_counts(seen, [each.loc[images].to_numpy() for each in predictions])
    selection = pd.DataFrame({"image": images.to_numpy(), "label": seen, "correct": counts})
    selection.to_parquet(work.out / SELECTION, index=False, compression="zstd")
    return {"images": len(selection), "correct_by_all": int((counts == len(predictions)).sum())}
