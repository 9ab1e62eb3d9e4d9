"""The segmentation branch: a U-Net (Ronneberger et al. 2015) with a timm network as its encoder."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from abl.errors import InputError
from abl.spec.attention import Segmentation


def build_segmenter(settings: Segmentation, channels: int) -> nn.Module:
    """A network (B, channels, S, S) -> logits (B, 1, S, S) of belonging to the nodule.

    S is a multiple of 2 to the power of the encoder's depth. From segmentation-models-pytorch.

    Raises:
        InputError: The encoder is not known, or has fewer stages.
    """
    import segmentation_models_pytorch as smp
    import timm

    if settings.encoder not in timm.list_models(settings.encoder):
        raise InputError(
            f"segmentation.encoder: '{settings.encoder}' is no network of timm: resnet18, "
            "resnet10t, mobilenetv3_small_050, ..."
        )
    stages = [settings.width * 2**at for at in reversed(range(settings.depth))]
    try:
        network = smp.Unet(
            f"tu-{settings.encoder}",
            encoder_depth=settings.depth,
            encoder_weights=None if settings.weights == "none" else "imagenet",
            decoder_channels=stages,
            in_channels=channels,
            classes=1,
        )
    except (ValueError, RuntimeError, KeyError, AttributeError, IndexError) as error:
        raise InputError(
            f"segmentation.encoder: {settings.encoder} cannot be the encoder of a U-Net of depth "
            f"{settings.depth} ({str(error).splitlines()[0]})"
        ) from error
    return Segmenter(network)


class Segmenter(nn.Module):
    """A U-Net that may be fed images together with the masks that its loss reads."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet

    def forward(self, images: Tensor, masks: Tensor | None = None) -> Tensor:
        """(B, C, S, S) -> logits (B, 1, S, S)."""
        logits: Tensor = self.unet(images)
        return logits


@cache
def check_segmenter(settings: Segmentation, channels: int) -> None:
    """Raises InputError as `build_segmenter`, on shapes alone."""
    with torch.device("meta"):
        build_segmenter(settings, channels)


@cache
def segmenter_flops(settings: Segmentation, channels: int, image_size: int) -> int:
    """FLOPs of a forward pass of the branch on one image, found on shapes alone."""
    from torch.utils.flop_counter import FlopCounterMode

    asked = settings.model_copy(update={"weights": "none"})
    with torch.device("meta"):
        network = build_segmenter(asked, channels).eval()
        image = torch.empty(1, channels, image_size, image_size)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(image)
    return counter.get_total_flops()


def size_problem(settings: Segmentation, image_size: int) -> str | None:
    """What is wrong with the size of the images, or None."""
    step = 2**settings.depth
    if image_size % step == 0:
        return None
    near = max(round(image_size / step), 1) * step
    return (
        f"image.size: {image_size} is no multiple of {step}, which a segmentation branch of depth "
        f"{settings.depth} needs: use {near}"
    )


def overlap(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Dice and intersection over union of each image, float32 (B,).

    Args:
        logits: (B, 1, S, S); above 0 is nodule.
        masks: (B, 1, S, S) in [0, 1]; above a half is nodule. Two empty ones agree (1).
    """
    found, true = (logits > 0).flatten(1), (masks > 0.5).flatten(1)
    both = (found & true).sum(1).float()
    sizes = found.sum(1).float() + true.sum(1).float()
    either = sizes - both
    one = torch.ones_like(both)
    dice = torch.where(sizes > 0, 2 * both / sizes.clamp(min=1), one)
    return dice, torch.where(either > 0, both / either.clamp(min=1), one)
