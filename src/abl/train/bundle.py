"""Trainings of one shape as one program: what `fit` does for one, for many at once.

Each has its own order of images, augmentation, dropout, learning rate, early stop, checkpoint and
failure. What it gives is what `fit` gives but for rounding: batched kernels add up in another
order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import nn

from abl.errors import InputError, StageError, Stopped
from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.batches import balanced_rows, batch_slices, class_weights
from abl.train.bundle_steps import BundleRunner, StepSource, predict_stacked
from abl.train.checkpoint import Checkpoint, State, cpu_state, load_checkpoint, save_checkpoint
from abl.train.course import Row, check_predictions, has_stopped, kept_after, loss_and_accuracy
from abl.train.epoch import check_loss, learning_rate
from abl.train.feed import Feed
from abl.train.fit import HALF, FitResult, Oversight, TrainingRows, check_validation, checkpoint_key
from abl.train.process import Stream, derived_seed, reset_process, seed_everything
from abl.train.stacked import StackedNetworks, StackedOptimizer

_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class BundledTraining:
    """One training of a bundle: the arguments of `fit`.

    Attributes:
        network: On the CPU as it starts; trained in place.
        settings: One number of epochs, batch size, precision and optimizer's name in a bundle.
    """

    network: nn.Module
    feed: Feed
    rows: TrainingRows
    settings: Train
    image: Image
    seed: int
    oversight: Oversight = field(default_factory=Oversight)


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
    courses = [_Course(each, place) for each in trainings]
    by_steps: dict[int, list[_Course]] = {}
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


class _Course:
    """What is known of one training while it runs."""

    def __init__(self, training: BundledTraining, device: torch.device):
        self.training, self.device, self.members = training, device, 1
        self.history: list[Row] = []
        self.kept: list[tuple[int, State]] = []
        self.dynamics: list[np.ndarray] = []
        self.optimizer: State = {}
        self.logits: dict[str, list[np.ndarray]] = {role: [] for role in training.rows.evaluate}
        self.error: Exception | None = None
        self.steps = 0
        try:
            self._begin()
        except (InputError, StageError, Stopped) as error:
            self.error = error

    def _begin(self) -> None:
        training, rows, settings = self.training, self.training.rows, self.training.settings
        self.validation = check_validation(settings, rows)
        used = balanced_rows(rows.labels, rows.classes, settings.balance, training.seed)
        self.source = StepSource(
            training.feed,
            settings,
            training.seed,
            rows.positions,
            np.asarray(rows.labels, np.int64),
            used,
            class_weights(rows.labels, rows.classes, settings.balance),
        )
        self.steps = len(batch_slices(len(used), settings.batch_size))
        self.numbers = settings.optimizer.model_dump_json() + settings.schedule.model_dump_json()
        self._key = checkpoint_key(
            training.network, rows, settings, training.image, training.seed, self.device.type
        )
        folder = training.oversight.folder
        found = None if folder is None else load_checkpoint(folder, self._key)
        if found is not None:
            self.history, self.kept, self.dynamics = found.history, found.kept, list(found.dynamics)
            self.optimizer = found.optimizer
            training.network.load_state_dict(found.network)
        self.give_up_if_hopeless()

    def trains(self, epoch: int) -> bool:
        """Whether it takes part in an epoch; one that another process took further comes later."""
        stop = self.training.settings.early_stop
        goes_on = self.error is None and len(self.history) == epoch - 1
        return goes_on and not (stop and has_stopped(self.history, stop))

    def rate(self, epoch: int) -> float:
        settings = self.training.settings
        return learning_rate(settings.schedule, settings.optimizer.lr, epoch, settings.epochs)

    def give_up_if_hopeless(self, fetch: Callable[[], None] | None = None) -> None:
        """Raises Stopped if it is; its checkpoint is written then.

        Args:
            fetch: Brings its network to the CPU first.
        """
        hopeless = self.training.oversight.hopeless
        why = hopeless(self.history) if hopeless is not None and self.history else ""
        if why:
            if fetch is not None:
                fetch()
            self.write_checkpoint()
            raise Stopped(why, {"history": self.history})

    def write_checkpoint(self) -> None:
        """As the network and the optimizer's state are now on the CPU."""
        folder = self.training.oversight.folder
        if folder is not None:
            state = (cpu_state(self.training.network), self.optimizer)
            checkpoint = Checkpoint(self.history, *state, {}, self.kept, self.dynamics)
            save_checkpoint(folder, self._key, checkpoint)

    @property
    def result(self) -> FitResult:
        """What it gives, once it has predicted."""
        followed = self.training.rows.followed
        return FitResult(
            history=pd.DataFrame(self.history).astype({"epoch": "int64"}),
            logits={role: np.stack(logits) for role, logits in self.logits.items()},
            epochs=[epoch for epoch, _ in self.kept],
            weights=[state for _, state in self.kept],
            dynamics=None if followed is None else np.stack(self.dynamics),
        )


class _Running:
    """The courses that are on the device now, their networks stacked."""

    def __init__(self, courses: list[_Course], device: torch.device):
        self.courses, self._device = courses, device
        self._classes = courses[0].training.rows.classes
        self.networks = StackedNetworks([each.training.network for each in courses], device)
        settings = [each.training.settings for each in courses]
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


def _train(courses: list[_Course], device: torch.device) -> None:
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
            check_loss(loss, epoch, lr)
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


def _predict(courses: list[_Course], device: torch.device) -> None:
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
