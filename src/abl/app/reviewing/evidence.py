"""What the networks of a sweep said of each test image, and which images are looked at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.app.results import arm_predictions
from abl.decide.audit.appearances import Appearances, appearances_of, more_often_than
from abl.decide.check import Bools, Floats, Ints
from abl.decide.intervals import wilson_interval
from abl.errors import InputError
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.report.pairs.arm_words import arm_named, arm_title

THETA = "0.9"  # images wrong more often are flagged; Rafalo, Zylka (2025)


@dataclass(frozen=True, eq=False)
class Ranking:
    """In which order images are looked at.

    Attributes:
        order: (N,) positions of the images, those to look at first before the others.
        score: (N,) soft score in [0, 1], higher: look first; nan of images in no test set.
        low, high: (N,) 95 % interval of the share wrong, nan where nothing is known.
        flagged: (N,) whether the image is wrong so often that it is flagged.
        words: How images are ordered and flagged, for people, a sentence each.
    """

    order: Ints
    score: Floats
    low: Floats
    high: Floats
    flagged: Bools
    words: tuple[str, ...]


def ranked(seen: Appearances) -> Ranking:
    """The ranking of images by what was said of them."""
    p = np.where(seen.seen[:, :, None] > 0, seen.p, np.nan)
    known = seen.times_seen > 0
    given = np.take_along_axis(p, seen.labels[:, None, None], axis=2)[:, :, 0]
    score = np.full(len(seen.images), np.nan)
    score[known] = 1 - np.nanmean(given[known], axis=1)
    ends = [
        wilson_interval(int(wrong), int(total))
        for wrong, total in zip(seen.times_wrong, seen.times_seen, strict=True)
    ]
    flagged = more_often_than(THETA, seen.times_wrong, seen.times_seen)
    order = np.lexsort([seen.images, -np.nan_to_num(score, nan=-1.0), ~flagged])
    words = (
        f"Flagged images (wrong in more than {100 * float(THETA):g} % of their test appearances) "
        "come first, then the others, each by the soft score: 1 - the mean probability of the "
        "given label over networks.",
        "The interval of the share wrong is Wilson's (95 %); it takes appearances for independent.",
    )
    return Ranking(
        order=order.astype(np.int64),
        score=score,
        low=np.where(known, [each.low for each in ends], np.nan),
        high=np.where(known, [each.high for each in ends], np.nan),
        flagged=flagged,
        words=words,
    )


def appearances_in(store: Store, outcome: Outcome, arms: Sequence[str] = ()) -> Appearances:
    """Test appearances of every image, each arm of the table taken for a network.

    Args:
        arms: Words of the arms that count, as `abl compare` takes them; none: all that did not
            use labels of the test set.

    Raises:
        InputError: What is scored are not images; an arm that is not found; no predictions.
    """
    if (unit := outcome.facts.unit or "image") != "image":
        raise InputError(
            f"{outcome.name} scores {unit}s (data.unit: {unit}): a review is of single images; run "
            "it with data: {unit: image}"
        )
    asked = [arm_named(outcome, words, alone=True) for words in arms] or [
        arm for arm in outcome.arms if arm.key not in outcome.facts.controls
    ]
    chosen = {arm.key: arm for arm in asked if not arm.failed}
    frame = arm_predictions(store, outcome)
    if len(frame):
        wanted = frame["arm"].astype(str).isin(list(chosen)) & (frame["role"] == "test")
        frame = frame[wanted.to_numpy()]
    if frame.empty:
        raise InputError(
            f"{outcome.name}: no test predictions by image are kept: `abl sweep FILE` makes them"
        )
    titles = [arm_title(outcome, arm) for arm in chosen.values()]
    named = dict(zip(chosen, _distinct(titles), strict=True))
    rows = frame.rename(columns={"unit": "image"}).assign(
        network=frame["arm"].astype(str).map(named), image=frame["unit"].astype(str)
    )
    # in the order of the table, whatever the order of the file
    place = {name: at for at, name in enumerate(named.values())}
    order = np.argsort(rows["network"].map(place).to_numpy(), kind="stable")
    return appearances_of(rows.iloc[order].reset_index(drop=True))


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


def relabelled_since(seen: Appearances, labels: pd.Series) -> list[str]:
    """Images whose label is not the one they were scored by.

    Args:
        labels: Class by image, as the data have it now.
    """
    now = labels.reindex(seen.images).to_numpy()
    return [str(name) for name in seen.images[now != seen.labels]]
