"""The `select` stage: how many selector networks classify each training image correctly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from abl.data.splits.splits import Split, inner_folds, inner_test, split_of
from abl.data.views import View
from abl.decide.consensus import (
    class_sizes,
    correct_counts,
    false_set,
    matched_random_subset,
    topped_up,
    true_set,
    with_share_of_rest,
)
from abl.errors import StageError
from abl.plan.graph import Replicate
from abl.plan.stage import DRAWN, PREDICTIONS, Stage
from abl.spec.splits import SharedSplits, Splits
from abl.stages.inputs import OpenData, replicate_context, view_of
from abl.stages.kind import Work, kind, stage_of

SELECTION = "selection.parquet"
# what `without` leaves out, where it is no column of a selection
AT_RANDOM, FLIPPED = "random", "flipped"
HYBRID_DRAW = 1  # of random numbers that no other subset reads


def select_stage(
    opened: OpenData,
    splits: Splits,
    view: str,
    replicate: Replicate,
    selectors: Sequence[Sequence[str]],
) -> Stage:
    """The stage that counts how many selectors classify each training image correctly.

    Args:
        view: Key of the view that the selectors read.
        selectors: Digests of each selector's networks: one, which judges every image, or one an
            inner fold, which judges the images of that fold.
    """
    folds = len(selectors[0])
    inputs = {
        f"selector_{at}_{fold}" if folds > 1 else f"selector_{at}": digest
        for at, each in enumerate(selectors)
        for fold, digest in enumerate(each)
    }
    context: dict[str, Any] = {"view": view}
    context |= replicate_context(splits, replicate) if folds > 1 else {}
    how = f", {folds} inner folds," if folds > 1 else ""
    return stage_of(
        "select",
        {"folds": folds} if folds > 1 else {},
        inputs=inputs,
        reads=opened.reads(splits, replicate.repeat, replicate.fold),
        context=context,
        label=f"select by {len(selectors)} networks{how} {replicate}",
        local=True,
    )


@kind("select", version=1)
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
    path = work.store.file(work.stage.inputs[role], PREDICTIONS)
    read = pd.read_parquet(path, filters=[("role", "==", "train")])
    return read.set_index("image").sort_index().filter(regex=r"^p_\d+$")


def _fold_of(work: Work, frame: pd.DataFrame, folds: int) -> pd.Series:
    """Inner fold of each training image: the one whose network was not trained on it."""
    context = work.stage.context
    splits = SharedSplits.model_validate(context["splits"])
    train = split_of(frame, splits, int(context["repeat"]), int(context["fold"])).train
    of_image = inner_folds(frame, train, splits, folds)
    return pd.Series(of_image, index=frame["image"].to_numpy()[train])


def training_positions(work: Work, view: View, split: Split, seed: int) -> np.ndarray:
    """Rows to train on: the whole training part, or what the selection leaves of it."""
    subset = work.stage.settings.get("subset")
    if subset is None:
        return split.train
    if subset["kind"] == "inner":
        splits = SharedSplits.model_validate(work.stage.context["splits"])
        fold = inner_folds(view.frame, split.train, splits, int(subset["of"]))
        return split.train[fold != int(subset["n"])]
    if subset["kind"] == "inner_test":
        splits = SharedSplits.model_validate(work.stage.context["splits"])
        held = inner_test(
            view.frame, split.train, splits, float(subset["test"]), list(subset[DRAWN])
        )
        return split.train[~held]
    if subset["kind"] == "without":
        return _without(work, view, split, str(subset["what"]), seed)
    path = work.store.file(work.stage.inputs["select"], SELECTION)
    selection = pd.read_parquet(path).set_index("image")
    images = view.frame["image"].to_numpy()[split.train]
    labels = view.frame["train_label"].to_numpy()[split.train]
    counts = selection.loc[images, "correct"].to_numpy()
    n, panel = int(subset["n"]), int(subset["panel"])
    of = false_set if subset["kind"] == "false" else true_set  # hybrid and matched start from it
    kept = of(counts, n, panel)
    if "least" in subset:
        agreement = -counts if subset["kind"] == "false" else counts
        kept = topped_up(labels, kept, agreement, int(subset["least"]))
    if subset["kind"] == "matched":
        rng = np.random.default_rng(np.random.SeedSequence([seed, n, panel]))
        kept = matched_random_subset(labels, kept, rng)
    if subset["kind"] == "hybrid":
        rng = np.random.default_rng(np.random.SeedSequence([seed, n, panel, HYBRID_DRAW]))
        kept = with_share_of_rest(labels, kept, float(subset["share"]), rng)
    sizes = class_sizes(labels, kept, int(work.stage.settings["classes"]))
    if (sizes == 0).any():
        share = ", ".join(f"class {label}: {size}" for label, size in enumerate(sizes))
        raise StageError(
            f"{subset['kind'].capitalize()}-{n} of the {len(labels)} training images is "
            f"{share}: nothing to train a class on; use another consensus N, or train the "
            "selectors longer, or set options.keep_at_least"
        )
    return split.train[kept]


def _without(work: Work, view: View, split: Split, what: str, seed: int) -> np.ndarray:
    """The training part less some images: those of a column of a selection, as many at random, or
    those whose label was flipped on purpose.
    """
    part = view.frame.iloc[split.train]
    labels = part["train_label"].to_numpy()
    if what == FLIPPED:
        leave = labels != part["label"].to_numpy()
    else:
        path = work.store.file(work.stage.inputs["select"], SELECTION)
        selection = pd.read_parquet(path).set_index("image").loc[part["image"]]
        if what == AT_RANDOM:
            # another draw for each split and seed
            key = [seed, int(work.stage.reads[:16], 16)]
            rng = np.random.default_rng(np.random.SeedSequence(key))
            leave = np.zeros(len(part), dtype=bool)
            count = int(selection["flagged"].sum())
            leave[rng.choice(len(part), size=count, replace=False)] = True
        else:
            leave = selection[what].to_numpy(dtype=bool)
    sizes = class_sizes(labels, ~leave, int(work.stage.settings["classes"]))
    if (sizes == 0).any():
        share = ", ".join(f"class {label}: {size}" for label, size in enumerate(sizes))
        raise StageError(
            f"without the {what} ones of the {len(labels)} training images there is {share}: "
            "nothing to train a class on; use a smaller options.cap, or a larger options.floor"
        )
    return split.train[~leave]


def subset_title(subset: Mapping[str, Any]) -> str:
    """True-3, False-1, Matched-3, Hybrid-3+25%, inner-0/5, inner-draw-0, or without-flagged."""
    if subset["kind"] == "inner":
        return f"inner-{subset['n']}/{subset['of']}"
    if subset["kind"] == "inner_test":
        return f"inner-draw-{subset[DRAWN][-1]}"
    if subset["kind"] == "without":
        return f"without-{subset['what']}"
    if subset["kind"] == "hybrid":
        return f"Hybrid-{subset['n']}+{100 * subset['share']:g}%"
    return f"{str(subset['kind']).capitalize()}-{subset['n']}"
