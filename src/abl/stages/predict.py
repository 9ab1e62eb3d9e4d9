"""A trained network's predictions anew: on an external set (`predict`), of which no label is read;
on its own split without one of two modalities (`lacking`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from abl.data.splits.splits import Split
from abl.data.views import View
from abl.errors import StageError
from abl.plan.stage import PREDICTIONS, Stage
from abl.spec.data import Image
from abl.spec.sweep import Sweep
from abl.stages.identity import SEEN, masks_identity, seen_settings
from abl.stages.inputs import OpenData, Workspace, split_of_stage, view_of, whole_view_of
from abl.stages.kind import Work, kind, stage_of
from abl.stages.network import LACKING, NETWORK, feed_of, ready, weights_files


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
        # a stage that predicts itself has the training as its input
        inputs={NETWORK: training.inputs.get(NETWORK, training.digest)},
        reads=reads,
        context=context | {"view": workspace.view(opened, image)},
        resources=training.resources,
        label=f"predict {name} by {training.label.removeprefix('train ')}",
    )


def lacking_stage(training: Stage, modality: str) -> Stage:
    """The stage in which a trained network predicts its own split without a modality.

    Args:
        modality: first or second.
    """
    return stage_of(
        "lacking",
        {**training.settings, LACKING: modality},
        inputs={NETWORK: training.digest},
        reads=training.reads,
        seed=training.seed,  # of exchanged partners
        context={name: each for name, each in training.context.items() if name != "weights"},
        resources=training.resources,
        label=f"predict without the {modality} modality by {training.label.removeprefix('train ')}",
    )


@kind("predict", version=1)
def predict(work: Work) -> dict[str, Any]:
    """Writes predictions.parquet: every image of the set, by the weights of the last k epochs."""
    view = whole_view_of(work)
    nothing, everything = np.empty(0, np.int64), np.arange(len(view.frame), dtype=np.int64)
    return _predicted(work, view, Split(nothing, nothing, everything), {"external": everything})


@kind("lacking", version=1)
def lacking(work: Work) -> dict[str, Any]:
    """Writes predictions.parquet: every image of the split, by the weights of the last k epochs."""
    view = view_of(work)
    split = split_of_stage(work, view)
    return _predicted(work, view, split, dict(split.items()))


def _predicted(
    work: Work, view: View, split: Split, roles: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    import torch

    from abl.train.checkpoint import load_weights
    from abl.train.predictions import predict_logits, predictions_frame, write_predictions
    from abl.train.process import release_memory

    asked = ready(work)
    network, feed = feed_of(work, view, split, asked)
    network.to(asked.device)
    if asked.train.is_channels_last:
        network.to(memory_format=torch.channels_last)
    digest = work.stage.inputs[NETWORK]
    names = weights_files(work.store, digest, "the network's weights")
    kept = load_weights([work.store.file(digest, name) for name in names])
    logits: dict[str, list[np.ndarray]] = {role: [] for role in roles}
    for epoch, state in kept:
        network.load_state_dict(state)
        for role, positions in roles.items():
            found = predict_logits(
                network, feed, positions, precision=asked.train.precision, classes=asked.classes
            )
            if not np.isfinite(found).all():
                raise StageError(f"predictions of epoch {epoch} are not finite")
            logits[role].append(found)
    image = view.frame["image"].to_numpy()
    images = {role: image[positions].tolist() for role, positions in roles.items()}
    frame = predictions_frame(images, {role: np.stack(each) for role, each in logits.items()})
    write_predictions(work.out / PREDICTIONS, frame)
    del network, feed, kept
    release_memory()
    return {"images": sum(map(len, roles.values())), **asked.facts}
