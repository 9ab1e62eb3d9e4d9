"""The `segment` stage: a segmentation branch trained alone, once for every arm that starts from it.

Source: Liu et al., Front. Med. 2026, doi 10.3389/fmed.2026.1694174, staged training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from abl.data.masks.mask_sets import MASK_SCORES
from abl.data.view_reads import unlabelled_reads
from abl.errors import StageError
from abl.nets.memory_format import with_chosen_format
from abl.plan.graph import Plan, Replicate
from abl.plan.stage import HISTORY, StageResources
from abl.spec.attention import Attention
from abl.spec.base import identity_of
from abl.spec.sweep import Sweep
from abl.spec.train import Train
from abl.stages.identity import masks_identity, precision_identity
from abl.stages.inputs import (
    OpenData,
    Workspace,
    masks_of,
    replicate_context,
    split_of_stage,
    view_of,
)
from abl.stages.kind import Work, kind, stage_of
from abl.stages.network import ready

# of the train block, what a segmentation branch is trained with too
_SHARED = ("batch_size", "micro_batch", "optimizer", "schedule", "augment", "precision",
           "memory_format", "threads", "deterministic")  # fmt: skip


class Segmentations:
    """Makes the segment stages of one resolved sweep.

    Args:
        seen: What of the data block decides what a network sees (identity.seen_settings).
    """

    def __init__(
        self,
        sweep: Sweep,
        workspace: Workspace,
        plan: Plan,
        opened: OpenData,
        seen: Mapping[str, Any],
        resources: StageResources,
    ):
        self._sweep, self._plan, self._opened, self._seen = sweep, plan, opened, seen
        self._resources = resources
        self._context = {
            "view": workspace.view(opened, sweep.image),
            "masks": workspace.masks(opened, sweep.image),
        }
        branch, self._hub = sweep.train.attention.segmentation, ""
        # of its own encoder: arms with other networks start from the same branch
        encoder = f"timm/{branch.encoder}"
        self._alone = with_chosen_format(
            alone(sweep.train), gpus=sweep.resources.gpus, network=encoder
        )
        if branch.weights == "imagenet":
            self._hub = workspace.hub_weights(encoder)

    def of(self, replicate: Replicate) -> str:
        """The branch of a replicate; the digest of its stage."""
        sweep, train = self._sweep, self._sweep.train
        split = self._opened.split(sweep.splits, replicate.repeat, replicate.fold)
        settings = {
            "train": identity_of(self._alone),
            "image": identity_of(sweep.image),
            **self._seen,
            **masks_identity(train.attention, self._opened),
            **precision_identity(train),
        }
        if self._hub:
            settings["encoder_weights"] = f"sha256:{self._hub}"
        return self._plan.add(
            stage_of(
                "segment",
                settings,
                reads=unlabelled_reads(self._opened.dataset.frame, split),
                seed=replicate.seed,
                context=self._context | replicate_context(sweep.splits, replicate),
                resources=self._resources,
                label=f"segment {train.attention.segmentation.encoder} {replicate}",
            )
        )


def alone(train: Train) -> Train:
    """The settings with which the segmentation branch is trained alone: nothing of the classifier.

    Classes are not balanced, as it sees none, and nothing stops it early.
    """
    asked = train.attention.segmentation
    shared = {name: getattr(train, name) for name in _SHARED}
    return Train(
        **shared
        | {
            "epochs": asked.epochs,
            "last_k": 1,
            "balance": "none",
            "optimizer": train.optimizer.model_copy(update={"lr": asked.lr}),
            "attention": Attention(segmentation=asked, jitter=_jitter(train.attention)),
        }
    )


def _jitter(attention: Attention) -> float:
    """Of its targets; of true masks alone there is none."""
    return 0.0 if attention.segmentation.targets == "true" else attention.jitter


@kind("segment", version=1)
def segment(work: Work) -> dict[str, Any]:
    """Writes the branch's weights, history.parquet, and masks.parquet: Dice and IoU by image."""
    from abl.nets.mask_guided import build_segmenter
    from abl.nets.weights import check_hub_file
    from abl.train.checkpoint import save_weights
    from abl.train.epoch import SegmentationLoss
    from abl.train.fit import Oversight, TrainingRows, fit
    from abl.train.masks import MaskFeed, mask_scores
    from abl.train.process import release_memory

    stage = work.stage
    view, masks = view_of(work), masks_of(work)
    if masks is None:
        raise StageError("a segmentation branch needs masks, which this stage lacks")
    masks = masks.jittered(
        Train.model_validate(stage.settings["train"]).attention.jitter,
        view.frame["image"].tolist(),
    )
    split, asked = split_of_stage(work, view, unlabelled_reads), ready(work)
    settings, image = asked.train, asked.image
    branch = settings.attention.segmentation
    how: Any = {"seed": asked.seed, "device": asked.device}
    hub = str(stage.settings.get("encoder_weights", ""))
    if hub:
        check_hub_file(f"timm/{branch.encoder}", hub.removeprefix("sha256:"))
    network = build_segmenter(branch, image.channels)

    def feed(source: str) -> MaskFeed:
        return MaskFeed(view.pixel_set(), masks, source, image, settings, **how)

    known = split.train[masks.known(branch.targets)[split.train]]
    if not len(known):
        raise StageError("no training image has a mask or a box to learn from")
    result = fit(
        network,
        feed(branch.targets),
        TrainingRows(known, np.zeros(len(known), np.int64), 1, evaluate={}),
        settings=settings,
        image=image,
        **how,
        objective=SegmentationLoss(branch.loss),
        oversight=Oversight(work.checkpoints),
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
        "dice": {  # of images in which there is a nodule, or one was found
            str(role): float(rows.mean())
            for role, rows in scores.groupby("role")["dice"]
            if rows.notna().any()
        },
        "epoch_seconds": [round(float(seconds), 4) for seconds in result.history["seconds"]],
        **asked.facts,
    }
    del network, result
    release_memory()
    return facts
