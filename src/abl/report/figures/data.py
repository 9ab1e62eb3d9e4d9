"""What figures of predictions are drawn from: mean ROC, reliability bins, risk over coverage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from abl.decide.check import Bools, Floats
from abl.decide.probabilities import largest_class, margin
from abl.decide.reliability import ECE_BINS
from abl.decide.replicates import Patients, Scores, patients_of
from abl.decide.resampling import bootstrap_weights

ROC_GRID = np.linspace(0.0, 1.0, 101)
COVERAGE_GRID = np.linspace(0.02, 1.0, 99)
_ENDS = (0.025, 0.975)


def mean_roc(arm: Sequence[Scores], draws: int) -> pd.DataFrame:
    """ROC averaged over replicates at equal false positive rates, with a band over patients.

    Vertical averaging (Fawcett, Pattern Recognition Letters 2006, section 8); for K > 2 also over
    the classes, each against the rest, as AUC is. The band is pointwise: 95 % of the mean curves
    of `draws` samples of patients.

    Returns:
        Columns fpr, tpr, low, high; nan where a class is missing in every replicate.
    """
    patients, weights = _resampled(arm, draws)
    total = np.zeros((draws + 1, len(ROC_GRID)))
    count = np.zeros((draws + 1, 1))
    for each in arm:
        of_images = weights[:, patients.positions(each)]
        for column in [1] if each.p.shape[1] == 2 else range(each.p.shape[1]):
            curve = tpr_at(each.labels == column, each.p[:, column], of_images, ROC_GRID)
            defined = ~np.isnan(curve[:, :1])
            total += np.where(defined, curve, 0.0)
            count += defined
    curves = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    low, high = _ends(curves[1:])
    return pd.DataFrame({"fpr": ROC_GRID, "tpr": curves[0], "low": low, "high": high})


def tpr_at(positive: Bools, score: Floats, weights: Floats, grid: Floats) -> Floats:
    """(B, G) true positive rate at false positive rates, for each row of image weights (B, N).

    One sort serves all rows; a library's ROC would sort anew for each resample.
    """
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.diff(score[order]) != 0, True)
    hits = np.cumsum(weights[:, order] * positive[order], axis=1)[:, last_of_tie]
    false = np.cumsum(weights[:, order] * ~positive[order], axis=1)[:, last_of_tie]
    found = np.full((len(weights), len(grid)), np.nan)
    for row in np.flatnonzero((hits[:, -1] > 0) & (false[:, -1] > 0)):
        fpr = np.append(0.0, false[row] / false[row, -1])
        found[row] = np.interp(grid, fpr, np.append(0.0, hits[row] / hits[row, -1]))
    return found


def reliability_bins(arm: Sequence[Scores], draws: int) -> pd.DataFrame:
    """Predicted and observed frequency in the ten bins of the calibration error.

    Units of all replicates together. K = 2: of p_1 against class 1; K > 2: of the final class's
    probability against being correct.

    Returns:
        Columns predicted, observed, low, high (nan in empty bins), share of the units.
    """
    patients, weights = _resampled(arm, draws)
    sums = np.zeros((3, len(patients), ECE_BINS))
    for each in arm:
        predicted, observed = _frequencies(each)
        bins = np.minimum((predicted * ECE_BINS).astype(np.int64), ECE_BINS - 1)
        cell = patients.positions(each) * ECE_BINS + bins
        for at, values in enumerate((np.ones(len(cell)), predicted, observed)):
            flat = np.bincount(cell, weights=values, minlength=sums[at].size)
            sums[at] += flat.reshape(sums[at].shape)
    count, predicted, observed = weights @ sums
    empty = np.full_like(count, np.nan)
    rates = np.divide(observed, count, out=empty.copy(), where=count > 0)
    low, high = _ends(rates[1:])
    return pd.DataFrame(
        {
            "predicted": np.divide(predicted[0], count[0], out=empty[0], where=count[0] > 0),
            "observed": rates[0],
            "low": low,
            "high": high,
            "share": count[0] / count[0].sum(),
        }
    )


def risk_over_coverage(replicate: Scores) -> tuple[Floats, float]:
    """Error rate among the most confident share of units, at COVERAGE_GRID, and its area (AURC).

    Confidence is the margin of the two largest probabilities; among equal ones the order is taken
    as random. AURC is the mean risk over the coverages 1/N, ..., 1. Source: Geifman, El-Yaniv,
    "Selective classification for deep neural networks", NeurIPS 2017.
    """
    confidence = margin(replicate.p)
    wrong = largest_class(replicate.p) != replicate.labels
    order = np.argsort(-confidence, kind="stable")
    size = len(order)
    last_of_tie = np.append(np.diff(confidence[order]) != 0, True)
    covered = np.append(0, np.flatnonzero(last_of_tie) + 1)
    errors = np.append(0, np.cumsum(wrong[order])[last_of_tie])
    every = np.arange(1, size + 1)
    area = float(np.mean(np.interp(every, covered, errors) / every))
    return np.interp(COVERAGE_GRID * size, covered, errors) / (COVERAGE_GRID * size), area


def _frequencies(replicate: Scores) -> tuple[Floats, Floats]:
    p, labels = replicate.p, replicate.labels
    if p.shape[1] == 2:
        return p[:, 1], labels.astype(np.float64)
    final = largest_class(p)
    return p[np.arange(len(p)), final], (final == labels).astype(np.float64)


def _resampled(arm: Sequence[Scores], draws: int) -> tuple[Patients, Floats]:
    """Patients, and (1 + draws, P) weights of which the first row is the sample itself."""
    patients = patients_of(arm)
    drawn = bootstrap_weights(patients.strata, draws, np.random.default_rng([0, len(patients)]))
    return patients, np.vstack([np.ones((1, len(patients))), drawn])


def _ends(values: Floats) -> tuple[Floats, Floats]:
    """2.5 and 97.5 % of each column; nan where it has no value."""
    known = ~np.isnan(values).all(axis=0)
    ends = np.full((2, values.shape[1]), np.nan)
    if known.any():
        ends[:, known] = np.nanquantile(values[:, known], _ENDS, axis=0)
    return ends[0], ends[1]
