"""How far a stated value may be from another by sampling alone: standard errors from its size."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from abl.decide.contributions import gradient
from abl.decide.metric_names import metric_named
from abl.errors import InputError


def sampling_error(
    metric: str, value: float, negatives: float, positives: float, stated: Mapping[str, float]
) -> float:
    """Standard error of a metric of two classes over other images, as many of each class.

    Of shares binomial, of AUC by Hanley and McNeil in Newcombe's symmetric form (Statistics in
    Medicine 2006, method 5), of other metrics of the confusion matrix by their gradient there.
    Images count as independent.

    Args:
        value: The metric, a fraction.
        negatives, positives: Images of each class; nan or 0 if not known.
        stated: What else is stated of the same predictions, by metric, fractions: of it sensitivity
            and specificity follow.

    Returns:
        nan where it does not follow from what is stated.
    """
    if not (negatives >= 1 and positives >= 1 and 0 <= value <= 1):
        return math.nan
    images = {"acc": negatives + positives, "sen": positives, "spe": negatives}
    if metric in images:
        return math.sqrt(value * (1 - value) / images[metric])
    if metric == "auc":
        others = (negatives + positives) / 2 - 1
        more = others * ((1 - value) / (2 - value) + value / (1 + value))
        return math.sqrt(value * (1 - value) * (1 + more) / (negatives * positives))
    try:
        known = metric_named(metric)
    except InputError:
        return math.nan
    rates = _rates({**stated, metric: value}, negatives, positives)
    if known.of_confusion is None or rates is None:
        return math.nan
    sen, spe = rates
    share = np.array([[spe, 1 - spe], [1 - sen, sen]])
    size = np.array([[negatives], [positives]], dtype=np.float64)
    slope = gradient(known, size * share)
    each = (share * slope**2).sum(axis=1) - (share * slope).sum(axis=1) ** 2
    return math.sqrt(max(float((size[:, 0] * each).sum()), 0.0))


def _rates(
    stated: Mapping[str, float], negatives: float, positives: float
) -> tuple[float, float] | None:
    """Sensitivity and specificity, as stated or from accuracy and F1."""
    given = {name: value for name, value in stated.items() if not math.isnan(value)}
    if {"sen", "spe"} <= given.keys():
        found = given["sen"], given["spe"]
    elif {"acc", "f1"} <= given.keys() and given["f1"] < 1:
        wrong = (negatives + positives) * (1 - given["acc"])
        right = given["f1"] * wrong / (2 * (1 - given["f1"]))
        found = right / positives, 1 - (wrong - (positives - right)) / negatives
    else:
        return None
    # rounded values may lie a little outside
    return (min(max(found[0], 0.0), 1.0), min(max(found[1], 0.0), 1.0))


def apart(ours: float, own_error: float, stated: float, stated_error: float) -> float:
    """Difference over the root of both squared standard errors; nan if one is not known."""
    error = math.hypot(own_error, stated_error)
    return math.nan if math.isnan(error) or error == 0 else (ours - stated) / error
