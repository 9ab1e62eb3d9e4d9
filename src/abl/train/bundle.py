"""Trainings of one shape as one program: what `fit` does for one, for many at once.

Each has its own order of images, augmentation, dropout, learning rate, early stop, checkpoint and
failure. What it gives is what `fit` gives but for rounding: batched kernels add up in another
order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from abl.errors import StageError, Stopped
from abl.train.bundle_course import BundleCourse, BundledTraining
from abl.train.bundle_steps import BundleRunner, predict_stacked
from abl.train.checkpoint import State, cpu_state
from abl.train.course import Row, check_predictions, kept_after, loss_and_accuracy
from abl.train.epoch import check_loss
from abl.train.fit import HALF, FitResult
from abl.train.process import Stream, derived_seed, reset_process, seed_everything
from abl.train.stacked import StackedNetworks, StackedOptimizer

_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class BundleOutcome:
    """How one training of a bundle ended.

    Attributes:
        result: What it gives; None if it failed or gave itself up.
        error: Why it has none: what `fit` would have raised.
        members: Trainings that began as one program with it.
    """

    result: FitResult | None
    error: Exception | None
    members: int


def fit_bundle(
    trainings: Sequence[BundledTraining], *, device: str | torch.device = "cpu"
) -> list[BundleOutcome]:
    """Trains networks of one design as one program; the loss is cross-entropy.

    Those with another number of steps an epoch run after each other. One that fails, stops early or
    gives itself up ends alone; the others go on.

    Raises:
        StageError: What holds for all: an operation without deterministic form on this device.
    """
    first = trainings[0]
    reset_process(
        first.seed, threads=first.settings.threads, deterministic=first.settings.deterministic
    )
    place = torch.device(device)
    courses = [BundleCourse(each, place) for each in trainings]
    by_steps: dict[int, list[BundleCourse]] = {}
    for course in courses:
        if course.error is None:
            by_steps.setdefault(course.steps, []).append(course)
    for part in by_steps.values():
        for course in part:
            course.members = len(part)
        # equal optimizers and schedules side by side: a slice of the stack is one parameter group
        part.sort(key=lambda each: each.numbers)
        _train(part, place)
        _predict(part, place)
    return [
        BundleOutcome(course.result if course.error is None else None, course.error, course.members)
        for course in courses
    ]


class _Running:
    """The courses that are on the device now, their networks stacked."""

    def __init__(self, courses: list[BundleCourse], device: torch.device):
        self.courses, self._device = courses, device
        self._classes = courses[0].training.rows.classes
        settings = [each.training.settings for each in courses]
        self.networks = StackedNetworks(
            [each.training.network for each in courses],
            device,
            channels_last=settings[0].is_channels_last,
        )
        states = [each.optimizer for each in courses]
        self.optimizer = StackedOptimizer(self.networks, settings, states)
        sources = [each.source for each in courses]
        self.runner = BundleRunner(self.networks, self.optimizer, sources, self._classes, device)

    def fetch(self, place: int, *, optimizer: bool = True) -> None:
        """Brings a network, and its optimizer's state, to the CPU."""
        course = self.courses[place]
        self.networks.write_to(course.training.network, place)
        if optimizer:
            course.optimizer = self.optimizer.state_of(place)

    def predicted(self, positions: list[np.ndarray]) -> list[np.ndarray]:
        """Logits of each, of the images at its positions."""
        feeds = [each.training.feed for each in self.courses]
        settings = self.courses[0].training.settings
        return predict_stacked(
            self.networks, feeds, positions, settings, self._classes, self._device
        )


def _train(courses: list[BundleCourse], device: torch.device) -> None:
    """All epochs of trainings with as many steps."""
    running: _Running | None = None
    every_s = min(each.training.oversight.every_s for each in courses)
    written = time.monotonic()
    for epoch in range(1, courses[0].training.settings.epochs + 1):
        present = [each for each in courses if each.trains(epoch)]
        if running is not None and running.courses != present:
            for place in range(len(running.courses)):
                running.fetch(place)
            running = None
        if not present:
            continue
        running = running or _Running(present, device)
        _epoch(running, epoch)
        if time.monotonic() - written >= every_s:
            for place, course in enumerate(present):
                if course.error is None:
                    running.fetch(place)
                    course.write_checkpoint()
            written = time.monotonic()
        for place, course in enumerate(present):
            if course.error is not None:
                continue
            if course.training.oversight.on_epoch is not None:
                course.training.oversight.on_epoch(course.history[-1])
            try:
                course.give_up_if_hopeless(partial(running.fetch, place))
            except Stopped as stopped:
                course.error = stopped


def _epoch(running: _Running, epoch: int) -> None:
    """One epoch of all that are present, measured; a row of the history of each."""
    courses, began = running.courses, time.perf_counter()
    # what draws from the global generators all the same gives the same each time
    seed_everything(derived_seed(courses[0].training.seed, Stream.NETWORK, epoch))
    rates = [each.rate(epoch) for each in courses]
    shown = running.runner.run(epoch, rates)
    validation = [_NONE if each.validation is None else each.validation for each in courses]
    followed = [each.training.rows.followed for each in courses]
    measured = running.predicted(validation) if any(map(len, validation)) else validation
    traced = None
    if any(each is not None for each in followed):
        traced = running.predicted([_NONE if each is None else each for each in followed])
    seconds = (time.perf_counter() - began) / len(courses)
    for place, course in enumerate(courses):
        (loss, accuracy), lr, rows = shown[place], rates[place], course.training.rows
        row: Row = {"epoch": epoch, "lr": lr, "train_loss": loss, "train_accuracy": accuracy}
        row |= {"validation_loss": math.nan, "validation_accuracy": math.nan}
        try:
            check_loss(loss, epoch, lr, running.runner.first[place])
            if len(validation[place]) and rows.validation_labels is not None:
                check_predictions(measured[place], epoch, lr)
                row["validation_loss"], row["validation_accuracy"] = loss_and_accuracy(
                    measured[place], rows.validation_labels
                )
            if traced is not None and rows.followed is not None:
                check_predictions(traced[place], epoch, lr)
                course.dynamics.append(np.clip(traced[place], -HALF, HALF).astype(np.float16))
        except StageError as error:
            course.error = error
            continue
        row["seconds"] = seconds
        course.history.append(row)
        course.kept = kept_after(
            course.kept,
            epoch,
            partial(_state_of, running, place),
            course.history,
            course.training.settings,
        )


def _state_of(running: _Running, place: int) -> State:
    running.fetch(place, optimizer=False)
    return cpu_state(running.courses[place].training.network)


def _predict(courses: list[BundleCourse], device: torch.device) -> None:
    """Predictions of all with the weights that each has kept."""
    for number in range(max((len(each.kept) for each in courses), default=0)):
        present = [c for c in courses if c.error is None and len(c.kept) > number]
        if not present:
            return
        for course in present:
            course.training.network.load_state_dict(course.kept[number][1])
        networks = StackedNetworks([each.training.network for each in present], device)
        first = present[0].training
        for role in first.rows.evaluate:
            positions = [each.training.rows.evaluate[role] for each in present]
            feeds = [each.training.feed for each in present]
            found = predict_stacked(
                networks, feeds, positions, first.settings, first.rows.classes, device
            )
            for course, logits in zip(present, found, strict=True):
                epoch = course.kept[number][0]
                try:
                    check_predictions(logits, epoch, course.history[epoch - 1]["lr"])
                except StageError as error:
                    course.error = course.error or error
                course.logits[role].append(logits)
