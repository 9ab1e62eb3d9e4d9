"""Attention guided by masks, and where they come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from abl.registry import Registry
from abl.spec.base import Part, identity_of

# defined in nets/attention_variants.py; whether one needs a mask decides what a sweep reads
VARIANTS: Registry[Any] = Registry("variant", declared="abl.nets")


class Segmentation(Part):
    """The branch that predicts the mask: trained alone first, then together with the classifier.

    What the block does not name (optimizer, batch size, augmentation, ...) is as in `train`.
    """

    encoder: str = Field("resnet18", description="Encoder of the U-Net: a timm network.")
    depth: Annotated[int, Field(ge=3, le=5)] = Field(
        5, description="Stages of the encoder; image.size must be a multiple of 2 to this power."
    )
    width: Annotated[int, Field(ge=1, le=256)] = Field(
        16, description="Channels of the decoder's last stage; each one before has twice as many."
    )
    weights: Literal["none", "imagenet"] = Field(
        "none", description="What the encoder starts from: none, or timm's hub."
    )
    targets: Literal["mixed", "true", "ellipse"] = Field(
        "mixed",
        description="What it learns from: true masks, ellipses inscribed in boxes, or (mixed) the "
        "true mask where there is one and the ellipse otherwise.",
    )
    loss: Literal["bce_dice", "bce", "dice"] = Field(
        "bce_dice", description="Binary cross-entropy, soft Dice, or their sum."
    )
    epochs: Annotated[int, Field(ge=1, le=10000)] = Field(
        60, description="Epochs alone; train.epochs are those of both together."
    )
    lr: Annotated[float, Field(gt=0)] = Field(1e-4, description="Learning rate alone.")


MASKS = ("predicted", "true", "ellipse", "full", "random")


def looks_at_mask(variant: str) -> bool:
    """Whether a variant needs a mask, by what it says of itself; one that is not known does."""
    known = VARIANTS.entry(variant)
    return variant != "none" and (known is None or bool(known.facts.get("mask", True)))


class Attention(Part):
    """Attention modules in the classifier (study mask_guided)."""

    variant: str = Field(
        "none",
        description="none; channel, spatial, serial or parallel attention guided by a mask; or, "
        "without one, se (squeeze and excitation) or cbam.",
    )
    points: str = Field(
        "all",
        description="Where modules stand: all (the last point of every resolution, L0 is the "
        "stem's), L2, L0+L3, -L2 (all but L2), or blocks (behind every block).",
    )
    reduction: Annotated[int, Field(ge=1, le=256)] = Field(
        16, description="Channels of a layer over those between its two linear layers."
    )
    mask: str = Field(
        "predicted",
        json_schema_extra={"enum": list(MASKS)},
        description="predicted by the segmentation branch; controls: the true mask, the ellipse in "
        "its box, ones everywhere, the ellipse of a box of that size put elsewhere at random.",
    )
    jitter: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="How inexactly boxes are drawn: before its ellipse is, each side of a box is "
        "moved by up to this share of the box, at random by the image's name, alike in every epoch "
        "and arm.",
    )
    detach: bool = Field(
        False, description="Whether the classification loss stops in front of the predicted mask."
    )
    alpha: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.5, description="Weight of the segmentation loss while both are trained."
    )
    segmentation: Segmentation = Field(Segmentation())

    @property
    def is_guided(self) -> bool:
        """Whether its modules look at a mask."""
        return looks_at_mask(self.variant)

    @property
    def is_predicted(self) -> bool:
        """Whether a segmentation branch stands beside the classifier."""
        return self.is_guided and self.mask == "predicted"

    @property
    def masks(self) -> str | None:
        """What masks a training reads of its data (mixed, true, ellipse, random); None for none."""
        if self.is_predicted:
            return self.segmentation.targets
        return self.mask if self.is_guided and self.mask != "full" else None

    def relevant(self) -> dict[str, Any]:
        """Identity: what decides a result, without settings that this variant does not have."""
        if self.variant == "none":
            return {}
        identity = identity_of(self)
        drop = {"detach", "alpha", "segmentation"} if not self.is_predicted else set()
        drop |= {"mask"} if not self.is_guided else set()
        drop |= {"jitter"} if self.masks not in ("mixed", "ellipse") else set()
        return {name: value for name, value in identity.items() if name not in drop}
