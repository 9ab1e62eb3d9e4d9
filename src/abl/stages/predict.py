"""The `predict` stage: a trained network's predictions on an external set. No label is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from abl.data.splits.splits import Split
from abl.errors import StageError
from abl.plan.stage import PREDICTIONS, Stage
from abl.spec.data import Image
from abl.spec.sweep import Sweep
from abl.stages.identity import SEEN, masks_identity, seen_settings
from abl.stages.inputs import OpenData, Workspace, whole_view_of
from abl.stages.kind import Work, kind, stage_of
from abl.stages.network import NETWORK, feed_of, ready, weights_files


def predict_stage(
    workspace: Workspace, sweep: Sweep, name: str, opened: OpenData, training: Stage, reads: str
) -> Stage:
    """The stage in which a trained network predicts a whole data set.

    Args:
        sweep: Of the training's arm.
        name, opened: Of the set.
        reads: `all_reads` of the set's rows.
    """
    # how the network is made is as in its training; how images enter follows from the set
    left = {*SEEN, "subset"}
    settings = {name: value for name, value in training.settings.items() if name not in left}
    settings |= seen_settings(sweep.model_copy(update={"data": opened.data}), opened)
    # what it started from does not matter any more
    settings["train"] = {k: v for k, v in settings["train"].items() if k != "weights"}
    context = {name: training.context[name] for name in ("module",) if name in training.context}
    image = Image.model_validate(training.settings["image"])  # a selector may have its own size
    attention = sweep.train.attention
    if attention.masks is not None and not attention.is_predicted:
        # a predicted mask needs none of the set's
        settings |= masks_identity(attention, opened)
        context["masks"] = workspace.masks(opened, image)
    return stage_of(
        "predict",
        settings,
        inputs={NETWORK: training.digest},
        reads=reads,
        context=context | {"view": workspace.view(opened, image)},
        resources=training.resources,
        label=f"predict {name} by {training.label.removeprefix('train ')}",
    )


@kind("predict", version=1)
def predict(work: Work) -> dict[str, Any]:
    """Writes predictions.parquet: every image of the set, by the weights of the last k epochs."""
    import torch

    from abl.train.checkpoint import load_weights
    from abl.train.predictions import predict_logits, predictions_frame, write_predictions
    from abl.train.process import release_memory

    view, asked = whole_view_of(work), ready(work)
    nothing, everything = np.empty(0, np.int64), np.arange(len(view.frame), dtype=np.int64)
    split = Split(nothing, nothing, everything)
    network, feed = feed_of(work, view, split, asked)
    network.to(asked.device)
    if asked.train.channels_last:
        network.to(memory_format=torch.channels_last)
    digest = work.stage.inputs[NETWORK]
    names = weights_files(work.store, digest, "the network's weights")
    kept = load_weights([work.store.file(digest, name) for name in names])
    logits = []
    for epoch, state in kept:
        network.load_state_dict(state)
        found = predict_logits(
            network, feed, everything, precision=asked.train.precision, classes=asked.classes
        )
        if not np.isfinite(found).all():
            raise StageError(f"predictions of epoch {epoch} are not finite")
        logits.append(found)
    images = {"external": view.frame["image"].tolist()}
    frame = predictions_frame(images, {"external": np.stack(logits)})
    write_predictions(work.out / PREDICTIONS, frame)
    del network, feed, kept
    release_memory()
    return {"images": len(everything), **asked.facts}
