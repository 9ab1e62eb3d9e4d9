"""The `predict` stage: a trained network's predictions on an external set. No label is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from abl.data.splits import Split
from abl.data.views import all_reads
from abl.errors import StageError
from abl.plan.stage import PREDICTIONS, Stage
from abl.spec.data import Image
from abl.spec.sweep import Sweep
from abl.stages.identity import SEEN, masks_identity, seen_settings
from abl.stages.inputs import OpenData, Workspace, view_of
from abl.stages.kind import Work, kind, stage_of
from abl.stages.network import NETWORK, device_of, feed_of, ready_to_build, train_settings


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
    attention = sweep.train.attention
    if attention.masks is not None and not attention.is_predicted:
        # a predicted mask needs none of the set's
        settings |= masks_identity(attention, opened)
        context["masks"] = workspace.masks(opened, sweep.image)
    return stage_of(
        "predict",
        settings,
        inputs={NETWORK: training.digest},
        reads=reads,
        context=context | {"view": workspace.view(opened, sweep.image)},
        resources=training.resources,
        label=f"predict {name} by {training.label.removeprefix('train ')}",
    )


@kind("predict", version=1)
def predict(work: Work) -> dict[str, Any]:
    """Writes predictions.parquet: every image of the set, by the weights of the last k epochs."""
    import torch

    from abl.train.checkpoint import load_weights
    from abl.train.predictions import predict_logits, predictions_frame, write_predictions
    from abl.train.process import release_memory, reset_process

    stage = work.stage
    view = view_of(work)
    if all_reads(view.frame) != stage.reads:
        raise StageError("the images here are not those of the plan: clear the store's cache")
    settings = train_settings(stage, work.store)
    image = Image.model_validate(stage.settings["image"])
    classes = int(stage.settings["classes"])
    ready_to_build(work, settings)
    device = torch.device(device_of(stage))
    reset_process(0, threads=settings.threads, deterministic=settings.deterministic)
    nothing, everything = np.empty(0, np.int64), np.arange(len(view.frame), dtype=np.int64)
    split = Split(nothing, nothing, everything)
    network, feed = feed_of(work, view, split, settings, image, classes, device)
    network.to(device)
    if settings.channels_last:
        network.to(memory_format=torch.channels_last)
    kept = load_weights(_weights_folder(work))
    logits = []
    for epoch, state in kept:
        network.load_state_dict(state)
        found = predict_logits(network, feed, everything, precision=settings.precision)
        if not np.isfinite(found).all():
            raise StageError(f"predictions of epoch {epoch} are not finite")
        logits.append(found)
    images = {"external": view.frame["image"].tolist()}
    frame = predictions_frame(images, {"external": np.stack(logits)})
    write_predictions(work.out / PREDICTIONS, frame)
    facts = {
        "images": len(everything),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
    }
    del network, feed, kept
    release_memory()
    return facts


def _weights_folder(work: Work) -> Path:
    """Where the network's weights lie, each file whole.

    Raises:
        StageError: They are not there, or damaged.
    """
    digest = work.stage.inputs[NETWORK]
    done = work.store.done(digest)
    names = [] if done is None else [name for name in done.files if name.startswith("weights_")]
    if not names:
        raise StageError("the network's weights are not in the store")
    # every file is looked at: reading one verifies it
    return [work.store.file(digest, name) for name in names][-1].parent
