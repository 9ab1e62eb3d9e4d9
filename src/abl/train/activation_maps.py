"""Class activation maps of the images that a network is fed, and how much lies in the nodule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from abl.nets.grad_cam import grad_cam, with_last_map
from abl.nets.model import Design
from abl.train.feed import Feed
from abl.train.predictions import BATCH_SIZE


@dataclass(frozen=True, eq=False)
class ActivationMaps:
    """Maps of n images.

    Attributes:
        cam: float32 (n, h, w) >= 0, as Grad-CAM gives them.
        classes: int64 (n,): whose maps they are.
        p: float64 (n,) probability of that class.
        masks: uint8 (n, S, S), predicted nodule 255; None without a segmentation branch.
    """

    cam: np.ndarray
    classes: np.ndarray
    p: np.ndarray
    masks: np.ndarray | None

    @property
    def scaled(self) -> np.ndarray:
        """uint8 (n, h, w): each map over its own maximum; one of zeros stays so."""
        most = self.cam.max(axis=(1, 2), keepdims=True)
        return np.rint(255 * self.cam / np.where(most > 0, most, 1)).astype(np.uint8)


def activation_maps(
    network: nn.Module,
    design: Design,
    feed: Feed,
    positions: np.ndarray,
    *,
    predicted: bool = False,
) -> ActivationMaps:
    """Maps of the images at n > 0 positions, in evaluation mode and float32.

    Args:
        network: Trained, as a training of this design has made it; an identity is put into it.
        feed: Of whole images (not of kept features), and of masks if the network is given some.
        predicted: Of the predicted class, of two classes too.

    Raises:
        InputError: The network has no last feature map.
    """
    given = with_last_map(network.eval(), design)
    given.network.eval()
    kept: list[tuple[np.ndarray, ...]] = []
    order, masks = [], []
    for chosen, inputs in feed.plain(positions, BATCH_SIZE):
        cam, classes, p, logits = grad_cam(given, inputs, predicted=predicted)
        rows = len(chosen)
        kept.append(tuple(each[:rows].cpu().numpy() for each in (cam, classes, p)))
        if logits is not None:
            masks.append(((logits[:rows, 0] > 0) * 255).to(torch.uint8).cpu().numpy())
        order.append(chosen)
    back = np.argsort(np.concatenate(order))
    cams, whose, probabilities = (np.concatenate(each)[back] for each in zip(*kept, strict=True))
    return ActivationMaps(
        cams, whose, probabilities, np.concatenate(masks)[back] if masks else None
    )


def share_inside(cam: np.ndarray, nodules: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of each map's sum that lies in the nodule, and the nodule's share of the image.

    Maps are brought to the image's size, bilinear, as they are drawn. A flat map has the second
    number as its share.

    Args:
        cam: float (n, h, w) >= 0.
        nodules: uint8 (n, S, S), nodule above 127.

    Returns:
        float64 (n,) each; the share of a map of zeros is nan.
    """
    side = nodules.shape[-2:]
    inside, area = np.empty(len(cam)), np.empty(len(cam))
    for at, (one, nodule) in enumerate(zip(cam, nodules, strict=True)):
        small = torch.from_numpy(np.asarray(one, np.float64))[None, None]
        large = functional.interpolate(small, size=side, mode="bilinear", align_corners=False)
        values, within = large[0, 0].numpy(), nodule > 127
        total = values.sum()
        inside[at] = values[within].sum() / total if total > 0 else np.nan
        area[at] = within.mean()
    return inside, area
