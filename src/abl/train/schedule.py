"""Learning rate of each epoch."""

from __future__ import annotations

import math

from abl.spec.train import Schedule


def learning_rate(schedule: Schedule, base: float, epoch: int, epochs: int) -> float:
    """The rate in an epoch (counted from 1) of `epochs`.

    Warm-up of w epochs: base * 1/(w+1), ..., base * w/(w+1). Then, t epochs after it: constant;
    step: base * factor^(t // every); cosine: base * (1 + cos(pi t / T)) / 2 over the T left.
    """
    if epoch <= schedule.warmup:
        return base * epoch / (schedule.warmup + 1)
    after = epoch - 1 - schedule.warmup
    match schedule.name:
        case "constant":
            return base
        case "step":
            return base * schedule.factor ** (after // schedule.every)
        case "cosine":
            return base * (1 + math.cos(math.pi * after / (epochs - schedule.warmup))) / 2
