"""One training of a train stage: what it reads, and what it writes."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from abl.data.masks.mask_sets import MASK_SCORES
from abl.data.views import View
from abl.plan.stage import DYNAMICS, DYNAMICS_IMAGES, HISTORY, PREDICTIONS
from abl.record.live_curve import write_epoch
from abl.search.stopping import hopeless_by
from abl.stages.inputs import masks_of, split_of_stage, view_of
from abl.stages.kind import Work
from abl.stages.network import Ready, feed_of, ready
from abl.stages.select import training_positions

if TYPE_CHECKING:  # importing torch takes seconds, which a driver with nothing to train is spared
    from torch import nn

    from abl.train.feed import Feed
    from abl.train.fit import FitResult, Oversight, TrainingRows


@dataclass(frozen=True, eq=False)
class OpenTraining:
    """A training as it starts: what it reads, its network, what that is fed.

    Attributes:
        chosen: Positions of the images that it trains on.
        labels: Of all images, as training sees them.
        roles: Role -> positions to predict.
    """

    work: Work
    view: View
    chosen: np.ndarray
    labels: np.ndarray
    roles: dict[str, np.ndarray]
    asked: Ready
    network: nn.Module
    feed: Feed

    @property
    def rows(self) -> TrainingRows:
        """The rows that it reads."""
        from abl.train.fit import TrainingRows

        return TrainingRows(
            self.chosen,
            self.labels[self.chosen],
            self.asked.classes,
            evaluate=self.roles,
            validation_labels=self.view.frame["label"].to_numpy()[self.roles["validation"]],
            followed=self.roles["train"] if self.asked.train.dynamics else None,
        )

    @property
    def oversight(self) -> Oversight:
        """Its checkpoints, and when it gives itself up."""
        from abl.train.fit import Oversight

        bounds = self.work.stage.context.get("bounds")
        return Oversight(
            self.work.checkpoints,
            on_epoch=partial(write_epoch, self.work.checkpoints),
            hopeless=hopeless_by(bounds) if bounds else None,
        )


def open_training(work: Work) -> OpenTraining:
    """Reads what a train stage asks for, and builds its network. Raises as `ready`, `feed_of`."""
    view = view_of(work)
    split = split_of_stage(work, view)
    chosen = training_positions(work, view, split, int(work.stage.seed or 0))
    labels = view.frame["train_label"].to_numpy()
    roles = {"train": split.train, "validation": split.validation, "test": split.test}
    asked = ready(work)
    network, feed = feed_of(work, view, split, asked)
    return OpenTraining(work, view, chosen, labels, roles, asked, network, feed)


def write_training(opened: OpenTraining, result: FitResult) -> dict[str, Any]:
    """Writes what a training gives into its stage's folder; the stage's facts."""
    from abl.train.checkpoint import save_weights
    from abl.train.feature_feed import KeptFeed
    from abl.train.predictions import predictions_frame, write_predictions

    work, view, asked, roles = opened.work, opened.view, opened.asked, opened.roles
    labels, chosen, attention = opened.labels, opened.chosen, asked.train.attention
    images = view.frame["image"].to_numpy()
    names = {role: images[positions].tolist() for role, positions in roles.items()}
    write_predictions(work.out / PREDICTIONS, predictions_frame(names, result.logits))
    if result.dynamics is not None:
        np.save(work.out / DYNAMICS, result.dynamics, allow_pickle=False)
        followed = pd.DataFrame({"image": names["train"], "label": labels[roles["train"]]})
        followed.to_parquet(work.out / DYNAMICS_IMAGES, index=False, compression="zstd")
    # the time an epoch took is a fact of this run, not part of its result
    history = result.history.drop(columns="seconds")
    history.to_parquet(work.out / HISTORY, index=False, compression="zstd")
    save_weights(work.out, result.epochs, result.weights)
    parameters = list(opened.network.parameters())
    facts = {
        "images": len(chosen),
        "images_by_class": np.bincount(labels[chosen], minlength=asked.classes).tolist(),
        "parameters": sum(each.numel() for each in parameters),
        "trained_parameters": sum(each.numel() for each in parameters if each.requires_grad),
        "kept_features": isinstance(opened.feed, KeptFeed),
        "epoch_seconds": [round(float(seconds), 4) for seconds in result.history["seconds"]],
        **asked.facts,
        "machine": platform.machine(),
    }
    if attention.is_predicted and (masks := masks_of(work)) is not None:
        from abl.train.masks import MaskFeed, mask_scores

        how: Any = {"seed": asked.seed, "device": asked.device}
        true = MaskFeed(view.pixel_set(), masks, "true", asked.image, asked.train, **how)
        precision = asked.train.precision
        scores = mask_scores(opened.network, true, roles, images, precision=precision)
        scores.to_parquet(work.out / MASK_SCORES, index=False, compression="zstd")
    return facts
