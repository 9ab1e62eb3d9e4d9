"""Logits of a trained network."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from abl.errors import StageError
from abl.spec.data import Image
from abl.train.batches import Normalisation, gathered, prefetched, unit_range

Precision = Literal["fp32", "bf16", "fp16"]

# Kernels are chosen by batch shape and differ in the last bits, so every forward pass has this one.
# What is left is an image's place in its batch, which moves the last bit of some linear layers.
BATCH_SIZE = 32


def predict_logits(
    network: nn.Module,
    pixels: np.ndarray,
    positions: np.ndarray,
    image: Image,
    *,
    precision: Precision = "fp32",
    device: str | torch.device = "cpu",
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """float32 (n, classes) for the n positions of pixels, uint8 (N, C, S, S).

    In evaluation mode; the network is left in the mode it was in. The last batch is filled up with
    copies of its last image, so that every batch has one shape: the same positions give the same
    bits in any process, and an image elsewhere in a list differs by rounding alone (1e-7).
    """
    place = torch.device(device)
    network.to(place)
    normalise = Normalisation(image.normalize, pixels.shape[1], place)
    starts = range(0, len(positions), batch_size)
    batches = (_filled(positions[start : start + batch_size], batch_size) for start in starts)
    was_training = network.training
    network.eval()
    logits = []
    try:
        with torch.inference_mode():
            images = (gathered(pixels, batch, place) for batch in batches)
            for batch in prefetched(images, enabled=place.type == "cuda"):
                with autocast(precision, place):
                    output: Tensor = network(normalise(unit_range(batch)))
                logits.append(output.float())
    finally:
        network.train(was_training)
    if not logits:
        return np.zeros((0, 0), np.float32)
    return torch.cat(logits)[: len(positions)].cpu().numpy()


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """The forward pass in a shorter type. Raises StageError for fp16 without a GPU."""
    if precision == "fp32":
        return nullcontext()
    if precision == "fp16" and device.type != "cuda":
        raise StageError("train.precision: fp16 needs a GPU (on a CPU: fp32 or bf16)")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype)


def _filled(positions: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([positions, np.repeat(positions[-1:], size - len(positions))])
