"""One training of one network on one device, from plain values."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from abl.errors import InputError, Stopped
from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.batches import balanced_rows, class_weights
from abl.train.checkpoint import (
    Checkpoint,
    State,
    cpu_state,
    load_checkpoint,
    optimizer_state,
    restore_optimizer,
    save_checkpoint,
)
from abl.train.course import Row, check_predictions, has_stopped, kept_after, loss_and_accuracy
from abl.train.epoch import EpochRunner, Objective, classification, learning_rate
from abl.train.feed import Feed, PixelFeed
from abl.train.predictions import predict_logits
from abl.train.process import Stream, derived_seed, reset_process, seed_everything

HALF = 65504.0  # the largest float16


@dataclass(frozen=True)
class FitResult:
    """What a training gives.

    Attributes:
        history: One row an epoch: epoch (int64, from 1), lr, train_loss and train_accuracy (of the
            augmented and balanced images as they were shown), validation_loss and
            validation_accuracy (nan without validation), seconds.
        logits: Role -> float32 (k, n, classes) in evaluation mode, un-augmented; k kept epochs.
        epochs: The k epochs, ascending: the last ones, or the best one of an early stop.
        weights: State dicts on the CPU of these epochs.
        dynamics: float16 (epochs that were run, n, classes) of the rows that are followed, in
            evaluation mode, un-augmented, after each epoch; None if none are.
    """

    history: pd.DataFrame
    logits: dict[str, np.ndarray]
    epochs: list[int]
    weights: list[State]
    dynamics: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows that a training reads, as places in what it is given.

    Attributes:
        positions, labels: int64 (n,), to train on; labels 0 .. classes - 1.
        classes: K.
        evaluate: Role -> positions to predict.
        validation_labels: Labels of evaluate['validation'], which is then measured each epoch.
        followed: Positions whose logits are kept after each epoch.
    """

    positions: np.ndarray
    labels: np.ndarray
    classes: int
    evaluate: Mapping[str, np.ndarray]
    validation_labels: np.ndarray | None = None
    followed: np.ndarray | None = None


@dataclass(frozen=True)
class Oversight:
    """What is kept of a training while it runs, and who looks at it.

    Attributes:
        folder: Of checkpoints; None keeps none.
        every_s: Least time between two checkpoints; 0 writes one each epoch.
        on_epoch: Called with each new row of the history, after its checkpoint.
        hopeless: History so far -> why the training gives itself up, "" if it goes on.
    """

    folder: str | Path | None = None
    every_s: float = 20.0
    on_epoch: Callable[[Row], None] | None = None
    hopeless: Callable[[Sequence[Row]], str] | None = None


def fit(
    network: nn.Module,
    given: np.ndarray | Feed,
    rows: TrainingRows,
    *,
    settings: Train,
    image: Image,
    seed: int,
    device: str | torch.device = "cpu",
    objective: Objective = classification,
    oversight: Oversight = Oversight(),
) -> FitResult:
    """Trains a network and predicts with the weights of its last k epochs.

    The same arguments give the same bytes on a CPU, whatever the process did before, and also when
    a training goes on from a checkpoint. The caller removes the checkpoint when the result is safe.

    Args:
        network: From build_network after reset_process(seed); trained in place.
        given: uint8 (N, C, S, S), usually a memmap, of which only batches are read; or what else
            the network is fed.
        objective: What a step makes smaller; by default cross-entropy.

    Raises:
        Stopped: It gave itself up; its checkpoint is written, so that it can go on later.
        InputError: early stopping without validation.
        StageError: a class without training image, a loss that is not finite, an operation without
            deterministic form on this device, fp16 on a CPU.
    """
    validation_labels = rows.validation_labels
    validation = check_validation(settings, rows)
    reset_process(seed, threads=settings.threads, deterministic=settings.deterministic)
    place = torch.device(device)
    network.to(place)
    if settings.is_channels_last:
        network.to(memory_format=torch.channels_last)
    feed: Feed = (
        PixelFeed(given, image, settings, seed=seed, device=place)
        if isinstance(given, np.ndarray)
        else given
    )
    runner = EpochRunner(
        network,
        feed,
        rows.positions,
        rows.labels,
        rows=balanced_rows(rows.labels, rows.classes, settings.balance, seed),
        class_weights=class_weights(rows.labels, rows.classes, settings.balance),
        settings=settings,
        seed=seed,
        device=place,
        outputs=rows.classes,
        objective=objective,
    )

    def predicted(positions: np.ndarray, epoch: int, lr: float) -> np.ndarray:
        logits = predict_logits(
            network, feed, positions, precision=settings.precision, classes=rows.classes
        )
        check_predictions(logits, epoch, lr)
        return logits

    key = checkpoint_key(network, rows, settings, image, seed, place.type)

    def write_checkpoint() -> None:
        if oversight.folder is not None:
            state = (cpu_state(network), optimizer_state(runner.optimizer))
            checkpoint = Checkpoint(history, *state, runner.scaler.state_dict(), kept, dynamics)
            save_checkpoint(oversight.folder, key, checkpoint)

    history: list[Row] = []
    kept: list[tuple[int, State]] = []
    dynamics: list[np.ndarray] = []
    measured: dict[int, np.ndarray] = {}  # epoch that is kept -> logits of the validation images
    found = None if oversight.folder is None else load_checkpoint(oversight.folder, key)
    if found is not None:
        history, kept, dynamics = found.history, found.kept, list(found.dynamics)
        network.load_state_dict(found.network)
        restore_optimizer(runner.optimizer, found.optimizer)
        runner.scaler.load_state_dict(found.scaler)
    written = time.monotonic()

    def give_up_if_hopeless() -> None:
        why = oversight.hopeless(history) if oversight.hopeless is not None and history else ""
        if why:
            write_checkpoint()
            raise Stopped(why, {"history": history})

    give_up_if_hopeless()  # also where the checkpoint is of one that did
    for epoch in range(len(history) + 1, settings.epochs + 1):
        if settings.early_stop and has_stopped(history, settings.early_stop):
            break
        began = time.perf_counter()
        lr = learning_rate(settings.schedule, settings.optimizer.lr, epoch, settings.epochs)
        seed_everything(derived_seed(seed, Stream.NETWORK, epoch))
        loss, accuracy = runner.run(epoch, lr)
        row: Row = {"epoch": epoch, "lr": lr, "train_loss": loss, "train_accuracy": accuracy}
        row |= {"validation_loss": math.nan, "validation_accuracy": math.nan}
        if validation is not None and validation_labels is not None and len(validation):
            measured[epoch] = predicted(validation, epoch, lr)
            row["validation_loss"], row["validation_accuracy"] = loss_and_accuracy(
                measured[epoch], validation_labels
            )
        if rows.followed is not None:
            logits = predicted(rows.followed, epoch, lr).reshape(-1, rows.classes)
            dynamics.append(np.clip(logits, -HALF, HALF).astype(np.float16))
        row["seconds"] = time.perf_counter() - began
        history.append(row)
        kept = kept_after(kept, epoch, lambda: cpu_state(network), history, settings)
        measured = {each: measured[each] for each, _ in kept if each in measured}
        if time.monotonic() - written >= oversight.every_s:
            write_checkpoint()
            written = time.monotonic()
        if oversight.on_epoch is not None:
            oversight.on_epoch(row)
        give_up_if_hopeless()

    outputs: dict[str, list[np.ndarray]] = {role: [] for role in rows.evaluate}
    for epoch, state in kept:
        network.load_state_dict(state)
        for role, positions in rows.evaluate.items():
            known = measured.get(epoch) if role == "validation" else None
            if known is None:
                known = predicted(positions, epoch, history[epoch - 1]["lr"])
            outputs[role].append(known.reshape(-1, rows.classes))
    return FitResult(
        history=pd.DataFrame(history).astype({"epoch": "int64"}),
        logits={role: np.stack(logits) for role, logits in outputs.items()},
        epochs=[epoch for epoch, _ in kept],
        weights=[state for _, state in kept],
        dynamics=None if rows.followed is None else np.stack(dynamics),
    )


def check_validation(settings: Train, rows: TrainingRows) -> np.ndarray | None:
    """Positions that are measured each epoch. Raises InputError if an early stop lacks them."""
    validation = rows.evaluate.get("validation") if rows.validation_labels is not None else None
    if settings.early_stop and (validation is None or not len(validation)):
        raise InputError("train.early_stop needs a validation set (or leave early_stop out)")
    return validation


def checkpoint_key(
    network: nn.Module,
    rows: TrainingRows,
    settings: Train,
    image: Image,
    seed: int,
    device_type: str,
) -> str:
    """What a checkpoint must agree on: continuing another training would mix two results."""
    digest = hashlib.sha256()
    tensors: dict[str, Tensor] = network.state_dict()
    shapes = [(name, tuple(tensor.shape)) for name, tensor in tensors.items()]
    # weights: is a path, which other machines spell otherwise
    for text in (
        settings.model_dump_json(exclude={"weights"}),
        image.model_dump_json(),
        repr(shapes),
    ):
        digest.update(text.encode())
    digest.update(f"{seed} {device_type} {torch.__version__}".encode())
    evaluated = (rows.evaluate[role] for role in sorted(rows.evaluate))
    followed = () if rows.followed is None else (rows.followed,)
    for array in (rows.positions, rows.labels, *evaluated, *followed):
        digest.update(np.asarray(array, np.int64).tobytes() + b"|")
    return digest.hexdigest()
