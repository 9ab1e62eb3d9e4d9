"""The segment stages of mask-guided attention: one a replicate, shared by every arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abl.data.mask_cut import has_box, has_mask, mask_problems, masks_digest
from abl.data.views import unlabelled_reads
from abl.errors import InputError, raise_if_any
from abl.plan.graph import Plan, Replicate
from abl.plan.stage import Resources, Stage
from abl.spec.attention import VARIANTS, Attention, looks_at_mask
from abl.spec.base import identity_of
from abl.spec.sweep import Sweep
from abl.spec.train import Train
from abl.studies.workspace import OpenData, Workspace

SEGMENT_VERSION = 1
# of the train block, what a segmentation branch is trained with too
_SHARED = ("batch_size", "micro_batch", "optimizer", "schedule", "augment", "precision",
           "channels_last", "threads", "deterministic")  # fmt: skip


def attention_identity(train: Train, classes: int, sweep: Sweep) -> dict[str, Any]:
    """What of the attention block decides a result; one spelling for the same points."""
    identity = train.attention.relevant()
    if "points" in identity or identity:
        from abl.nets.attention_points import attention_points_of, canonical_points

        known = attention_points_of(
            train.network,
            classes=classes,
            channels=sweep.image.channels,
            image_size=sweep.image.size,
        )
        identity["points"] = canonical_points(train.attention.points, known)
    return identity


def masks_identity(attention: Attention, opened: OpenData) -> dict[str, Any]:
    """What of the nodules' places a training reads."""
    return {} if attention.masks is None else {"masks": masks_digest(opened.dataset)}


def masks_there(attention: Attention, opened: OpenData) -> None:
    """Checks that images have the masks that an arm reads.

    Raises:
        InputError: A control whose masks some rows lack: each is named. Nothing for the
            segmentation branch to learn from.
    """
    source = attention.masks
    if source is None:
        return
    dataset = opened.dataset
    if not attention.is_predicted:
        raise_if_any(mask_problems(dataset, source))
    elif not (has_mask(dataset).any() or (source != "true" and has_box(dataset).any())):
        *others, last = ["none", *(name for name in VARIANTS if not looks_at_mask(name))]
        raise InputError(
            f"{dataset.name} has no {'mask' if source == 'true' else 'mask and no box'} that a "
            "segmentation branch could learn from: add a column mask or box_x0, box_y0, box_x1, "
            f"box_y1, or use variant: {', '.join(others)} or {last}"
        )


class Segmentations:
    """Makes the segment stages of one resolved sweep.

    Args:
        seen: What of the data block decides what a network sees (fronts.seen_settings).
    """

    def __init__(
        self,
        sweep: Sweep,
        workspace: Workspace,
        plan: Plan,
        opened: OpenData,
        seen: Mapping[str, Any],
        resources: Resources,
    ):
        self._sweep, self._plan, self._opened, self._seen = sweep, plan, opened, seen
        self._resources = resources
        self._context = {
            "view": workspace.view(opened, sweep.image),
            "masks": workspace.masks(opened, sweep.image),
            "splits": sweep.splits.model_dump(mode="json"),
        }
        self._hub = ""
        if sweep.train.attention.segmentation.weights == "imagenet":
            self._hub = workspace.hub_weights(self._encoder)

    @property
    def _encoder(self) -> str:
        return f"timm/{self._sweep.train.attention.segmentation.encoder}"

    def of(self, replicate: Replicate) -> str:
        """The branch of a replicate; the digest of its stage."""
        sweep, train = self._sweep, self._sweep.train
        split = self._opened.split(sweep.splits, replicate.repeat, replicate.fold)
        settings = {
            "train": identity_of(alone(train)),
            "image": identity_of(sweep.image),
            **self._seen,
            **masks_identity(train.attention, self._opened),
        }
        if self._hub:
            settings["encoder_weights"] = f"sha256:{self._hub}"
        return self._plan.add(
            Stage(
                "segment",
                SEGMENT_VERSION,
                settings,
                reads=unlabelled_reads(self._opened.dataset.frame, split),
                seed=replicate.seed,
                context={**self._context, "repeat": replicate.repeat, "fold": replicate.fold},
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
            "attention": Attention(segmentation=asked),
        }
    )
