"""When a training is hopeless: bounds by epoch from the trainings of earlier points (pure).

A bound is known before a training starts, so that the training can stop itself, wherever it runs,
and stops at the same epoch on one worker or on many.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np


def running_best(curve: Sequence[float], *, higher: bool) -> list[float]:
    """The best value up to each epoch; nan is worse than anything."""
    best = np.fmax if higher else np.fmin
    return [float(value) for value in best.accumulate(np.asarray(curve, dtype=np.float64))]


def bounds_of(
    curves: Sequence[Sequence[float]],
    rule: Literal["median", "halving"],
    *,
    higher: bool,
    after: int,
    factor: int,
    least: int,
) -> dict[int, float]:
    """Epoch (from 1) -> the value that a training must have reached by then, or stop.

    Args:
        curves: A validation metric by epoch, one an earlier training of the same replicate and
            role; those that stopped are as long as they got.
        rule: median (Golovin et al. 2017, the median stopping rule), or halving (Li et al. 2020):
            the best 1 / factor go on, at epochs after, after x factor, ....
        higher: Whether more is better.
        after: Epochs in any case.
        least: Curves that there must be at an epoch.
    """
    running = [running_best(curve, higher=higher) for curve in curves]
    longest = max((len(curve) for curve in running), default=0)
    found, rung = {}, after
    for epoch in range(after, longest + 1):
        if rule == "halving" and epoch != rung:
            continue
        rung *= factor
        values = [curve[epoch - 1] for curve in running if len(curve) >= epoch]
        values = [value for value in values if not math.isnan(value)]
        if len(values) < least:
            continue
        if rule == "median":
            found[epoch] = statistics.median(values)
        else:
            ranked = sorted(values, reverse=higher)
            found[epoch] = ranked[max(math.ceil(len(values) / factor), 1) - 1]
    return found


def hopeless_epoch(curve: Sequence[float], bounds: dict[int, float], *, higher: bool) -> int | None:
    """The first epoch by which a training has not reached its bound, None if there is none."""
    for epoch, value in enumerate(running_best(curve, higher=higher), start=1):
        bound = bounds.get(epoch)
        if bound is None:
            continue
        if math.isnan(value) or (value < bound if higher else value > bound):
            return epoch
    return None


def hopeless_by(
    given: Mapping[str, Any],
) -> Callable[[Sequence[Mapping[str, float]]], str]:
    """Why a training gives itself up, "" while it does not, by its history.

    Args:
        given: What a search has put into its context: column, higher, values (epoch -> bound).
    """
    column, higher = str(given["column"]), bool(given["higher"])
    bounds = {int(epoch): float(value) for epoch, value in given["values"].items()}

    def hopeless(history: Sequence[Mapping[str, float]]) -> str:
        curve = [row[column] for row in history]
        epoch = hopeless_epoch(curve, bounds, higher=higher)
        if epoch is None:
            return ""
        best = running_best(curve[:epoch], higher=higher)[-1]
        wanted = f"{'above' if higher else 'below'} {bounds[epoch]:.4g}"
        return f"stopped in epoch {epoch}: {column} at best {best:.4g}, wanted {wanted}"

    return hopeless
