"""What a step makes smaller: a loss from what the network gives and what is known of the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

Output = Tensor | tuple[Tensor, Tensor]
MaskLoss = Literal["bce_dice", "bce", "dice"]


class Objective(Protocol):
    """The loss of a training."""

    def __call__(
        self,
        output: Output,
        inputs: tuple[Tensor, ...],
        labels: Tensor,
        whole: Tensor,
        weights: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """A part's share of its batch's mean loss, and how much of the part is right.

        Shares of the parts of a batch add up to its loss, and their gradients to its gradient.

        Args:
            output: Of the network, for the images of the part.
            inputs: What it was given.
            labels: int64 (B,) of the part.
            whole: int64 (n,) of the whole batch.
            weights: float32 (classes,), or None.

        Returns:
            Scalars; the second is a number of images (or a sum over them of a score in [0, 1]).
        """


def classification(
    output: Output,
    inputs: tuple[Tensor, ...],
    labels: Tensor,
    whole: Tensor,
    weights: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy, and the number of images classified correctly. An Objective."""
    logits = output[0] if isinstance(output, tuple) else output
    total = weights[whole].sum() if weights is not None else whole.new_tensor(len(whole))
    share = functional.cross_entropy(logits.float(), labels, weight=weights, reduction="sum")
    return share / total, (logits.detach().argmax(1) == labels).sum()


@dataclass(frozen=True)
class Segmentation:
    """The loss of masks alone; right is the mean soft Dice. An Objective.

    Images without a mask have no loss. Inputs are images and masks (B, 1, S, S), -1 where unknown.
    """

    loss: MaskLoss

    def __call__(
        self,
        output: Output,
        inputs: tuple[Tensor, ...],
        labels: Tensor,
        whole: Tensor,
        weights: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        logits = output[1] if isinstance(output, tuple) else output
        losses, scores = mask_losses(logits.float(), inputs[1], self.loss)
        return losses.sum() / len(whole), scores.detach().sum()


@dataclass(frozen=True)
class Joint:
    """Cross-entropy + alpha x segmentation loss (Liu et al. 2026). An Objective."""

    loss: MaskLoss
    alpha: float

    def __call__(
        self,
        output: Output,
        inputs: tuple[Tensor, ...],
        labels: Tensor,
        whole: Tensor,
        weights: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        share, right = classification(output, inputs, labels, whole, weights)
        of_masks, _ = Segmentation(self.loss)(output, inputs, labels, whole, weights)
        return share + self.alpha * of_masks, right


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
