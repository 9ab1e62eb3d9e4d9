"""Rank statistics of scores: AUC, average precision, and AUC along a path of changing scores."""

from __future__ import annotations

import math

import numpy as np

from abl.decide.check import Bools, Floats, Ints


def twice_u(positive: Floats, negative: Floats) -> int:
    """2U of Mann and Whitney: pairs with positive > negative count 2, ties 1. Exact."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(ordered, positive, side="right").sum(dtype=np.int64)
    return int(below + not_above)


def twice_below(positive: Bools, score: Floats) -> Ints:
    """(N,) int64: of each image 2 #(of the other class with less) + #(with as much). One sort."""
    order = np.argsort(score)
    ordered, high = score[order], positive[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))[: len(order)]
    tie = np.repeat(np.arange(len(first)), np.diff(first, append=len(order)))
    # of each group of equal scores: how many of a class lie below it, and in it
    found = np.zeros(len(order), dtype=np.int64)
    for of_class in (high, ~high):
        count = np.concatenate([[0], np.cumsum(of_class)])
        start, end = count[first], count[np.append(first[1:], len(order))]
        others = ~of_class
        found[order[others]] = (start + end)[tie[others]]
    return found


def auc(positive: Bools, score: Floats, weights: Floats | None = None) -> float:
    """Area under the ROC curve, ties counting one half; nan if one class is missing.

    Without weights it is the ratio of two integers: the same images give the same bits in any
    order.
    """
    if weights is not None:
        return _weighted_auc(positive, score, weights)
    pairs = 2 * int(positive.sum()) * int((~positive).sum())
    return twice_u(score[positive], score[~positive]) / pairs if pairs else math.nan


def average_precision(positive: Bools, score: Floats, weights: Floats | None = None) -> float:
    """Step-wise area under the precision-recall curve (as scikit-learn); nan without positives."""
    hits, total = _cumulative(positive, score, weights)
    if not hits.size or hits[-1] == 0:
        return math.nan
    gained = np.diff(hits, prepend=0.0)
    # total is 0 only where weights are: nothing is gained there
    precision = np.divide(hits, total, out=np.zeros_like(hits), where=total > 0)
    return float(np.sum(gained * precision) / hits[-1])


def sensitivity_at(
    positive: Bools, score: Floats, specificity: float, weights: Floats | None = None
) -> float:
    """Largest sensitivity of a cut-off whose specificity is at least the one given."""
    hits, total = _cumulative(positive, score, weights)
    if not hits.size:
        return math.nan
    negatives = total[-1] - hits[-1]
    if hits[-1] == 0 or negatives == 0:
        return math.nan
    # the tolerance lets a specificity of exactly 0.95 pass in floating point
    allowed = (total - hits) / negatives <= 1 - specificity + 1e-12
    return float(np.max(hits[allowed], initial=0.0) / hits[-1])


def auc_along_path(
    positive: Bools, before: Floats, after: Floats, step: Ints, steps: int
) -> Floats:
    """Exact AUC at each step of a path along which each image's score changes at most once.

    At step j, image i has score after[i] if step[i] <= j, else before[i]. U changes by what the
    switching images gain against the other class, which two-dimensional dominance counts give for
    all of them at once: O(n log steps) in all, instead of a sort a step.

    Args:
        positive: (n,) bool.
        before, after: (n,) scores.
        step: (n,) int in 0..steps; `steps` never switches.

    Returns:
        (steps,) float64; nan if one class is missing.
    """
    negative = ~positive
    pairs = 2 * int(positive.sum()) * int(negative.sum())
    if pairs == 0:
        return np.full(steps, math.nan)
    change = np.zeros(steps, dtype=np.int64)
    # within a step the positives switch first: they meet the negatives of the step before
    against_negatives = _State(before[negative], after[negative], step[negative], steps)
    mover = np.flatnonzero(positive & (step < steps))
    gain = against_negatives.twice_below(after[mover], step[mover])
    gain -= against_negatives.twice_below(before[mover], step[mover])
    np.add.at(change, step[mover], gain)
    del against_negatives
    against_positives = _State(before[positive], after[positive], step[positive], steps)
    mover = np.flatnonzero(negative & (step < steps))
    # a negative gains as the positives above it lose: minus the change of what lies below it
    gain = against_positives.twice_below(before[mover], step[mover] + 1)
    gain -= against_positives.twice_below(after[mover], step[mover] + 1)
    np.add.at(change, step[mover], gain)
    start = twice_u(before[positive], before[negative])
    return (start + np.cumsum(change)) / pairs


class _State:
    """Scores of one class along the path: `before` until an image's step, `after` from then on."""

    def __init__(self, before: Floats, after: Floats, step: Ints, steps: int):
        order = np.argsort(before, kind="stable")
        self._before = before[order]
        self._before_steps = _WaveletMatrix(step[order], steps)
        order = np.argsort(after, kind="stable")
        self._after = after[order]
        self._after_steps = _WaveletMatrix(step[order], steps)

    def twice_below(self, value: Floats, time: Ints) -> Ints:
        """2 #(score < value) + #(score = value), images with step < time having switched."""
        # in order of value the look-ups run through memory instead of jumping about in it
        order = np.argsort(value, kind="stable")
        value, time = value[order], time[order]
        count = np.zeros(len(value), dtype=np.int64)
        for side in ("left", "right"):
            rank = np.searchsorted(self._before, value, side=side)  # type: ignore[call-overload]
            count += rank - self._before_steps.count_smaller(rank, time)
            rank = np.searchsorted(self._after, value, side=side)  # type: ignore[call-overload]
            count += self._after_steps.count_smaller(rank, time)
        result = np.empty_like(count)
        result[order] = count
        return result


class _WaveletMatrix:
    """Counts, for many (length, bound) at once, the values < bound among the first `length`.

    Values and bounds lie in 0..largest.

    Source: Claude, Navarro, Ordonez, "The wavelet matrix", Information Systems 2015.
    """

    def __init__(self, values: Ints, largest: int):
        self._bits = max(1, int(largest).bit_length())
        self._bounds = np.arange(largest + 1)
        self._zeros_before: list[np.ndarray] = []
        current = values.astype(np.int32)
        for bit in reversed(range(self._bits)):
            is_zero = (current >> bit) & 1 == 0
            zeros = np.zeros(len(current) + 1, dtype=np.int32)
            np.cumsum(is_zero, out=zeros[1:])
            self._zeros_before.append(zeros)
            current = np.concatenate([current[is_zero], current[~is_zero]])

    def count_smaller(self, length: Ints, bound: Ints) -> Ints:
        # the left end of the interval depends on the bound alone: one a bound, not one a query
        left = np.zeros(len(self._bounds), dtype=np.int64)
        right = length.astype(np.int64)
        count = np.zeros(len(length), dtype=np.int64)
        for bit, zeros in zip(reversed(range(self._bits)), self._zeros_before, strict=True):
            one = (self._bounds >> bit) & 1 == 1
            zeros_left = zeros[left].astype(np.int64)
            zeros_right = zeros[right].astype(np.int64)
            is_one = one[bound]
            count += np.where(is_one, zeros_right - zeros_left[bound], 0)
            right = np.where(is_one, zeros[-1] + right - zeros_right, zeros_right)
            left = np.where(one, zeros[-1] + left - zeros_left, zeros_left)
        return count


def _cumulative(positive: Bools, score: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """Weight of positives, and of all, at each distinct score from the highest down."""
    if not score.size:
        return np.empty(0), np.empty(0)
    order = np.argsort(-score, kind="stable")
    weight = np.ones(len(score)) if weights is None else weights[order]
    hits = np.cumsum(weight * positive[order])
    total = np.cumsum(weight)
    last_of_tie = np.append(np.diff(score[order]) != 0, True)
    return hits[last_of_tie], total[last_of_tie]


def _weighted_auc(positive: Bools, score: Floats, weights: Floats) -> float:
    hits, total = _cumulative(positive, score, weights)
    if not hits.size:
        return math.nan
    misses = total - hits
    pairs = hits[-1] * misses[-1]
    if pairs == 0:
        return math.nan
    gained = np.diff(misses, prepend=0.0)
    above = hits - np.diff(hits, prepend=0.0) / 2
    return float(np.sum(gained * above) / pairs)
