"""The `flag` stage: which training images leave, by networks that were trained without them.

An inner Monte Carlo inside the training part of a replicate: in each draw every network is trained
without some of its patients and judges their images. The images of the replicate's own test set
have no part in it; its validation images give each network its cut-off, as they do outside.

Source of the rule: Rafalo, Zylka, "Persistent Misclassification Analysis for Improving Thyroid
Cancer Classification from Ultrasound Images" (2025).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from abl.data.splits.groups import kept_together
from abl.data.splits.splits import Split, inner_test
from abl.data.train_labels import given_labels
from abl.decide.audit.appearances import Appearances, appearances_of
from abl.decide.audit.error_rates import error_rates
from abl.decide.audit.exclusion_path import ExclusionPath, ExclusionRule, exclusion_path
from abl.decide.check import Bools, Floats, at_least, largest_class
from abl.decide.cutoffs import cutoff_by
from abl.plan.graph import Replicate
from abl.plan.stage import DRAWN, PREDICTIONS, Stage
from abl.record.store import Store
from abl.spec.splits import SharedSplits, Splits
from abl.stages.inputs import OpenData, replicate_context, split_of_stage, view_of
from abl.stages.kind import Work, kind, stage_of
from abl.stages.select import SELECTION

FLAGGED, MATCHED = "flagged", "matched"  # columns of the selection: images that leave


def inner_subset(
    test: float, number: int, replicate: Replicate, draw: Mapping[str, Any]
) -> dict[str, Any]:
    """What a training of an inner draw leaves out: its inner test set.

    Args:
        test: Share of the patients.
        number: Of the draw, from 0.
        draw: What of the splits decides it, `Trainings.inner_draw`.
    """
    which = [replicate.repeat, replicate.fold, number]
    return {"kind": "inner_test", "test": test, DRAWN: which, **draw}


def flag_stage(
    opened: OpenData,
    splits: Splits,
    view: str,
    replicate: Replicate,
    networks: Sequence[Sequence[str]],
    settings: Mapping[str, Any],
) -> Stage:
    """The stage that flags training images of a replicate.

    Args:
        view: Key of a view with their rows.
        networks: Of each network the digests of its trainings, one an inner draw.
        settings: `test` (share), `rule` (fields of ExclusionRule), `cutoff` (a metric, or half);
            `posterior`: the level, where images are flagged by the posterior.
    """
    inputs = {
        f"inner_{network}_{number}": digest
        for network, each in enumerate(networks)
        for number, digest in enumerate(each)
    }
    counted = "1 network" if len(networks) == 1 else f"{len(networks)} networks"
    return stage_of(
        "flag",
        settings,
        inputs=inputs,
        reads=opened.reads(splits, replicate.repeat, replicate.fold),
        context={"view": view, **replicate_context(splits, replicate)},
        label=f"flag by {counted}, {len(networks[0])} inner splits, {replicate}",
        local=True,
    )


@kind("flag", version=1)
def flag(work: Work) -> dict[str, Any]:
    """Writes a row a training image: image, label (the one training sees), seen, wrong (of inner
    test sets), flagged, matched (the control: as many of the same class that are hardest of those
    not flagged).
    """
    view = view_of(work)
    frame, split = view.frame, split_of_stage(work, view)
    rows = inner_rows(work.store, work.stage, frame, split)
    rule, level = ExclusionRule(**work.stage.settings["rule"]), work.stage.settings.get("posterior")
    path = exclusion_path(rows, rule, draws=0)
    found = appearances_of(rows, training_part(frame.iloc[split.train]))
    if level is None:
        flagged, theta, stopped = flagged_by_share(found, path), path.theta, str(path.stopped)
    else:
        above = error_rates(found, rule.theta).above
        flagged, stopped = flagged_by_posterior(found, above, level, rule.cap)
        theta = rule.theta
    matched = matched_on_difficulty(found, flagged)
    selection = pd.DataFrame(
        {
            "image": found.images,
            "label": found.labels,
            "seen": found.times_seen,
            "wrong": found.times_wrong,
            FLAGGED: flagged,
            MATCHED: matched,
        }
    )
    selection.to_parquet(work.out / SELECTION, index=False, compression="zstd")
    return {
        "images": len(selection),
        "flagged": int(flagged.sum()),
        "matched": int(matched.sum()),
        "unseen": int((found.times_seen == 0).sum()),
        "theta": theta,
        "stopped": stopped,
    }


def flagged_by_share(found: Appearances, path: ExclusionPath) -> Bools:
    """(N,) where the loop over theta ended; where each network counts alone, by any of them."""
    at = pd.Index(path.images).get_indexer(found.images)
    of_any: Bools = np.any(list(path.flagged.values()), axis=0)
    flagged: Bools = np.where(at >= 0, of_any[at], False)
    return flagged


def flagged_by_posterior(
    found: Appearances, above: Floats, level: float, cap: float
) -> tuple[Bools, str]:
    """(N,) images whose error rate lies above theta with a probability over a level, the most
    probable ones where they are more than the cap allows; `posterior`, or `cap` if they are.

    Args:
        above: (N,) that probability; nan where it is not known.
        cap: Largest share of the images with a test appearance.
    """
    probability = np.nan_to_num(above, nan=-1.0)
    flagged = probability > level
    most = int(cap * (found.times_seen > 0).sum())
    if flagged.sum() <= most:
        return flagged, "posterior"
    order = np.lexsort((found.images.astype(str), -probability))
    kept = np.zeros(len(flagged), dtype=np.bool_)
    kept[order[:most]] = True
    return kept, "cap"


def training_part(part: pd.DataFrame) -> pd.DataFrame:
    """image, label (the one training sees), patient (what splits keep together) of some rows."""
    return pd.DataFrame(
        {
            "image": part["image"].to_numpy(),
            "label": given_labels(part),
            "patient": np.asarray(kept_together(part)).astype(str),
        }
    )


def inner_rows(store: Store, stage: Stage, frame: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Every prediction on an inner test set: image, label, patient, network, run, called, p_0, ....

    Args:
        stage: A flag stage.
        frame, split: Of its view.
    """
    splits = SharedSplits.model_validate(stage.context["splits"])
    which = [int(stage.context["repeat"]), int(stage.context["fold"])]
    share, metric = float(stage.settings["test"]), str(stage.settings["cutoff"])
    rows = training_part(frame.iloc[split.train])
    labels = frame["label"].to_numpy(dtype=np.int64)[split.validation]
    images = frame["image"].to_numpy()[split.validation]
    held: dict[int, Bools] = {}
    parts = []
    for role, digest in stage.inputs.items():
        network, number = (int(each) for each in role.split("_")[1:])
        if number not in held:
            held[number] = inner_test(frame, split.train, splits, share, [*which, number])
        read = pd.read_parquet(store.file(digest, PREDICTIONS), filters=[("role", "!=", "test")])
        of_role = {
            str(role): each.set_index("image").filter(regex=r"^p_\d+$")
            for role, each in read.groupby("role", observed=True)
        }
        out = rows[held[number]]
        p = of_role["train"].loc[out["image"]].to_numpy(dtype=np.float64)
        cutoff = cutoff_by(metric, labels, of_role["validation"].loc[images].to_numpy(np.float64))
        called = called_at(p, cutoff)
        columns = {f"p_{at}": p[:, at] for at in range(p.shape[1])}
        parts.append(out.assign(network=str(network), run=number, called=called, **columns))
    return pd.concat(parts, ignore_index=True)


def called_at(p: Floats, cutoff: float) -> np.ndarray:
    """(N,) class: of two classes by the cut-off of the second, of more the largest probability."""
    return at_least(p[:, 1], cutoff).astype(np.int64) if p.shape[1] == 2 else largest_class(p)


def matched_on_difficulty(found: Appearances, flagged: Bools) -> Bools:
    """(N,) as many images of each class as are flagged, the hardest of those that are not.

    Harder is a larger share of errors, then a smaller mean probability of the given label, then
    the name. Those without a test appearance are as the easiest. A class with too few left gives
    those that it has but one.
    """
    at = np.arange(len(found.images))
    total = (np.nan_to_num(found.p) * found.seen[:, :, None]).sum(axis=1)[at, found.labels]
    own = np.where(found.times_seen > 0, total / np.maximum(found.times_seen, 1), 1.0)
    share = np.nan_to_num(found.share_wrong, nan=-1.0)
    matched = np.zeros(len(at), dtype=np.bool_)
    order = np.lexsort((found.images.astype(str), own, -share))
    for label in np.unique(found.labels):
        left = order[(found.labels[order] == label) & ~flagged[order]]
        count = int((flagged & (found.labels == label)).sum())
        matched[left[: min(count, max(len(left) - 1, 0))]] = True
    return matched
