"""What a training decides from epoch to epoch: whether it goes on, and which weights predict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from abl.errors import StageError
from abl.spec.train import EarlyStop, Train
from abl.train.checkpoint import State

Row = dict[str, float]


def kept_after(
    kept: list[tuple[int, State]],
    epoch: int,
    state: Callable[[], State],
    history: list[Row],
    settings: Train,
) -> list[tuple[int, State]]:
    """The epochs whose weights predict, were this epoch the last.

    Args:
        kept: Those after the epoch before.
        state: Makes a copy of the weights as they are.
        history: With this epoch.
    """
    stop = settings.early_stop
    if stop and stop.restore_best:
        is_best = _best_epoch(history, stop) == epoch
        return [(epoch, state())] if is_best else kept
    if stop is None and epoch <= settings.epochs - settings.last_k:
        return []
    return [*kept, (epoch, state())][-settings.last_k :]


def _best_epoch(history: list[Row], stop: EarlyStop) -> int:
    """The first epoch with the best value."""
    values = [row[f"validation_{stop.metric}"] for row in history]
    best = min(values) if stop.metric == "loss" else max(values)
    return values.index(best) + 1


def has_stopped(history: list[Row], stop: EarlyStop) -> bool:
    """Whether the best value is `patience` epochs old."""
    return bool(history) and len(history) - _best_epoch(history, stop) >= stop.patience


def loss_and_accuracy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Cross-entropy and accuracy (a share), in float64."""
    values = torch.from_numpy(logits).double()
    target = torch.from_numpy(np.asarray(labels, np.int64))
    loss = nn.functional.cross_entropy(values, target)
    return float(loss), float((values.argmax(1) == target).double().mean())


def check_predictions(logits: np.ndarray, epoch: int, lr: float) -> None:
    """Raises StageError if they are not finite."""
    if not np.isfinite(logits).all():
        raise StageError(
            f"training diverged in epoch {epoch}: predictions are not finite (learning rate {lr:g})"
        )
