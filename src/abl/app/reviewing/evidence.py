"""What the networks of a sweep said of each test image, and which images are looked at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.app.image_pages.sweep_images import predictions_on_test
from abl.decide.audit.appearances import Appearances, appearances_of
from abl.decide.audit.error_rates import error_rates
from abl.decide.audit.label_audit import flags_of
from abl.decide.audit.label_order import judged_labels
from abl.decide.check import Bools, Floats, Ints, largest_class
from abl.decide.decision import with_cutoff_at_half
from abl.decide.verdicts import NOT_OUT_OF_FOLD
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Outcome
from abl.record.store import Store
from abl.report.pairs.arm_words import arm_named, arm_title
from abl.report.prediction_frames import probabilities_of, probability_columns
from abl.studies.shared.single_network import CUTOFF

LEAVING, WHOLE = (
    "excluded",
    "none",
)  # axis by which arms leave training images out; those that do not


@dataclass(frozen=True, eq=False)
class Ranking:
    """In which order images are looked at.

    Attributes:
        order: (N,) positions of the images, those to look at first before the others.
        score: (N,) soft score in [0, 1], higher: look first; nan of images in no test set.
        rate, low, high: (N,) error rate with its 95 % interval, nan where nothing is known.
        flagged: (N,) whether the image is flagged.
        words: How images are ordered and flagged, for people, a sentence each.
    """

    order: Ints
    score: Floats
    rate: Floats
    low: Floats
    high: Floats
    flagged: Bools
    words: tuple[str, ...]


def ranked(seen: Appearances, own_flags: pd.Series | None = None) -> Ranking:
    """The ranking of images by what was said of them: flagged ones first, then by score.

    Args:
        own_flags: Whether the sweep's own table flags an image, by image; None: it does not say.
    """
    judged, rates = judged_labels(seen), error_rates(seen)
    score = judged.score
    if own_flags is None:
        flagged = flags_of(seen, rates, judged, "score")
        rule = "flagged: wrong so often, and so surely, that `abl audit` doubts the label"
    else:
        flagged = own_flags.reindex(seen.images).fillna(False).to_numpy(dtype=bool)
        rule = "flagged: as the sweep's own table flags it"
    order = np.lexsort([seen.images, -np.nan_to_num(score, nan=-1.0), ~flagged])
    words = (
        f"Order: flagged images first, then the others, each by how improbable the networks "
        f"together hold the given label (score; 1: none holds it for right). {rule[0].upper()}"
        f"{rule[1:]}.",
        "Error rates are posterior means of a model with effects of image, network and patient, "
        "with 95 % intervals; what is wrong again and again may be hard and rightly labelled.",
    )
    return Ranking(order.astype(np.int64), score, rates.mean, rates.low, rates.high, flagged, words)


def appearances_in(
    store: Store, outcome: Outcome, labels: pd.Series, arms: Sequence[str] = ()
) -> Appearances:
    """Test appearances of every image, each arm of the table taken for a network.

    Args:
        labels: Class by image, which is looked at; tests may have been scored by another.
        arms: Words of the arms that count, as `abl compare` takes them; none: those that are
            whole trainings, out of fold, and did not use labels of the test set.

    Raises:
        InputError: An arm that is not found; no predictions.
    """
    asked = [arm_named(outcome, words, alone=True) for words in arms] or [
        arm for arm in outcome.arms if _counts(outcome, arm)
    ]
    chosen = {arm.key: arm for arm in asked if not arm.failed}
    frame = predictions_on_test(store, outcome)
    frame = frame[frame["arm"].astype(str).isin(list(chosen)).to_numpy()]
    if frame.empty:
        raise InputError(f"{outcome.name}: these arms have no test predictions")
    titles = [arm_title(outcome, arm) for arm in chosen.values()]
    named = dict(zip(chosen, _distinct(titles), strict=True))
    images = frame["unit"].astype(str)
    rows = frame.rename(columns={"unit": "image"}).assign(
        network=frame["arm"].astype(str).map(named),
        image=images,
        label=labels.reindex(images).to_numpy(dtype=np.int64),
    )
    # in the order of the table, whatever the order of the file
    place = {name: at for at, name in enumerate(named.values())}
    order = np.argsort(rows["network"].map(place).to_numpy(), kind="stable")
    return appearances_of(_as_networks_said(rows.iloc[order].reset_index(drop=True)))


def _as_networks_said(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the probabilities before they were shifted by their training's cut-off, where
    the table keeps it, and `called`, the class that it gives.
    """
    names = probability_columns(rows)
    p = probabilities_of(rows)
    rows = rows.assign(called=largest_class(p))
    if CUTOFF not in rows or len(names) != 2:
        return rows
    raw = p.copy()
    for cutoff, at in rows.groupby(CUTOFF).indices.items():
        raw[at] = with_cutoff_at_half(p[at], 1 - float(str(cutoff)))
    return rows.assign(**dict(zip(names, raw.T, strict=True)))


def _counts(outcome: Outcome, arm: ArmOutcome) -> bool:
    """Whether an arm's predictions speak of the data as they are."""
    leaves_out = str(arm.params.get(LEAVING, "")) not in ("", WHOLE)
    seen_before = arm.comparison is not None and arm.comparison.verdict == NOT_OUT_OF_FOLD
    return not leaves_out and not seen_before and arm.key not in outcome.facts.controls


def _distinct(titles: Sequence[str]) -> list[str]:
    if len(set(titles)) == len(titles):
        return list(titles)
    return [f"#{at} {title}" for at, title in enumerate(titles, 1)]


def said_of(seen: Appearances, image: int) -> list[dict[str, object]]:
    """What each network said of an image (its position), of those that saw it in a test set.

    Returns:
        network, wrong and seen (counts), p (K mean probabilities).
    """
    return [
        {
            "network": name,
            "wrong": int(seen.wrong[image, at]),
            "seen": int(seen.seen[image, at]),
            "p": [float(each) for each in seen.p[image, at]],
        }
        for at, name in enumerate(seen.networks)
        if seen.seen[image, at]
    ]
