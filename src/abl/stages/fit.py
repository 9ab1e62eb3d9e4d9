"""The `fit` stage: a classifier of kept features, with its predictions on a replicate.

It writes what a training writes, so that tables, rules, tests and `abl compare` need no change.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.check import Floats, Ints
from abl.decide.classifiers.balance import COPIES, Balance
from abl.decide.classifiers.kernels import ComposedKernels, Products, products_of
from abl.decide.classifiers.names import KERNEL_CLASSIFIERS, SEEDED, UNCALIBRATED
from abl.decide.classifiers.one_thread import one_thread
from abl.errors import InputError, StageError
from abl.plan.graph import Replicate
from abl.plan.stage import PREDICTIONS, Stage
from abl.spec.splits import Splits
from abl.stages.embed import embedding_of
from abl.stages.inputs import OpenData, replicate_context, view_of
from abl.stages.kernels import composed_kernels
from abl.stages.kind import Work, kind, stage_of
from abl.stages.opened_replicate import opened_replicate

OUT_OF_FOLD = "out_of_fold.parquet"  # image, label (as trained), p_0, ...: of training images
OUTSIDE, OUTSIDE_VIEW = "outside_", "outside_view"  # inputs and view of an external set
# the driver runs small stages in a thread beside others: scikit-learn half imported in one thread
# cannot be imported in another
IMPORTING = threading.Lock()


def fit_stage(
    opened: OpenData,
    splits: Splits,
    view: str,
    replicate: Replicate,
    sources: Sequence[Sequence[str]],
    settings: Mapping[str, Any],
    label: str,
) -> Stage:
    """The stage that fits a classifier to the features of some networks.

    Args:
        sources: One a network, in the order in which they are concatenated: the digest of its
            kernels; of rf and boosting those of its features, then of their flipped copies'.
        settings: classifier; parameters (name -> values to try); balance (none, weights, duplicate,
            flips); inner (folds) and draw, which names them, where predictions without a fold are
            needed; out_of_fold, if they are wanted in any case.
    """
    draws = settings["classifier"] in SEEDED or settings["balance"] in COPIES
    inputs = {
        f"network_{at}_{copy}": digest
        for at, each in enumerate(sources)
        for copy, digest in enumerate(each)
    }
    return stage_of(
        "fit",
        settings,
        inputs=inputs,
        reads=opened.reads(splits, replicate.repeat, replicate.fold),
        seed=replicate.seed if draws else None,
        context={"view": view, **replicate_context(splits, replicate)},
        label=f"fit {settings['classifier']} {label} "
        + (str(replicate) if draws else f"r{replicate.repeat} f{replicate.fold}"),
    )


@kind("fit", version=2)
def fit_classifier(work: Work) -> dict[str, Any]:
    """Writes predictions.parquet; out_of_fold.parquet where fits without a fold were needed.

    With inputs `outside_...`, predictions of an external set alone.
    """
    with IMPORTING:
        from abl.decide.classifiers.fitting import fit_and_score
        from abl.decide.classifiers.scorers import FeatureScorer, KernelScorer

    settings, seed = work.stage.settings, int(work.stage.seed or 0)
    replicate = opened_replicate(work)
    view, split = replicate.view, replicate.split
    labels = view.frame["train_label"].to_numpy(dtype=np.int64)[split.train]
    name, images = str(settings["classifier"]), len(view.frame)
    networks = numbered_inputs(work.stage, "network_")
    outside = numbered_inputs(work.stage, OUTSIDE)
    elsewhere = view_of(work, OUTSIDE_VIEW) if outside else None
    balance = Balance(settings["balance"], images, seed)
    scale = settings.get("scale", "network")
    make: Any
    parts: list[Products] = []  # of an external set
    features: list[np.ndarray] = []
    for at, digests in networks.items():
        if name in KERNEL_CLASSIFIERS and elsewhere is None:
            continue
        arrays = [replicate.embedding(work.store, digest) for digest in digests]
        further = None
        if elsewhere is not None:
            further = embedding_of(work.store, outside[at][0], elsewhere)
        if name in KERNEL_CLASSIFIERS:
            with one_thread():
                parts.append(products_of(arrays, split.train, scale, further))
        else:
            arrays += [] if further is None else [further]
            features.append(arrays[0] if len(arrays) == 1 else np.concatenate(arrays))
    if name in KERNEL_CLASSIFIERS:
        composed = (
            ComposedKernels(parts)
            if parts
            else composed_kernels(work.store, [digests[0] for digests in networks.values()])
        )
        make = partial(KernelScorer, name, composed, balanced=balance.weighs)
    else:
        make = partial(FeatureScorer, name, features, balanced=balance.weighs, seed=seed)
    asked = np.arange(images)
    if elsewhere is not None:  # behind the images and their copies
        asked = np.arange(len(elsewhere.frame)) + images * len(next(iter(networks.values())))
    folds = np.zeros(0, dtype=np.int64)
    if "inner" in settings:
        try:
            folds = replicate.inner_folds(int(settings["inner"]))
        except InputError as error:
            raise StageError(str(error)) from error
    found = fit_and_score(
        make,
        parameter_grid(settings["parameters"]),
        split.train,
        labels,
        folds,
        asked,
        balance=balance,
        calibrate=name in UNCALIBRATED,
        out_of_fold=bool(settings.get("out_of_fold")),
    )
    names = view.frame["image"].to_numpy()
    if elsewhere is not None:
        rows = {"external": np.arange(len(elsewhere.frame))}
        write_probabilities(work, elsewhere.frame["image"].to_numpy(), rows, found.p)
        return {"images": len(elsewhere.frame)}
    write_probabilities(work, names, dict(split.items()), found.p)
    if found.out_of_fold is not None:
        kept = {"image": names[split.train], "label": labels}
        columns = {f"p_{at}": each for at, each in enumerate(found.out_of_fold.T)}
        frame = pd.DataFrame(kept | columns)
        frame.to_parquet(work.out / OUT_OF_FOLD, index=False, compression="zstd")
    return {
        "images": len(split.train),
        "fitted": dict(found.parameters),
        "searched": list(found.searched),
    }


def parameter_grid(parameters: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values to try, in the order of the file."""
    return [
        dict(zip(parameters, each, strict=True)) for each in itertools.product(*parameters.values())
    ]


def write_probabilities(
    work: Work, images: np.ndarray, positions: Mapping[str, Ints], p: Floats
) -> None:
    """Writes predictions.parquet of one epoch: its logits are log probabilities.

    Args:
        positions: Role -> rows of `images` and `p`.
        p: (N, K).
    """
    from abl.train.predictions import predictions_frame, write_predictions

    logits = np.log(np.clip(p, 1e-300, None))
    found = {role: logits[None, rows] for role, rows in positions.items()}
    names = {role: images[rows].tolist() for role, rows in positions.items()}
    frame = predictions_frame(names, found)
    order = np.concatenate([positions[role] for role in positions])
    for at in range(p.shape[1]):  # not through float32, in which ranks could tie
        frame[f"p_{at}"] = p[order, at]
    write_predictions(work.out / PREDICTIONS, frame)


def numbered_inputs(stage: Stage, prefix: str) -> dict[int, list[str]]:
    """Inputs with roles PREFIX N_M: N -> digests by M, both ascending."""
    numbers = {
        tuple(int(n) for n in role.removeprefix(prefix).split("_")): digest
        for role, digest in stage.inputs.items()
        if role.startswith(prefix)
    }
    found: dict[int, list[str]] = {}
    for at in sorted(numbers):
        found.setdefault(at[0], []).append(numbers[at])
    return found
