"""The `segment` stage: a segmentation branch trained alone, once for every arm that starts from it.

Source: Liu et al., Front. Med. 2026, doi 10.3389/fmed.2026.1694174, staged training.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from abl.data.mask_sets import MASK_SCORES
from abl.data.views import unlabelled_reads
from abl.errors import StageError
from abl.runner.classifier import HISTORY, split_of_stage
from abl.runner.execute import Work, kind
from abl.runner.networks import device_of, train_settings
from abl.runner.seen import masks_of, view_of
from abl.spec.data import Image


@kind("segment")
def segment(work: Work) -> dict[str, Any]:
    """Writes the branch's weights, history.parquet, and masks.parquet: Dice and IoU by image."""
    import torch

    from abl.nets.mask_guided import build_segmenter
    from abl.nets.weights import check_hub_file
    from abl.train.checkpoint import save_weights
    from abl.train.fit import fit
    from abl.train.mask_feed import MaskFeed
    from abl.train.mask_scores import mask_scores
    from abl.train.objectives import Segmentation
    from abl.train.process import release_memory, reset_process

    stage = work.stage
    view, masks = view_of(work), masks_of(work)
    if masks is None:
        raise StageError("a segmentation branch needs masks, which this stage lacks")
    settings, image = (
        train_settings(stage, work.store),
        Image.model_validate(stage.settings["image"]),
    )
    asked = settings.attention.segmentation
    split, seed = split_of_stage(work, view, unlabelled_reads), int(stage.seed or 0)
    place = torch.device(device_of(stage))
    reset_process(seed, threads=settings.threads, deterministic=settings.deterministic)
    hub = str(stage.settings.get("encoder_weights", ""))
    if hub:
        check_hub_file(f"timm/{asked.encoder}", hub.removeprefix("sha256:"))
    network = build_segmenter(asked, image.channels)

    def feed(source: str) -> MaskFeed:
        return MaskFeed(view.pixel_set(), masks, source, image, settings, seed=seed, device=place)

    known = split.train[masks.known(asked.targets)[split.train]]
    if not len(known):
        raise StageError("no training image has a mask or a box to learn from")
    result = fit(
        network,
        feed(asked.targets),
        known,
        np.zeros(len(known), np.int64),
        evaluate={},
        classes=1,
        settings=settings,
        image=image,
        seed=seed,
        device=place,
        checkpoint_folder=work.checkpoints,
        objective=Segmentation(asked.loss),
    )
    history = result.history[["epoch", "lr", "train_loss", "train_accuracy"]]
    history = history.rename(columns={"train_accuracy": "train_dice"})
    history.to_parquet(work.out / HISTORY, index=False, compression="zstd")
    roles = dict(split.items())
    scores = mask_scores(
        network, feed("true"), roles, view.frame["image"].to_numpy(), precision=settings.precision
    )
    scores.to_parquet(work.out / MASK_SCORES, index=False, compression="zstd")
    save_weights(work.out, result.epochs, result.weights)
    facts = {
        "images": len(known),
        "parameters": sum(each.numel() for each in network.parameters()),
        "dice": {str(role): float(rows["dice"].mean()) for role, rows in scores.groupby("role")},
        "epoch_seconds": [round(float(seconds), 4) for seconds in result.history["seconds"]],
        "device": torch.cuda.get_device_name() if place.type == "cuda" else "cpu",
        "torch": torch.__version__,
    }
    del network, result
    release_memory()
    return facts
