"""What each patient contributes to a metric: the infinitesimal jackknife, replicate by replicate.

H has a column a replicate, and H'H is the covariance of the replicates' values from drawing other
patients: of one arm, and between arms that are tested on the same images. Everything that is said
of patients (intervals, tests, their correction over a family) reads H alone.

Metrics of the confusion matrix, of terms, and AUC have a derivative in what a patient shows
(Efron, "The jackknife, the bootstrap and other resampling plans", 1982, section 6.2; for AUC DeLong
et al. 1988, for patients with several images Obuchowski, Biometrics 1997): in what is shown given
the label, taken about the value over all splits of a seed, as a fold with one positive patient
knows no spread of its own; and in how many patients of a class came, which moves what depends on
prevalence (accuracy, predictive values, calibration) and leaves alone what does not (sensitivity,
AUC). For any other metric the columns are deviations of bootstrap draws, in which both vary too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abl.decide.check import Floats, Ints, largest_class
from abl.decide.metric_registry import Metric
from abl.decide.metrics import METRICS
from abl.decide.placements import placed_among_others, ranked_auc
from abl.decide.replicates import Scores
from abl.decide.resampling import bootstrap_weights, confusions_by_patient, of_weights
from abl.decide.shared_tests import SharedTests

DRAWS = 500  # of metrics without a derivative: their variance is known to 6 %
_SMOOTHING = 0.5  # images spread over a class before a derivative is taken: roots have none at 0


@dataclass(frozen=True, eq=False)
class Contributions:
    """One arm and metric.

    Attributes:
        values: (R,) the metric in each replicate, nan where undefined.
        entries: (L,) what is not 0 in H, replicate after replicate.
    """

    values: Floats
    entries: Floats


@dataclass(frozen=True, eq=False)
class EntryPlaces:
    """Where the entries of H stand; alike for all arms on one design.

    Attributes:
        row, column: (L,) of each entry; a column is a replicate.
        strata: (rows,) class of the patient that a row is; one class for all of bootstrap draws.
        freedom: (strata,) degrees of freedom of each.
        are_patients: Whether a row is a patient.
    """

    row: Ints
    column: Ints
    strata: Ints
    freedom: Floats
    are_patients: bool


def has_derivative(metric: Metric) -> bool:
    """Whether contributions are derivatives; of other metrics they are bootstrap draws."""
    return metric.of_confusion is not None or metric.terms is not None or metric is METRICS["auc"]


def places_of(design: SharedTests, metric: Metric, draws: int = DRAWS) -> EntryPlaces:
    """The rows of H for a metric; those of metrics without a derivative are bootstrap draws."""
    derived = has_derivative(metric)
    which = "patients" if derived else draws
    return design.once(("places", which), lambda: _places(design, derived, draws))


def _places(design: SharedTests, derived: bool, draws: int) -> EntryPlaces:
    replicates, strata = len(design.replicates), design.patients.strata
    stratum = np.unique(strata, return_inverse=True)[1]
    sizes = np.bincount(stratum).astype(np.float64)
    if not derived:
        row, column = np.tile(np.arange(draws), replicates), np.repeat(np.arange(replicates), draws)
        freedom = np.array([max(1.0, float(np.sum(sizes - 1)))])
        return EntryPlaces(row, column, np.zeros(draws, dtype=np.int64), freedom, False)
    row = np.concatenate(design.present)
    column = np.repeat(np.arange(replicates), [len(each) for each in design.present])
    return EntryPlaces(row, column, stratum, np.maximum(sizes - 1, 1.0), True)


def contributions(
    arm: Sequence[Scores],
    design: SharedTests,
    metric: Metric,
    weights: Floats | None = None,
    values: Floats | None = None,
) -> Contributions:
    """Values and contributions of an arm.

    Args:
        arm: Replicate by replicate as the design has them.
        weights: (B, P) bootstrap weights, for metrics without a derivative.
        values: (R,) of the metric, where they are known.
    """
    if values is None:
        values = np.array([metric_value(metric, each) for each in arm], dtype=np.float64)
    if metric.of_confusion is not None:
        entries = _of_confusion(arm, design, metric)
    elif metric.terms is not None:
        entries = _of_terms(arm, design, metric)
    elif metric is METRICS["auc"]:
        entries = _of_auc(arm, design)
    else:
        assert weights is not None
        return Contributions(values, _of_draws(arm, design, metric, weights))
    sizes = np.bincount(design.patients.strata)[design.patients.strata].astype(np.float64)
    # patients of a class are centred at their mean: n - 1 of n are free
    scale = np.sqrt(sizes / np.maximum(sizes - 1, 1.0))
    return Contributions(values, entries * scale[np.concatenate(design.present)])


def weights_for(
    design: SharedTests, metric: Metric, draws: int = DRAWS, seed: int = 0
) -> Floats | None:
    """(B, P) weights that all arms on a design share; None for metrics with a derivative."""
    if has_derivative(metric):
        return None
    rng = np.random.default_rng([seed, len(design.patients), len(design.replicates)])
    return bootstrap_weights(design.patients.strata, draws, rng)


def confusion_of(arm: Sequence[Scores]) -> Floats:
    """(K, K) counts over all replicates."""
    size = arm[0].p.shape[1]
    counts = np.zeros(size * size)
    for each in arm:
        counts += np.bincount(each.labels * size + largest_class(each.p), minlength=size * size)
    return counts.reshape(size, size)


def smoothed(counts: Floats, share: float = _SMOOTHING) -> Floats:
    """Counts with `share` of an image a class spread evenly, and the classes' sizes as they were.

    Args:
        counts: (K, K).
    """
    images = counts.sum(axis=1, keepdims=True)
    spread = (counts + share / len(counts)) / (images + share)
    smooth: Floats = spread * images
    return smooth


def gradient(metric: Metric, counts: Floats) -> Floats:
    """(K, K) derivative of a metric of the confusion matrix in its counts; 0 where it has none."""
    size = len(counts)
    assert metric.of_confusion is not None
    step = 1e-4 * max(1.0, float(counts.sum()) / size**2)
    moved = (step * np.eye(size * size)).reshape(-1, size, size)
    both = metric.of_confusion(np.concatenate([counts + moved, counts - moved]))
    slope = (both[: size * size] - both[size * size :]) / (2 * step)
    return np.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0).reshape(size, size)


def _of_confusion(arm: Sequence[Scores], design: SharedTests, metric: Metric) -> Floats:
    size, found = design.classes, []
    counted = [
        confusions_by_patient(each, local, len(present))
        for each, local, present in zip(arm, design.local, design.present, strict=True)
    ]
    pooled = {each.seed: np.zeros((size, size)) for each in arm}
    for each, counts in zip(arm, counted, strict=True):
        pooled[each.seed] += counts.sum(axis=0).reshape(size, size)
    for each, counts in zip(arm, counted, strict=True):
        whole = pooled[each.seed]
        share = whole / np.maximum(whole.sum(axis=1, keepdims=True), 1.0)
        smooth = smoothed(counts.sum(axis=0).reshape(size, size))
        slope = gradient(metric, smooth)
        # what a patient shows less what its labels let expect: rows sum to 0
        expected = (share * slope).sum(axis=1)
        images = counts.reshape(-1, size, size).sum(axis=2)
        by_class = (smooth * slope).sum(axis=1) / np.maximum(smooth.sum(axis=1), 1.0)
        found.append(counts @ slope.ravel() - images @ (expected - by_class))
    return np.concatenate(found)


def _of_terms(arm: Sequence[Scores], design: SharedTests, metric: Metric) -> Floats:
    size, found = design.classes, []
    assert metric.terms is not None
    terms = [metric.terms(each.labels, each.p) * len(each.labels) for each in arm]
    sums = {each.seed: np.zeros((2, size)) for each in arm}
    for each, term in zip(arm, terms, strict=True):
        known = np.nan_to_num(term)
        both = [np.bincount(each.labels, w, minlength=size) for w in (known, np.ones(len(term)))]
        sums[each.seed] += np.array(both)
    for each, term, local, present in zip(arm, terms, design.local, design.present, strict=True):
        total, images = sums[each.seed]
        mean = total / np.maximum(images, 1.0)
        residual = (np.nan_to_num(term) - mean[each.labels]) / max(len(term), 1)
        own = residual + _of_class_sizes(metric, each)[each.labels]
        found.append(np.bincount(local, own, minlength=len(present)))
    return np.concatenate(found)


def _of_class_sizes(metric: Metric, replicate: Scores) -> Floats:
    """(K,) by how much an image more of a class moves the metric, as the class's images are."""
    labels, classes = replicate.labels, replicate.p.shape[1]
    images, step = np.bincount(labels, minlength=classes), 1e-4
    slope = np.zeros(classes)
    for at in np.flatnonzero(images):
        up, down = (
            metric(labels, replicate.p, np.where(labels == at, 1 + moved, 1.0))
            for moved in (step, -step)
        )
        slope[at] = (up - down) / (2 * step * images[at])
    return np.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0)


def metric_value(metric: Metric, replicate: Scores) -> float:
    """The metric of a replicate; an AUC from ranks that its contributions need too."""
    if metric is METRICS["auc"]:
        return ranked_auc(replicate)
    return metric(replicate.labels, replicate.p)


def _of_auc(arm: Sequence[Scores], design: SharedTests) -> Floats:
    columns = [1] if design.classes == 2 else list(range(design.classes))
    parts = []
    for column in columns:
        placed = [placed_among_others(each, column) for each in arm]
        means: dict[int, list[float]] = {}
        for each, (_, area) in zip(arm, placed, strict=True):
            means.setdefault(each.seed, []).append(area)
        pooled = {
            seed: float(np.nanmean(areas)) if not np.isnan(areas).all() else 0.5
            for seed, areas in means.items()
        }
        found = []
        for each, (place, area), local, present in zip(
            arm, placed, design.local, design.present, strict=True
        ):
            positive = each.labels == column
            sizes = np.where(positive, positive.sum(), (~positive).sum())
            own = np.zeros(len(place)) if math.isnan(area) else (place - pooled[each.seed]) / sizes
            found.append(np.bincount(local, own, minlength=len(present)))
        parts.append(np.concatenate(found))
    of_classes: Floats = np.mean(parts, axis=0)
    return of_classes


def _of_draws(
    arm: Sequence[Scores], design: SharedTests, metric: Metric, weights: Floats
) -> Floats:
    found = []
    for each in arm:
        drawn = of_weights(each, metric, design.patients)(weights)
        known = ~np.isnan(drawn)
        count = int(known.sum())
        deviation = np.zeros(len(drawn))
        if count > 1:
            deviation[known] = (drawn[known] - drawn[known].mean()) / math.sqrt(count - 1)
        found.append(deviation)
    return np.concatenate(found)
