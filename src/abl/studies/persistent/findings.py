"""What a finished sweep says of its images: counts, error rates, flags, and how many flags
difficulty alone gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.audit.appearances import Appearances, appearances_of
from abl.decide.audit.error_rates import ErrorRates, error_rates
from abl.decide.audit.exclusion_path import ExclusionPath, exclusion_path
from abl.decide.audit.expected_flags import expected_flags
from abl.decide.audit.label_order import judged_labels
from abl.decide.check import Bools
from abl.decide.ranking import average_precision
from abl.decide.replicates import KEYS
from abl.plan.outcome import Outcome
from abl.report.pictures import Pictures
from abl.stages.flag import FLAGGED, flagged_by_posterior
from abl.studies.persistent.described import described_images
from abl.studies.persistent.judged import ArmRows, PlainArms
from abl.studies.persistent.maps import map_pictures
from abl.studies.persistent.networks import network_rows
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
        described: Further frames by name, see `described_images`.
        pictures: Flagged and other images with maps, where there are maps.
    """

    facts: Mapping[str, Any]
    images: pd.DataFrame
    curve: pd.DataFrame
    described: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    pictures: Pictures | None = None


def findings_of(rows: ArmRows, arms: Sequence[int], options: Options) -> Findings | None:
    """Of the arms of one data set; None if each leaves something out."""
    plain = rows.plain(arms)
    if plain is None:
        return None
    found = appearances_of(plain.rows, plain.images)
    path = exclusion_path(plain.rows, options.rule)
    theta = path.theta if options.posterior is None else options.theta
    rates = error_rates(found, theta)
    by_network, stopped = flags_by_network(found, path, rates, options)
    flagged: Bools = np.any(list(by_network.values()), axis=0)
    images = image_rows(plain, found, flagged, rates)
    networks = network_rows(rows, arms, plain, found.images, by_network, options)
    facts: dict[str, Any] = {
        "data": plain.name,
        "images": len(found.images),
        "patients": len(np.unique(found.patients.astype(str))),
        "unseen": int((found.times_seen == 0).sum()),
        "rule": asdict(options.rule),
        "posterior": options.posterior,
        "theta": theta,
        "stopped": stopped,
        "flagged": int(flagged.sum()),
        "expected": asdict(expected_flags(found, rates, theta)),
        "improvement": float(np.mean([row["improvement"] for row in networks])),
        "networks": networks,
    }
    if plain.flipped is not None and plain.flipped.any():
        facts["known"] = known_errors(images)
    described, facts["features_left_out"] = described_images(
        rows, plain, found, images, rates, options
    )
    pictures = map_pictures(rows, plain, images)
    return Findings(facts, images, path.curve, described, pictures)


def flags_by_network(
    found: Appearances, path: ExclusionPath, rates: ErrorRates, options: Options
) -> tuple[dict[str, Bools], str]:
    """Network -> (N,) flagged, the same for all unless each counts alone; and why it is so many."""
    if options.posterior is not None:
        level, cap = options.posterior, options.cap
        flagged, stopped = flagged_by_posterior(found, rates.above, level, cap)
        return dict.fromkeys(found.networks, flagged), stopped
    at = pd.Index(path.images).get_indexer(found.images)
    of_network = {
        name: np.where(at >= 0, flagged[at], False) for name, flagged in path.flagged.items()
    }
    return of_network, str(path.stopped)


def known_errors(images: pd.DataFrame) -> dict[str, float]:
    """How well flags and scores find labels that were flipped on purpose: see exclusion_scores;
    average_precision: of the order by score, by_share: by F alone, among images tested.
    """
    tested = images[(images["seen"] > 0).to_numpy()]
    flipped = tested["flipped"].to_numpy()
    found = exclusion_scores(images["flipped"].to_numpy(), images[FLAGGED].to_numpy())
    for name, column in (("average_precision", "score"), ("by_share", "share")):
        found[name] = average_precision(flipped, tested[column].to_numpy())
    return found


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


def image_rows(
    plain: PlainArms, found: Appearances, flagged: Bools, rates: ErrorRates
) -> pd.DataFrame:
    """One row an image, those to look at first in front: image, label (as given), patient, seen,
    wrong, right, share, trained, error_rate, low, high, above (posterior, see ErrorRates), score
    (higher: look first), flagged, `flipped` where that is known, and of each network seen_, wrong_
    and trained_NAME.
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
        "error_rate": rates.mean,
        "low": rates.low,
        "high": rates.high,
        "above": rates.above,
        "score": judged_labels(found).score,
        FLAGGED: flagged,
    }
    if plain.flipped is not None:
        table["flipped"] = plain.flipped[order]
    for at, name in enumerate(found.networks):
        table |= {
            f"seen_{name}": found.seen[:, at],
            f"wrong_{name}": found.wrong[:, at],
            f"trained_{name}": trained[name],
        }
    rows = pd.DataFrame(table).sort_values(["score", "image"], ascending=[False, True])
    return rows.reset_index(drop=True)
