"""The `combine` stage: one prediction of several, decided without the test set.

Weights and the choice of one are made on the replicate's validation images; stacking is fitted to
out-of-fold predictions on its training images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.check import Floats
from abl.decide.classifiers.balance import Balance
from abl.plan.graph import Replicate
from abl.plan.stage import PREDICTIONS, Stage
from abl.record.store import Store
from abl.spec.splits import Splits
from abl.stages.fit import (
    IMPORTING,
    OUT_OF_FOLD,
    OUTSIDE,
    OUTSIDE_VIEW,
    numbered_inputs,
    write_probabilities,
)
from abl.stages.inputs import OpenData, replicate_context, view_of
from abl.stages.kind import Work, kind, stage_of
from abl.stages.opened_replicate import opened_replicate

MEAN, WEIGHTED, STACKED, CHOSEN = "mean", "weighted", "stacked", "chosen"
HOW = (MEAN, WEIGHTED, STACKED)


def combine_stage(
    opened: OpenData,
    splits: Splits,
    view: str,
    replicate: Replicate,
    parts: Sequence[Sequence[str]],
    how: str,
    label: str,
    metric: str = "",
    balance: str = "none",
) -> Stage:
    """The stage that makes one prediction of several.

    Args:
        parts: Digests by feature set; of `chosen` each set is a candidate.
        how: mean (over sets, of the means over their classifiers), weighted, stacked or chosen.
        metric: By which one is chosen.
        balance: Of the fits; weights and stacking are fitted likewise.
    """
    settings: dict[str, Any] = {"how": how, **({"metric": metric} if metric else {})}
    if how in (WEIGHTED, STACKED) and balance != "none":
        settings["balance"] = balance
    inputs = {
        f"part_{at}_{which}": digest
        for at, each in enumerate(parts)
        for which, digest in enumerate(each)
    }
    return stage_of(
        "combine",
        settings,
        inputs=inputs,
        reads=opened.reads(splits, replicate.repeat, replicate.fold),
        context={"view": view, **replicate_context(splits, replicate)},
        label=f"combine {label} {replicate}",
        local=True,
    )


@kind("combine", version=1)
def combine(work: Work) -> dict[str, Any]:
    """Writes predictions.parquet; its facts say which weights, or which part was chosen."""
    with IMPORTING:
        from abl.decide.classifiers.ensembles import (
            best_by,
            likely_weights,
            mean_of_sets,
            mixture,
            stacked,
        )

    replicate = opened_replicate(work)
    split, frame = replicate.split, replicate.view.frame
    images = frame["image"].to_numpy()
    rows = np.concatenate([each for _, each in split.items()])
    parts, outside = (numbered_inputs(work.stage, each) for each in ("part_", OUTSIDE))
    digests = [digest for each in parts.values() for digest in each]
    sets = [at for at, each in parts.items() for _ in each]
    p = [_probabilities(work.store, digest, images, rows) for digest in digests]
    names = images
    if outside:  # decided on the images, applied to those of an external set behind them
        further = view_of(work, OUTSIDE_VIEW)
        names = further.frame["image"].to_numpy()
        beside = [digest for each in outside.values() for digest in each]
        every = np.arange(len(names))
        read = [_probabilities(work.store, digest, names, every) for digest in beside]
        p = [np.concatenate(each) for each in zip(p, read, strict=True)]
    how, facts = str(work.stage.settings["how"]), dict[str, Any]()
    validation = split.validation
    labels = frame["label"].to_numpy(dtype=np.int64)[validation]
    balance = Balance(work.stage.settings.get("balance", "none"))
    if how == MEAN:
        found = mean_of_sets(p, sets)
    elif how == WEIGHTED:
        told = [each[validation] for each in p]
        weights = likely_weights(told, labels, balance.of_cases(labels))
        found, facts["weights"] = mixture(p, weights), weights.tolist()
    elif how == STACKED:
        kept = [_out_of_fold(work.store, digest, images[split.train]) for digest in digests]
        trained = frame["train_label"].to_numpy(dtype=np.int64)[split.train]
        found, coefficients = stacked(kept, trained, p, balance.of_cases(trained))
        facts["coefficients"] = coefficients.tolist()
    else:
        candidates = [
            np.mean([each for each, at in zip(p, sets, strict=True) if at == wanted], axis=0)
            for wanted in dict.fromkeys(sets)
        ]
        metric = str(work.stage.settings["metric"])
        chosen, values = best_by(metric, labels, [each[validation] for each in candidates])
        found = candidates[chosen]
        facts |= {CHOSEN: chosen, "validation": float(values[chosen])}
    if outside:
        found = found[len(images) :]
        write_probabilities(work, names, {"external": np.arange(len(names))}, found)
    else:
        write_probabilities(work, images, dict(split.items()), found)
    return facts


def _probabilities(store: Store, digest: str, images: np.ndarray, rows: np.ndarray) -> Floats:
    """(N, K) by image; nan where there is none: outside `rows`, which are in some part."""
    read = pd.read_parquet(store.file(digest, PREDICTIONS)).set_index("image")
    known = read.filter(regex=r"^p_\d+$")
    found: Floats = np.full((len(images), known.shape[1]), np.nan)
    found[rows] = known.loc[images[rows]].to_numpy(dtype=np.float64)
    return found


def _out_of_fold(store: Store, digest: str, images: np.ndarray) -> Floats:
    read = pd.read_parquet(store.file(digest, OUT_OF_FOLD)).set_index("image")
    found: Floats = read.filter(regex=r"^p_\d+$").loc[images].to_numpy(dtype=np.float64)
    return found
