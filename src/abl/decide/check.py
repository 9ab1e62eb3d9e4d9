"""Checks of arrays at the door of decide/, and how what they hold is compared; the functions behind
it only compute.

Confidences, probabilities and thresholds are compared to DIGITS decimals: 0.95 - 0.05 is
0.8999999999999999 in floating point, and yet it *is* a T* of 0.9.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abl.errors import InputError, Problem, raise_if_any

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# softmax in float32, written as text with a few digits, still sums to 1 within this
SUM_TOLERANCE = 1e-3
# errors of sums and differences of probabilities are some 1e-16, and no softmax means 1e-12
DIGITS = 12
HALF_DIGIT = 0.5 * 10**-DIGITS  # what is less is rounded to 0


def checked_predictions(p: ArrayLike, name: str = "predictions") -> Floats:
    """p as float64 (N, K), K >= 2, rows of probabilities. Raises InputError naming the first row.

    Rows are counted from 0 here: an array has no header.
    """
    array = np.asarray(p, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] < 2:
        raise InputError(f"{name}: shape {array.shape}, not (images, classes >= 2)")
    if not array.size:
        return array
    # sums and extremes first: a bad row shows in them, and good arrays need no (N, K) mask
    sums = array.sum(axis=1)
    if np.all(np.abs(sums - 1) <= SUM_TOLERANCE) and array.min() >= 0 and array.max() <= 1:
        return array
    problems = []
    outside = ~((array >= 0) & (array <= 1)).all(axis=1)
    if outside.any():
        row = int(np.argmax(outside))
        problems.append(
            Problem(f"{name}: row {row}: {array[row].tolist()} has a value outside [0, 1]")
        )
    unnormalised = ~outside & (np.abs(sums - 1) > SUM_TOLERANCE)
    if unnormalised.any():
        row = int(np.argmax(unnormalised))
        problems.append(Problem(f"{name}: row {row}: probabilities sum to {sums[row]:.6g}, not 1"))
    raise_if_any(problems)
    return array


def checked_labels(labels: ArrayLike, classes: int) -> Ints:
    """labels as int64 (N,), each in 0..classes-1. Raises InputError."""
    array = np.asarray(labels)
    if array.ndim != 1:
        raise InputError(f"labels: shape {array.shape}, not (images,)")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        if array.dtype == np.bool_ or np.all(np.equal(np.mod(array, 1), 0)):
            array = array.astype(np.int64)
        else:
            raise InputError("labels: not whole numbers")
    if array.size and (array.min() < 0 or array.max() >= classes):
        wrong = int(np.argmax((array < 0) | (array >= classes)))
        raise InputError(f"labels: row {wrong}: {array[wrong]} is not a class in 0..{classes - 1}")
    return array.astype(np.int64, copy=False)


def checked_pair(labels: ArrayLike, p: ArrayLike, name: str = "predictions") -> tuple[Ints, Floats]:
    """labels (N,) and p (N, K) of the same images. Raises InputError."""
    predictions = checked_predictions(p, name)
    checked = checked_labels(labels, predictions.shape[1])
    if len(checked) != len(predictions):
        raise InputError(f"{name}: {len(predictions)} rows for {len(checked)} labels")
    return checked, predictions


def comparable(values: Floats) -> Floats:
    """The same values to DIGITS decimals: the float64 next to each, so that a decimal is itself.

    What went through this once is compared, sorted and counted by the usual operators; infinity
    stays.
    """
    rounded: Floats = np.round(values, DIGITS)
    return rounded


def margin(p: Floats) -> Floats:
    """(N,) difference of the two largest probabilities, comparable; |p_B - p_M| for K = 2."""
    if p.shape[1] == 2:
        return comparable(np.abs(p[:, 0] - p[:, 1]))
    top = np.partition(p, -2, axis=1)
    return comparable(top[:, -1] - top[:, -2])


def largest_class(p: Floats) -> Ints:
    """(N,) class of the largest probability; a tie goes to the higher class (malignant).

    Probabilities tie where their difference is 0 to DIGITS decimals: where `margin` is 0.
    """
    if p.shape[1] == 2:
        return (p[:, 0] - p[:, 1] <= HALF_DIGIT).astype(np.int64)
    # column by column, several times as fast as along the rows
    least = p[:, 0] - HALF_DIGIT
    for column in range(1, p.shape[1]):
        np.maximum(least, p[:, column] - HALF_DIGIT, out=least)
    highest = np.zeros(len(p), dtype=np.int64)
    for column in range(1, p.shape[1]):
        highest[p[:, column] >= least] = column
    return highest


def at_least(values: Floats, cutoff: float) -> Bools:
    """(N,) whether each value reaches a cut-off, one that is equal to DIGITS decimals included."""
    reached: Bools = comparable(values) >= round(cutoff, DIGITS)
    return reached
