"""What a finished sweep says of its images and networks: counts, flags, and three meanings of
"after": flagged images leave the test sets, the training parts, or both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.audit.appearances import PROBABILITY, Appearances, appearances_of
from abl.decide.audit.exclusion_path import ExclusionPath, exclusion_path
from abl.decide.check import Bools, Floats
from abl.decide.metrics import metric_named
from abl.decide.replicates import KEYS
from abl.plan.outcome import Outcome
from abl.stages.flag import FLAGGED
from abl.studies.persistent.features import feature_frames
from abl.studies.persistent.judged import ArmRows, PlainArms
from abl.studies.persistent.options import Options
from abl.studies.shared.single_network import CUTOFF
from abl.studies.two_step.label_noise import exclusion_scores


@dataclass(frozen=True, eq=False)
class Findings:
    """Of one data set.

    Attributes:
        facts: JSON-able: data, images, patients, unseen, rule (as given), theta, stopped, flagged,
            improvement; networks: one row each, see `network_rows`; known: of flipped labels.
        images: One row an image, see `image_rows`.
        curve: AUC against the number left out, see ExclusionPath.curve.
        described: Further frames by name: of features, see `feature_frames`.
    """

    facts: Mapping[str, Any]
    images: pd.DataFrame
    curve: pd.DataFrame
    described: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def findings_of(rows: ArmRows, arms: Sequence[int], options: Options) -> Findings | None:
    """Of the arms of one data set; None if each leaves something out."""
    plain = rows.plain(arms)
    if plain is None:
        return None
    found = appearances_of(plain.rows, plain.images)
    path = exclusion_path(plain.rows, options.rule)
    flagged = flagged_images(found, path)
    images = image_rows(plain, found, flagged)
    facts: dict[str, Any] = {
        "data": plain.name,
        "images": len(found.images),
        "patients": len(np.unique(found.patients.astype(str))),
        "unseen": int((found.times_seen == 0).sum()),
        "rule": asdict(options.rule),
        "theta": path.theta,
        "stopped": path.stopped,
        "flagged": int(flagged.sum()),
        "improvement": path.improvement,
        "networks": network_rows(rows, arms, plain, path, options),
    }
    if plain.flipped is not None and plain.flipped.any():
        facts["known"] = exclusion_scores(
            images["flipped"].to_numpy(), images["flagged"].to_numpy()
        )
    opened = plain.opened
    described, facts["features_left_out"] = feature_frames(
        opened.dataset.frame,
        opened.dataset.classes,
        images,
        rows.training_sets(list(plain.networks), opened),
        options.features,
    )
    return Findings(facts, images, path.curve, described)


IMAGES, CURVE = "images", "exclusion_curve"


def own_frames_of(found: Sequence[Findings]) -> dict[str, pd.DataFrame]:
    """What is kept beside the table: `images`, `exclusion_curve` and what else is described, with
    a column `data` where the sweep has several data sets.
    """
    if not found:
        return {}
    several = len(found) > 1
    kept = [{IMAGES: each.images, CURVE: each.curve, **each.described} for each in found]

    def joined(name: str) -> pd.DataFrame:
        parts = []
        for frames, each in zip(kept, found, strict=True):
            frame = frames.get(name, pd.DataFrame())
            if several and len(frame):
                frame = frame.copy()
                frame.insert(0, "data", each.facts["data"])
            parts.append(frame)
        return pd.concat(parts, ignore_index=True)

    return {name: joined(name) for name in dict.fromkeys(name for each in kept for name in each)}


def with_cutoffs(predictions: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """Final predictions with the cut-off of their training, by which they were shifted to 0.5."""
    chosen = [
        row.replicates[[*KEYS, CUTOFF]].assign(arm=row.key)
        for row in outcome.arms
        if CUTOFF in row.replicates
    ]
    if predictions.empty or not chosen:
        return predictions
    known = pd.concat(chosen).set_index(["arm", *KEYS])[CUTOFF]
    keys = pd.MultiIndex.from_frame(predictions[["arm", *KEYS]].astype({"arm": str}))
    return predictions.assign(**{CUTOFF: known.reindex(keys).to_numpy()})


def flagged_images(found: Appearances, path: ExclusionPath) -> Bools:
    """(N,) whether any network flags an image; pooled counts flag the same for all."""
    at = pd.Index(path.images).get_indexer(found.images)
    of_any: Bools = np.any(list(path.flagged.values()), axis=0)
    flagged: Bools = np.where(at >= 0, of_any[at], False)
    return flagged


def image_rows(plain: PlainArms, found: Appearances, flagged: Bools) -> pd.DataFrame:
    """One row an image: image, label (as given), patient, seen, wrong, right, share, trained,
    flagged, `flipped` where that is known, and of each network seen_, wrong_ and trained_NAME.
    """
    order = pd.Index(plain.images["image"]).get_indexer(found.images)
    trained = {name: counts[order] for name, counts in plain.trained.items()}
    table = {
        "image": found.images,
        "label": found.labels,
        "patient": found.patients,
        "seen": found.times_seen,
        "wrong": found.times_wrong,
        "right": found.times_seen - found.times_wrong,
        "share": found.share_wrong,
        "trained": np.sum(list(trained.values()), axis=0),
        "flagged": flagged,
    }
    if plain.flipped is not None:
        table["flipped"] = plain.flipped[order]
    for at, name in enumerate(found.networks):
        table |= {
            f"seen_{name}": found.seen[:, at],
            f"wrong_{name}": found.wrong[:, at],
            f"trained_{name}": trained[name],
        }
    order = ["flagged", "share", "seen", "image"]
    rows = pd.DataFrame(table).sort_values(order, ascending=[False, False, False, True])
    return rows.reset_index(drop=True)


def network_rows(
    rows: ArmRows, arms: Sequence[int], plain: PlainArms, path: ExclusionPath, options: Options
) -> list[dict[str, Any]]:
    """One row a network, JSON-able: network, runs, auc, sd, low, high (mean, sd, smallest and
    largest of its runs), after and improvement (flagged images left out of the test sets),
    excluded (how many), random, random_low, random_high (as many at random); of arms that leave
    flagged images out of training `training`, the mean AUC on whole test sets, and
    `training_and_test`.
    """
    curve = path.curve[path.curve["theta"] == path.theta].set_index("network").to_dict("index")
    without = {rows.network(at): at for at in arms if rows.excluded(at) == FLAGGED}
    table = []
    for name in plain.networks.values():
        auc = run_aucs(plain.rows[(plain.rows["network"] == name).to_numpy()])
        at_theta = curve[name]
        row: dict[str, Any] = {
            "network": name,
            "runs": len(auc),
            "auc": float(np.nanmean(auc)),
            "sd": float(np.nanstd(auc, ddof=1)) if len(auc) > 1 else float("nan"),
            "low": float(np.nanmin(auc)),
            "high": float(np.nanmax(auc)),
            "excluded": int(path.flagged[name].sum()),
            "after": path.after[name],
            "improvement": path.improvements[name],
            **{each: float(at_theta[each]) for each in ("random", "random_low", "random_high")},
        }
        if name in without:
            own = rows.of(without[name])
            row["training"] = float(np.nanmean(run_aucs(own)))
            if options.training_and_test:
                leaving = path.images[path.flagged[name]]
                kept = own[~own["image"].isin(leaving).to_numpy()]
                row["training_and_test"] = float(np.nanmean(run_aucs(kept)))
        table.append(row)
    return table


def run_aucs(rows: pd.DataFrame) -> Floats:
    """(R,) AUC of each run of one network, by the labels of the rows; nan where undefined."""
    auc = metric_named("auc")
    p = rows.filter(regex=PROBABILITY).to_numpy(dtype=np.float64)
    labels = rows["label"].to_numpy(dtype=np.int64)
    groups = rows.groupby("run", sort=False).indices.values()
    return np.array([auc(labels[at], p[at]) for at in groups])
