"""One epoch of a training, and the losses that it may go by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from abl.errors import StageError
from abl.spec.train import Schedule, Train
from abl.train.batches import batch_slices, epoch_rows, prefetched
from abl.train.feed import Feed, Shown
from abl.train.optimizers import make_optimizer
from abl.train.precision import autocast, last_layers_in_fp32
from abl.train.process import determinism_told

MaskLoss = Literal["bce_dice", "bce", "dice"]


@dataclass(frozen=True, eq=False)
class StepPart:
    """A part of the batch of a step.

    Attributes:
        output: What the network gives for its images.
        inputs: What it was given.
        labels: int64 (B,) of the part.
        whole: int64 (n,) of the whole batch.
        weights: float32 (classes,), or None.
    """

    output: Tensor | tuple[Tensor, Tensor]
    inputs: tuple[Tensor, ...]
    labels: Tensor
    whole: Tensor
    weights: Tensor | None


# A part's share of its batch's mean loss; how much of the part is right: a number of images (or a
# sum over them of a score in [0, 1]); and of how many images. Shares of the parts of a batch add up
# to its loss, and their gradients to its gradient.
Objective = Callable[[StepPart], tuple[Tensor, Tensor, int | Tensor]]


def classification(part: StepPart) -> tuple[Tensor, Tensor, int | Tensor]:
    """Cross-entropy, and the number of images classified correctly. An Objective."""
    logits = part.output[0] if isinstance(part.output, tuple) else part.output
    whole, weights = part.whole, part.weights
    total = weights[whole].sum() if weights is not None else whole.new_tensor(len(whole))
    values = at_least_single(logits)
    share = functional.cross_entropy(values, part.labels, weight=weights, reduction="sum")
    right = (logits.detach().argmax(1) == part.labels).sum()
    return share / total, right, len(part.labels)


def at_least_single(logits: Tensor) -> Tensor:
    """In float32 if they come in a shorter type."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


@dataclass(frozen=True)
class SegmentationLoss:
    """The loss of masks alone; right is the soft Dice of images with a nodule. An Objective.

    Images without a mask have no loss. Inputs are images and masks (B, 1, S, S), -1 where unknown.
    """

    loss: MaskLoss

    def __call__(self, part: StepPart) -> tuple[Tensor, Tensor, int | Tensor]:
        logits = part.output[1] if isinstance(part.output, tuple) else part.output
        losses, scores = mask_losses(logits.float(), part.inputs[1], self.loss)
        shows = (part.inputs[1] > 0).flatten(1).any(1)
        return losses.sum() / len(part.whole), (scores.detach() * shows).sum(), shows.sum()


@dataclass(frozen=True)
class Joint:
    """Cross-entropy + alpha x segmentation loss (Liu et al. 2026). An Objective."""

    loss: MaskLoss
    alpha: float

    def __call__(self, part: StepPart) -> tuple[Tensor, Tensor, int | Tensor]:
        share, right, count = classification(part)
        return share + self.alpha * SegmentationLoss(self.loss)(part)[0], right, count


def mask_losses(logits: Tensor, masks: Tensor, loss: MaskLoss) -> tuple[Tensor, Tensor]:
    """Loss and soft Dice of each image, float32 (B,); 0 where its mask is not known.

    Args:
        logits: (B, 1, S, S).
        masks: (B, 1, S, S) in [0, 1], or -1 for the whole image where it is not known.
        loss: bce: mean over the pixels; dice: 1 - soft Dice of the image; or their sum.
    """
    known = (masks >= 0).flatten(1).all(1)
    targets = masks.clamp(min=0)
    found = torch.sigmoid(logits)
    both = (found * targets).flatten(1).sum(1)
    # one pixel more of each: an empty mask found empty is right
    dice = (2 * both + 1) / (found.flatten(1).sum(1) + targets.flatten(1).sum(1) + 1)
    total = torch.zeros_like(dice)
    if loss != "dice":
        cross = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        total = total + cross.flatten(1).mean(1)
    if loss != "bce":
        total = total + (1 - dice)
    return torch.where(known, total, 0.0), torch.where(known, dice, 0.0)


_Batch = tuple[Shown, Tensor]


class EpochRunner:
    """Trains a network by one epoch at a time.

    Args:
        rows: Rows of the training set that are used, repeated where duplicated (balanced_rows).
        class_weights: float32 (classes,) of the loss, or None.
        outputs: Numbers that the network gives for an image; see `last_layers_in_fp32`.
        Others: as in fit.
    """

    def __init__(
        self,
        network: nn.Module,
        feed: Feed,
        positions: np.ndarray,
        labels: np.ndarray,
        *,
        rows: np.ndarray,
        class_weights: Tensor | None,
        settings: Train,
        seed: int,
        device: torch.device,
        outputs: int = 0,
        objective: Objective = classification,
    ):
        self.objective, self.outputs = objective, outputs
        self.network, self.feed, self.positions = network, feed, positions
        self.forward = feed.forward(network)
        self.labels, self.rows, self.settings = np.asarray(labels, np.int64), rows, settings
        self.seed, self.device = seed, device
        self.class_weights = None if class_weights is None else class_weights.to(device)
        self.optimizer = make_optimizer(network, settings.optimizer)
        self.scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")

    def run(self, epoch: int, lr: float) -> tuple[float, float]:
        """Mean loss and accuracy over the images shown, as the weights changed.

        The accuracy (what the objective calls right) is nan if no image counts.

        Raises:
            StageError: loss not finite; an operation without deterministic form on the device.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.network.train()
        loss = torch.zeros((), dtype=torch.float64, device=self.device)
        correct = torch.zeros((), dtype=torch.float64, device=self.device)
        scored = torch.zeros((), dtype=torch.float64, device=self.device)
        count, first = 0, loss
        batches = prefetched(self._batches(epoch), enabled=self.device.type == "cuda")
        whole = last_layers_in_fp32(self.network, self.outputs, self.settings.precision)
        with determinism_told(self.settings.deterministic), whole:
            for batch in batches:
                batch_loss, batch_correct, batch_scored = self._step(batch)
                first = first if count else batch_loss
                size = len(batch[1])
                loss += batch_loss.double() * size
                correct += batch_correct
                scored += batch_scored
                count += size
        mean = float(loss) / count
        check_loss(mean, epoch, lr, first)
        return mean, float(correct / scored)

    def _step(self, batch: _Batch) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the optimizer: the batch's mean loss, and how much of how much is right."""
        shown, labels = batch
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.device)
        correct = torch.zeros((), dtype=torch.float64, device=self.device)
        scored = torch.zeros((), dtype=torch.float64, device=self.device)
        for part in batch_slices(len(labels), self.settings.micro_batch or len(labels)):
            inputs = shown(part)
            with autocast(self.settings.precision, self.device):
                output = self.forward(*inputs)
            share, right, count = self.objective(
                StepPart(output, inputs, labels[part], labels, self.class_weights)
            )
            self.scaler.scale(share).backward()
            loss += share.detach()
            correct += right
            scored += count
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss, correct, scored

    def _batches(self, epoch: int) -> Iterator[_Batch]:
        drawn = 1 if self.settings.shuffle == "once" else epoch  # whose order this epoch has
        rows = epoch_rows(self.rows, self.labels, self.settings.balance, self.seed, drawn)
        size = self.settings.batch_size
        for chosen, shown in self.feed.epoch(self.positions[rows], epoch, size):
            yield shown, torch.from_numpy(self.labels[rows[chosen]]).to(self.device)


def check_loss(mean: float, epoch: int, lr: float, first: Tensor) -> None:
    """Raises StageError if the mean loss of an epoch is not finite.

    Args:
        first: The loss of its first step; looked at only then, as a GPU is waited for.
    """
    if not math.isfinite(mean):
        if epoch == 1 and not math.isfinite(float(first)):
            raise StageError(
                f"the loss is {float(first)} in the first step: what the network gives is not "
                "finite before anything was learned; look at the network, its weights or its images"
            )
        raise StageError(
            f"training diverged in epoch {epoch}: the loss is {mean} (learning rate {lr:g}); "
            "lower train.optimizer.lr"
        )


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
