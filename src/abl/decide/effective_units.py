"""How many independent units a value stands on, and what unseen ones might do to it."""

from __future__ import annotations

import numpy as np

from abl.decide.check import Floats
from abl.decide.contributions import confusion_of, gradient, smoothed
from abl.decide.metric_registry import Metric
from abl.decide.replicates import ArmScores
from abl.decide.score_intervals import plain_interval, wilson
from abl.decide.shared_tests import SharedTests
from abl.decide.spread import Layout

# independent units that stand for what is not known of the spread of a few
_PRIOR = 0.5
# by how many of the other class a patient that has not been seen may be misplaced: one is called
# rightly or wrongly in whole; ranks are finer, and moved by a quarter of the others
_MOVED, _MOVED_RANK = 1.0, 0.25


def effective_patients(tests: SharedTests, layout: Layout) -> Floats:
    """(K + 1,) effective number of patients of each class, then of all, by their images (Kish)."""
    size, count = tests.classes, len(tests.patients)
    weight = np.zeros((size + 1, count))
    for replicate, of_replicate in enumerate(layout.weight):
        each, position = tests.replicates[replicate], tests.positions(replicate)
        images = np.bincount(each.labels, minlength=size)
        for at in range(size):
            if images[at]:
                share = (each.labels == at) / images[at]
                weight[at] += of_replicate * np.bincount(position, share, minlength=count)
        weight[size] += of_replicate * np.bincount(position, minlength=count) / len(each.labels)
    squares = (weight**2).sum(axis=1)
    return np.divide(weight.sum(axis=1) ** 2, squares, out=np.zeros(size + 1), where=squares > 0)


def effective_units(
    spare: Floats, variance: Floats, carriers: Floats, least: Floats, most: Floats | float = np.inf
) -> Floats:
    """(n,) independent units of a share whose variance is spare / units.

    Args:
        spare: Variance of one unit.
        variance: Of the share.
        carriers: Effective number of patients that the variance was seen on.
        least: What is taken where nothing was seen.
        most: Predictions that were made: more they cannot be worth, however even they came out.
    """
    seen = spare > 1e-15
    known = np.divide(variance, spare, out=np.zeros(len(spare)), where=seen)
    carried = np.where(seen, carriers, 0.0)
    units: Floats = (carried + _PRIOR) / (carried * known + _PRIOR / least)
    return np.minimum(units, most)


def widened(
    variance: Floats, unseen: Floats, carriers: Floats, *, counts: bool, carriers_are_known: bool
) -> Floats:
    """(n,) variance of a difference that few patients carry: the more may hang on those not seen.

    To counts two carriers are added, as Bonett and Price (J. Educ. Behav. Stat. 2012) add
    discordant pairs; ranks are finer, and get one.

    Args:
        unseen: Variance if a patient of each class and arm more were misplaced.
        carriers: Effective number of patients that carry the difference.
        counts: Whether the metric is one of the confusion matrix.
    """
    few = 1 / np.maximum(carriers, 1.0)
    share = np.minimum(4 * few**2, 1.0)
    if not carriers_are_known:
        whole = unseen + variance
        share = np.divide(unseen, whole, out=np.zeros(len(whole)), where=whole > 0)
    return variance * (1 + (2 if counts else 1) * few) + unseen * share


def unseen_variance(flips: Floats, *, counts: bool) -> Floats:
    """(n,) as if one patient a class and direction were misplaced.

    Args:
        flips: (n, K) of `patient_flips`.
        counts: Whether the metric is one of the confusion matrix.
    """
    found: Floats = 2 * (_MOVED if counts else _MOVED_RANK) ** 2 * (flips**2).sum(axis=1)
    return found


def patient_flips(arm: ArmScores, metric: Metric, sizes: Floats) -> Floats:
    """(K,) by how much a patient of a class moves the metric if it is got wrong.

    Args:
        sizes: (K,) effective number of patients of each class.
    """
    sizes, classes = np.maximum(sizes, 1.0), len(sizes)
    counts = confusion_of(arm)
    images = counts.sum(axis=1)
    if metric.of_confusion is not None:
        slope = gradient(metric, smoothed(counts))
        away = np.diagonal(slope)[:, None] - slope
        found: Floats = np.abs(away).sum(axis=1) / max(classes - 1, 1) * images / sizes
        return found
    if metric.terms is not None:
        share: Floats = images / (sizes * max(images.sum(), 1.0))
        return share
    if metric.bounds is None:
        return np.zeros(classes)
    if classes == 2:
        return 1 / sizes
    rest = np.maximum(sizes.sum() - sizes, 1.0)
    of_auc: Floats = (1 / sizes + (1 / rest).sum() - 1 / rest) / classes
    return of_auc


def least_units(arm: ArmScores, metric: Metric, class_sizes: Floats) -> float:
    """Effective number of units of a mean in which no spread is seen.

    Of a metric of the confusion matrix those at which a binomial varies as the metric would near
    its present value; of others the patients of the smallest class.

    Args:
        class_sizes: (K,) effective number of patients of each class.
    """
    sizes, present = np.maximum(class_sizes, 1.0), class_sizes > 0
    fewest = float(sizes[present].min()) if present.any() else 1.0
    bounds = metric.bounds_for(len(sizes))
    if metric.of_confusion is None or bounds is None or not present.any():
        return fewest
    counts = smoothed(confusion_of(arm), 1.0)
    images = counts.sum(axis=1)
    share = counts / np.maximum(images[:, None], 1e-9)
    slope = gradient(metric, counts)
    spread = (share * slope**2).sum(axis=1)
    variance = float(np.sum(images**2 * np.maximum(spread, 0.0) / sizes))
    low, high = bounds
    value = (float(metric.of_confusion(counts)) - low) / (high - low)
    whole = value * (1 - value) * (high - low) ** 2
    if not variance > 0 or not whole > 0:
        return fewest
    return float(np.clip(whole / variance, fewest, sizes[present].sum()))


def mean_interval(
    bounds: tuple[float, float] | None,
    mean: Floats,
    variance: Floats,
    carriers: Floats,
    least: Floats,
    reach: Floats,
    most: Floats | float = np.inf,
) -> tuple[Floats, Floats]:
    """Ends of means (n,): a score interval on the scale of the bounds, plain where there are none.

    Args:
        carriers, least, most: As in `effective_units`.
        reach: Quantile.
    """
    if bounds is None:
        return plain_interval(mean, reach * np.sqrt(variance))
    low, high = bounds
    share = np.clip((mean - low) / (high - low), 0.0, 1.0)
    spread = variance / (high - low) ** 2
    units = effective_units(share * (1 - share), spread, carriers, least, most)
    ends = wilson(share, units, reach)
    return low + (high - low) * ends[0], low + (high - low) * ends[1]
