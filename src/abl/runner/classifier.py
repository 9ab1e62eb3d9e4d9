"""The `train` stage: a classifier trained on one replicate, with its per-image predictions."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from abl.data.mask_sets import MASK_SCORES
from abl.data.splits import Split, inner_folds, split_of
from abl.data.views import View, everything_trains, training_reads
from abl.decide.consensus import (
    class_sizes,
    false_set,
    matched_random_subset,
    topped_up,
    true_set,
)
from abl.errors import StageError
from abl.plan.stage import Stage
from abl.runner.execute import Work, kind
from abl.runner.guided import objective_of
from abl.runner.networks import device_of, ready_to_build, train_settings
from abl.runner.seen import masks_of, view_of
from abl.runner.selection import SELECTION
from abl.search.stopping import hopeless_epoch, running_best
from abl.spec.data import Image, Splits

Row = dict[str, float]
PREDICTIONS = "predictions.parquet"
HISTORY = "history.parquet"


@kind("train")
def train(work: Work) -> dict[str, Any]:
    """Writes predictions.parquet, history.parquet and the weights of the last k epochs."""
    # importing torch takes seconds, which a driver with nothing to train need not pay
    import torch

    from abl.runner.feeding import feed_of
    from abl.train.checkpoint import save_weights
    from abl.train.feature_feed import KeptFeed
    from abl.train.fit import fit
    from abl.train.predictions import predictions_frame, write_predictions
    from abl.train.process import release_memory, reset_process

    stage = work.stage
    view = view_of(work)
    settings = train_settings(stage, work.store)
    image = Image.model_validate(stage.settings["image"])
    split = split_of_stage(work, view)
    seed = int(stage.seed or 0)

    chosen = _training_positions(work, view, split, seed)
    labels = view.frame["train_label"].to_numpy()
    roles = {"train": split.train, "validation": split.validation, "test": split.test}
    classes = int(stage.settings["classes"])
    device = device_of(stage)
    ready_to_build(work, settings)
    reset_process(seed, threads=settings.threads, deterministic=settings.deterministic)
    network, feed = feed_of(work, view, split, settings, image, classes, torch.device(device))
    result = fit(
        network,
        feed,
        chosen,
        labels[chosen],
        evaluate=roles,
        classes=classes,
        settings=settings,
        image=image,
        seed=seed,
        validation_labels=view.frame["label"].to_numpy()[split.validation],
        device=device,
        checkpoint_folder=work.checkpoints,
        objective=objective_of(settings),
        hopeless=hopeless_of(stage),
    )
    images = view.frame["image"].to_numpy()
    names = {role: images[positions].tolist() for role, positions in roles.items()}
    write_predictions(work.out / PREDICTIONS, predictions_frame(names, result.logits))
    # the time an epoch took is a fact of this run, not part of its result
    history = result.history.drop(columns="seconds")
    history.to_parquet(work.out / HISTORY, index=False, compression="zstd")
    save_weights(work.out, result.epochs, result.weights)
    parameters = list(network.parameters())
    facts = {
        "images": len(chosen),
        "images_by_class": np.bincount(labels[chosen], minlength=classes).tolist(),
        "parameters": sum(each.numel() for each in parameters),
        "trained_parameters": sum(each.numel() for each in parameters if each.requires_grad),
        "kept_features": isinstance(feed, KeptFeed),
        "epoch_seconds": [round(float(seconds), 4) for seconds in result.history["seconds"]],
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    if settings.attention.is_predicted and (masks := masks_of(work)) is not None:
        from abl.train.mask_feed import MaskFeed
        from abl.train.mask_scores import mask_scores

        place = torch.device(device)
        true = MaskFeed(view.pixel_set(), masks, "true", image, settings, seed=seed, device=place)
        scores = mask_scores(network, true, roles, images, precision=settings.precision)
        scores.to_parquet(work.out / MASK_SCORES, index=False, compression="zstd")
    del network, feed, result
    release_memory()
    return facts


def hopeless_of(stage: Stage) -> Callable[[Sequence[Row]], str] | None:
    """Whether a training gives itself up, from what a search has put into its context."""
    given = stage.context.get("bounds")
    if not given:
        return None
    column, higher = str(given["column"]), bool(given["higher"])
    bounds = {int(epoch): float(value) for epoch, value in given["values"].items()}

    def hopeless(history: Sequence[Row]) -> str:
        curve = [row[column] for row in history]
        epoch = hopeless_epoch(curve, bounds, higher=higher)
        if epoch is None:
            return ""
        best = running_best(curve[:epoch], higher=higher)[-1]
        wanted = f"{'above' if higher else 'below'} {bounds[epoch]:.4g}"
        return f"stopped in epoch {epoch}: {column} at best {best:.4g}, wanted {wanted}"

    return hopeless


def split_of_stage(
    work: Work, view: View, reads: Callable[[pd.DataFrame, Split], str] = training_reads
) -> Split:
    """The replicate's split, checked to be the one the plan had in mind.

    Args:
        reads: Fingerprint of what the stage reads.

    Raises:
        StageError: The images are others.
    """
    context = work.stage.context
    if "splits" in context:
        splits = Splits.model_validate(context["splits"])
        split = split_of(view.frame, splits, int(context["repeat"]), int(context["fold"]))
    else:
        split = everything_trains(len(view.frame))
    if reads(view.frame, split) != work.stage.reads:
        raise StageError("the images here are not those of the plan: clear the store's cache")
    return split


def _training_positions(work: Work, view: View, split: Split, seed: int) -> np.ndarray:
    """Rows to train on: the whole training part, or what the selection leaves of it."""
    subset = work.stage.settings.get("subset")
    if subset is None:
        return split.train
    if subset["kind"] == "inner":
        splits = Splits.model_validate(work.stage.context["splits"])
        fold = inner_folds(view.frame, split.train, splits, int(subset["of"]))
        return split.train[fold != int(subset["n"])]
    path = work.store.file(work.stage.inputs["select"], SELECTION)
    selection = pd.read_parquet(path).set_index("image")
    images = view.frame["image"].to_numpy()[split.train]
    labels = view.frame["train_label"].to_numpy()[split.train]
    counts = selection.loc[images, "correct"].to_numpy()
    n, panel = int(subset["n"]), int(subset["panel"])
    of = false_set if subset["kind"] == "false" else true_set
    kept = of(counts, n, panel)
    if "least" in subset:
        agreement = -counts if subset["kind"] == "false" else counts
        kept = topped_up(labels, kept, agreement, int(subset["least"]))
    if subset["kind"] == "matched":
        rng = np.random.default_rng(np.random.SeedSequence([seed, n, panel]))
        kept = matched_random_subset(labels, kept, rng)
    sizes = class_sizes(labels, kept, int(work.stage.settings["classes"]))
    if (sizes == 0).any():
        share = ", ".join(f"class {label}: {size}" for label, size in enumerate(sizes))
        raise StageError(
            f"{subset['kind'].capitalize()}-{n} of the {len(labels)} training images is "
            f"{share}: nothing to train a class on; use another consensus N, or train the "
            "selectors longer, or set options.keep_at_least"
        )
    return split.train[kept]
