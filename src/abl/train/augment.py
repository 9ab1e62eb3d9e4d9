"""Random changes of training images, on whole batches, from numbers drawn beforehand."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from abl.spec.train import Augment
from abl.train.process import Stream, derived_seed

_FLIP, _ANGLE, _SIDE, _X, _Y, _GAIN = range(6)


def augmentation_draws(count: int, seed: int, epoch: int) -> Tensor:
    """Uniform numbers in [0, 1), float32 (count, 6) on the CPU: one row for each image shown.

    Drawn for a whole epoch at once, so that an image's change depends neither on the batch it is
    in nor on the device.
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, Stream.AUGMENT, epoch))
    return torch.rand(count, 6, generator=generator)


def fixed_draws(views: int, images: int) -> Tensor:
    """Numbers of K fixed views of N images, float32 (K, N, 6); the same for every training.

    Those of view 0, the image itself, are -1; so is the whole if no views are fixed.
    """
    kept = [torch.full((images, 6), -1.0)]
    for view in range(1, views):
        generator = torch.Generator().manual_seed(derived_seed(Stream.VIEWS, view))
        kept.append(torch.rand(images, 6, generator=generator))
    return torch.stack(kept)


def view_choices(count: int, views: int, seed: int, epoch: int) -> np.ndarray:
    """Which fixed view of each image an epoch shows: int64 (count,) in [0, views)."""
    if views == 1:
        return np.zeros(count, np.int64)
    generator = torch.Generator().manual_seed(derived_seed(seed, Stream.CHOOSE_VIEW, epoch))
    return torch.randint(views, (count,), generator=generator).numpy()


def augmented(images: Tensor, draws: Tensor, settings: Augment) -> Tensor:
    """Flipped, rotated about the centre, cut to a random square window, made brighter or darker.

    Args:
        images: Float (B, C, H, W) with values in [0, 1]; what lies outside an image is 0.
        draws: (B, 6), rows of augmentation_draws, on the device of the images.
    """
    if settings.flip:
        images = torch.where(_each(draws[:, _FLIP] < 0.5), images.flip(-1), images)
    if settings.rotate_deg > 0 or settings.crop < 1:
        height, width = images.shape[-2:]
        grid = _sampling_grid(draws, settings, height, width)
        images = functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    if settings.gain > 0:
        images = (images * _each(1 + settings.gain * (2 * draws[:, _GAIN] - 1))).clamp(0, 1)
    return images


def _sampling_grid(draws: Tensor, settings: Augment, height: int, width: int) -> Tensor:
    """Where each output pixel is read: (B, H, W, 2), x and y in [-1, 1]."""
    angle = math.radians(settings.rotate_deg) * (2 * draws[:, _ANGLE] - 1)
    side = 1 - (1 - settings.crop) * draws[:, _SIDE]
    centre_x = (1 - side) * (2 * draws[:, _X] - 1)
    centre_y = (1 - side) * (2 * draws[:, _Y] - 1)
    along_x, along_y = (
        (2 * torch.arange(size, device=draws.device) + 1) / size - 1 for size in (width, height)
    )
    x = side[:, None, None] * along_x[None, None, :] + centre_x[:, None, None]
    y = side[:, None, None] * along_y[None, :, None] + centre_y[:, None, None]
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    if height == width:
        return torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=-1)
    # angles are those of the picture, whose sides are not alike
    wide = width / height
    return torch.stack([cosine * x - sine * y / wide, sine * x * wide + cosine * y], dim=-1)


def _each(values: Tensor) -> Tensor:
    return values[:, None, None, None]
