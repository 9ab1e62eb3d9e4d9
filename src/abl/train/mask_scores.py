"""How well predicted masks agree with true ones, image by image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from abl.nets.mask_guided import overlap
from abl.train.feed import Feed
from abl.train.predict import BATCH_SIZE, Precision, autocast
from abl.train.predictions import ROLES


def mask_scores(
    network: nn.Module,
    feed: Feed,
    roles: Mapping[str, np.ndarray],
    images: np.ndarray,
    *,
    precision: Precision = "fp32",
) -> pd.DataFrame:
    """Dice and intersection over union of each image of each role that has a true mask.

    Args:
        network: Gives mask logits (B, 1, S, S), alone or as the second of two.
        feed: Of images and true masks (MaskFeed with source true).
        roles: Role -> positions, int64.
        images: (N,) names.

    Returns:
        image (str), role (str), dice, iou (float64), area (share of pixels found, float64).
    """
    rows = []
    place = next(network.parameters()).device
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            for role in (role for role in ROLES if role in roles):
                positions = roles[role]
                for chosen, (given, masks) in feed.plain(positions, BATCH_SIZE):
                    with autocast(precision, place):
                        output = network(given)
                    logits: Tensor = output[1] if isinstance(output, tuple) else output
                    dice, iou = overlap(logits.float(), masks)
                    area = (logits > 0).flatten(1).double().mean(1)
                    values = torch.stack([dice.double(), iou.double(), area], 1).cpu().numpy()
                    known = (masks >= 0).flatten(1).all(1).cpu().numpy()
                    rows += [
                        (str(images[positions[at]]), role, *values[row])
                        for row, at in enumerate(chosen)
                        if known[row]
                    ]
    finally:
        network.train(was_training)
    return pd.DataFrame(rows, columns=["image", "role", "dice", "iou", "area"])
