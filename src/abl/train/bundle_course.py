"""One training of a bundle: what is known of it while the program runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import nn

from abl.errors import InputError, StageError, Stopped
from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.batches import balanced_rows, batch_slices, class_weights
from abl.train.bundle_steps import StepSource
from abl.train.checkpoint import Checkpoint, State, cpu_state, load_checkpoint, save_checkpoint
from abl.train.course import Row, has_stopped
from abl.train.epoch import learning_rate
from abl.train.feed import Feed
from abl.train.fit import FitResult, Oversight, TrainingRows, check_validation, checkpoint_key


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


class BundleCourse:
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
