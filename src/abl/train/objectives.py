"""What a step makes smaller: a loss from what the network gives and what is known of the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

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


# A part's share of its batch's mean loss, and how much of the part is right: a number of images (or
# a sum over them of a score in [0, 1]). Shares of the parts of a batch add up to its loss, and
# their gradients to its gradient.
Objective = Callable[[StepPart], tuple[Tensor, Tensor]]


def classification(part: StepPart) -> tuple[Tensor, Tensor]:
    """Cross-entropy, and the number of images classified correctly. An Objective."""
    logits = part.output[0] if isinstance(part.output, tuple) else part.output
    whole, weights = part.whole, part.weights
    total = weights[whole].sum() if weights is not None else whole.new_tensor(len(whole))
    share = functional.cross_entropy(logits.float(), part.labels, weight=weights, reduction="sum")
    return share / total, (logits.detach().argmax(1) == part.labels).sum()


@dataclass(frozen=True)
class SegmentationLoss:
    """The loss of masks alone; right is the mean soft Dice. An Objective.

    Images without a mask have no loss. Inputs are images and masks (B, 1, S, S), -1 where unknown.
    """

    loss: MaskLoss

    def __call__(self, part: StepPart) -> tuple[Tensor, Tensor]:
        logits = part.output[1] if isinstance(part.output, tuple) else part.output
        losses, scores = mask_losses(logits.float(), part.inputs[1], self.loss)
        return losses.sum() / len(part.whole), scores.detach().sum()


@dataclass(frozen=True)
class Joint:
    """Cross-entropy + alpha x segmentation loss (Liu et al. 2026). An Objective."""

    loss: MaskLoss
    alpha: float

    def __call__(self, part: StepPart) -> tuple[Tensor, Tensor]:
        share, right = classification(part)
        return share + self.alpha * SegmentationLoss(self.loss)(part)[0], right


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
