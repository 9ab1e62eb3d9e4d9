"""What the course of a training says of the images that it trains on: logits after each epoch.

Of every score of DYNAMICS_SCORES, higher means: look first. The measures are those of the papers
named at each, on logits of the images as they are (no augmentation), taken after each epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import scipy
from numpy.typing import ArrayLike

from abl.decide.check import Bools, Floats, Ints
from abl.errors import InputError


def true_class_probabilities(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """(E, N) softmax probability of the given label.

    Args:
        logits: (E, N, K) finite, of E epochs in their order.
        labels: (N,) int, 0 .. K - 1.

    Raises InputError: other shapes, labels outside the classes, values that are not finite.
    """
    values, given = _checked(logits, labels)
    p: Floats = scipy.special.softmax(values, axis=2)[:, np.arange(len(given)), given]
    return p


def low_confidence(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """(N,) 1 - mean probability of the given label over the epochs.

    Source: Swayamdipta et al., "Dataset cartography", EMNLP 2020, section 2: confidence.
    """
    found: Floats = 1 - true_class_probabilities(logits, labels).mean(axis=0)
    return found


def variability(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """(N,) standard deviation of the probability of the given label over the epochs.

    Source: Swayamdipta et al., EMNLP 2020, section 2: high where an image is ambiguous.
    """
    found: Floats = true_class_probabilities(logits, labels).std(axis=0)
    return found


def aleatoric(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """(N,) mean of p (1 - p) over the epochs, p being the probability of the given label.

    Source: Seedat et al., "Data-IQ", NeurIPS 2022, section 3. It is high for ambiguous images and
    low for those that are always wrong, so that wrong labels which no training learns are not
    among its first: there `low_confidence` is.
    """
    p = true_class_probabilities(logits, labels)
    found: Floats = (p * (1 - p)).mean(axis=0)
    return found


def area_under_margin(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """(N,) AUM: mean over the epochs of the given label's logit less the largest other.

    Source: Pleiss et al., "Identifying mislabeled data using the area under the margin ranking",
    NeurIPS 2020, section 3.
    """
    values, given = _checked(logits, labels)
    at = np.arange(len(given))
    own = values[:, at, given]
    others = values.copy()
    others[:, at, given] = -np.inf
    found: Floats = (own - others.max(axis=2)).mean(axis=0)
    return found


def forgetting_events(logits: ArrayLike, labels: ArrayLike) -> tuple[Ints, Bools]:
    """(N,) epochs in which an image is wrong that was right the epoch before; and (N,) ever right.

    Source: Toneva et al., "An empirical study of example forgetting during deep neural network
    learning", ICLR 2019, definition 1. A tie of logits is the lower class, as there.
    """
    values, given = _checked(logits, labels)
    right = values.argmax(axis=2) == given
    events: Ints = (right[:-1] & ~right[1:]).sum(axis=0)
    return events, right.any(axis=0)


def forgetting(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """(N,) forgetting events; of an image that was never right the number of epochs.

    The paper counts these as forgotten infinitely often; the number of epochs is above what any
    image can be forgotten, and keeps means over trainings finite.
    """
    events, learned = forgetting_events(logits, labels)
    return np.where(learned, events, len(np.asarray(logits))).astype(np.float64)


def negative_margin(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """(N,) - AUM: higher means look first."""
    return -area_under_margin(logits, labels)


# name in tables -> score, (E, N, K) logits and (N,) labels -> (N,), higher: look first
DYNAMICS_SCORES: Mapping[str, Callable[[ArrayLike, ArrayLike], Floats]] = {
    "cartography: low confidence": low_confidence,
    "cartography: variability": variability,
    "Data-IQ: aleatoric": aleatoric,
    "AUM": negative_margin,
    "forgetting events": forgetting,
}


def mean_scores(
    trainings: Iterable[tuple[Ints, np.ndarray]], labels: Ints
) -> tuple[dict[str, Floats], Ints]:
    """Each of DYNAMICS_SCORES, mean over the trainings that an image is in; nan if it is in none.

    Args:
        trainings: Positions (n,) among the N images, and logits (E, n, K); one in memory at a time.
        labels: (N,) as given.

    Returns:
        Name -> (N,), and (N,) the number of trainings.
    """
    times = np.zeros(len(labels), dtype=np.int64)
    total = {name: np.zeros(len(labels)) for name in DYNAMICS_SCORES}
    for positions, logits in trainings:
        times[positions] += 1
        for name, score in DYNAMICS_SCORES.items():
            total[name][positions] += score(logits, labels[positions])
    with np.errstate(invalid="ignore"):
        return {name: each / np.where(times, times, np.nan) for name, each in total.items()}, times


def _checked(logits: ArrayLike, labels: ArrayLike) -> tuple[Floats, Ints]:
    values, given = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if values.ndim != 3 or not len(values):
        raise InputError(
            f"logits of epochs: shape {values.shape}, wanted (epochs, images, classes)"
        )
    if given.shape != values.shape[1:2]:
        raise InputError(f"{given.size} labels for {values.shape[1]} images")
    if given.size and (given.min() < 0 or given.max() >= values.shape[2]):
        raise InputError(f"labels outside 0..{values.shape[2] - 1}")
    if not np.isfinite(values).all():
        raise InputError("logits of epochs: not finite")
    return values, given
