"""Epochs and predictions of trainings whose networks are stacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from abl.spec.train import Train
from abl.train.batches import batch_slices, epoch_rows, prefetched
from abl.train.bundle_feed import Fed, plain_steps, shuffled_steps
from abl.train.epoch import at_least_single
from abl.train.feed import Feed
from abl.train.precision import autocast, last_layers_in_fp32
from abl.train.predictions import BATCH_SIZE
from abl.train.process import Stream, derived_seed, determinism_told
from abl.train.stacked import StackedNetworks, StackedOptimizer


@dataclass(frozen=True, eq=False)
class StepSource:
    """What the steps of one training of a bundle are made of.

    Attributes:
        feed, settings, seed: As of `fit`.
        positions, labels: int64 (n,), to train on.
        rows: Which of them are used, from `balanced_rows`.
        class_weights: float32 (classes,) of the loss, or None.
    """

    feed: Feed
    settings: Train
    seed: int
    positions: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    class_weights: Tensor | None

    def order(self, epoch: int) -> np.ndarray:
        """Rows of an epoch as they are shown."""
        return epoch_rows(self.rows, self.labels, self.settings.balance, self.seed, epoch)


@dataclass(frozen=True, eq=False)
class _Alike:
    """Those trainings of a step whose batches are of one shape.

    Attributes:
        members: Their places.
        inputs: (m, B, ...) each.
        labels: int64 (m, B); of predictions none.
        chosen: Of each, the places of its images.
    """

    members: list[int]
    inputs: tuple[Tensor, ...]
    labels: Tensor | None
    chosen: list[np.ndarray]


class BundleRunner:
    """Trains stacked networks by one epoch at a time.

    Args:
        sources: Of each network; batch size, precision and micro-batch are one for all.
    """

    def __init__(
        self,
        networks: StackedNetworks,
        optimizer: StackedOptimizer,
        sources: Sequence[StepSource],
        classes: int,
        device: torch.device,
    ):
        self.networks, self.optimizer, self.sources = networks, optimizer, sources
        self.classes, self.device, self.settings = classes, device, sources[0].settings
        self._weights: Tensor | None = None
        if any(each.class_weights is not None for each in sources):
            ones = torch.ones(classes)
            weights = [ones if s.class_weights is None else s.class_weights for s in sources]
            self._weights = torch.stack(weights).to(device)
        self._places: dict[tuple[int, ...], Tensor] = {}
        self._generators = [torch.Generator(device) for _ in sources]
        self.first = torch.zeros(len(sources), dtype=torch.float64)

    def run(self, epoch: int, rates: Sequence[float]) -> list[tuple[float, float]]:
        """Of each training the mean loss and the accuracy over the images shown; `first` has the
        sums of the losses after the first step.

        Raises:
            StageError: An operation without deterministic form on the device.
        """
        self.networks.train(True)
        for source, generator in zip(self.sources, self._generators, strict=True):
            generator.manual_seed(derived_seed(source.seed, Stream.NETWORK, epoch))
        orders = [source.order(epoch) for source in self.sources]
        count = len(self.sources)
        loss = torch.zeros(count, dtype=torch.float64, device=self.device)
        correct = torch.zeros(count, dtype=torch.float64, device=self.device)
        steps = prefetched(self._steps(orders, epoch), enabled=self.device.type == "cuda")
        settings = self.settings
        whole = last_layers_in_fp32(self.networks.template, self.classes, settings.precision)
        with determinism_told(settings.deterministic), whole:
            for at, step in enumerate(steps):
                for alike in step:
                    self._gradients(alike, loss, correct)
                self.first = self.first if at else loss.clone()
                self.optimizer.step(rates)
        shown = np.array([len(order) for order in orders])
        losses, rights = loss.cpu().numpy() / shown, correct.cpu().numpy() / shown
        return list(zip(losses.tolist(), rights.tolist(), strict=True))

    def _steps(self, orders: Sequence[np.ndarray], epoch: int) -> Iterator[list[_Alike]]:
        positions = [s.positions[rows] for s, rows in zip(self.sources, orders, strict=True)]
        feeds = [source.feed for source in self.sources]
        for step in shuffled_steps(feeds, positions, epoch, self.settings.batch_size):
            labels = [
                source.labels[rows[fed.chosen]]
                for source, rows, fed in zip(self.sources, orders, step, strict=True)
            ]
            yield _alike(step, labels, self.device)

    def _gradients(self, alike: _Alike, loss: Tensor, correct: Tensor) -> None:
        """Adds to the gradients, to the sum of losses of images, and to how many are right."""
        places = self._place(alike.members)
        at = slice(None) if places is None else places
        self.networks.draws.present = [self._generators[each] for each in alike.members]
        labels = alike.labels
        assert labels is not None
        size = labels.shape[1]
        weighed = None if self._weights is None else self._weights[at].gather(1, labels)
        total = size if weighed is None else weighed.sum(1)
        for part in batch_slices(size, self.settings.micro_batch or size):
            with autocast(self.settings.precision, self.device):
                inputs = [each[:, part] for each in alike.inputs]
                logits = self.networks.outputs(inputs, places)
            target = labels[:, part]
            losses = functional.cross_entropy(
                at_least_single(logits).flatten(0, 1), target.flatten(), reduction="none"
            ).view(target.shape)
            if weighed is not None:
                losses = losses * weighed[:, part]
            shares = losses.sum(1) / total
            shares.sum().backward()  # no network's loss depends on another's weights
            loss[at] += shares.detach().double() * size
            correct[at] += (logits.detach().argmax(-1) == target).sum(1)

    def _place(self, members: list[int]) -> Tensor | None:
        if len(members) == len(self.sources):
            return None
        key = tuple(members)
        if key not in self._places:
            self._places[key] = torch.tensor(members, device=self.device)
        return self._places[key]


def predict_stacked(
    networks: StackedNetworks,
    feeds: Sequence[Feed],
    positions: Sequence[np.ndarray],
    settings: Train,
    classes: int,
    device: torch.device,
) -> list[np.ndarray]:
    """Of each network float32 (n, classes) for its n positions: see `predict_logits`."""
    found = [np.zeros((len(each), classes), np.float32) for each in positions]
    stored: list[tuple[_Alike, Tensor]] = []
    networks.train(False)
    whole = last_layers_in_fp32(networks.template, classes, settings.precision)
    with torch.inference_mode(), whole:
        steps = plain_steps(feeds, positions, BATCH_SIZE)
        for step in prefetched(steps, enabled=device.type == "cuda"):
            for alike in _alike(step, None, device):
                places = None
                if len(alike.members) < len(feeds):
                    places = torch.tensor(alike.members, device=device)
                with autocast(settings.precision, device):
                    logits = networks.outputs(alike.inputs, places)
                if settings.precision != "fp32" and logits.dtype != torch.float32:
                    logits = networks.outputs(alike.inputs, places)
                stored.append((alike, logits.float()))
    for alike, logits in stored:
        for member, chosen, own in zip(
            alike.members, alike.chosen, logits.cpu().numpy(), strict=True
        ):
            found[member][chosen] = own[: len(chosen)]
    return found


def _alike(
    step: Sequence[Fed | None], labels: Sequence[np.ndarray] | None, device: torch.device
) -> list[_Alike]:
    """The trainings of a step by the shape of their batches; without those that have none."""
    by_shape: dict[tuple[torch.Size, ...], list[int]] = {}
    for place, fed in enumerate(step):
        if fed is not None:
            by_shape.setdefault(tuple(each.shape for each in fed.inputs), []).append(place)
    parts = []
    for members in by_shape.values():
        batches = [each for place in members if (each := step[place]) is not None]
        every = zip(*(each.inputs for each in batches), strict=True)
        inputs = tuple(torch.stack(each) for each in every)
        own = None
        if labels is not None:
            own = torch.from_numpy(np.stack([labels[place] for place in members])).to(device)
        parts.append(_Alike(members, inputs, own, [each.chosen for each in batches]))
    return parts
