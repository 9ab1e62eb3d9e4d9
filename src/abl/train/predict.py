"""Logits of a trained network."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from abl.errors import StageError
from abl.train.batches import prefetched

if TYPE_CHECKING:
    from abl.train.feed import Feed

Precision = Literal["fp32", "bf16", "fp16"]

# Kernels are chosen by batch shape and differ in the last bits, so every forward pass has this one.
# What is left is an image's place in its batch, which moves the last bit of some linear layers.
BATCH_SIZE = 32


def predict_logits(
    network: nn.Module,
    feed: Feed,
    positions: np.ndarray,
    *,
    precision: Precision = "fp32",
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """float32 (n, classes) for n positions of what is fed.

    In evaluation mode; the network is left in the mode it was in. The last batch is filled up with
    copies of its last image, so that every batch has one shape: the same positions give the same
    bits in any process, and an image elsewhere in a list differs by rounding alone (1e-7).
    """
    place = next(network.parameters()).device
    forward = feed.forward(network)
    was_training = network.training
    network.eval()
    logits, order = [], []
    try:
        with torch.inference_mode():
            batches = feed.plain(positions, batch_size)
            for chosen, inputs in prefetched(batches, enabled=place.type == "cuda"):
                with autocast(precision, place):
                    output = forward(*inputs)
                given: Tensor = output[0] if isinstance(output, tuple) else output
                logits.append(given[: len(chosen)].float())
                order.append(chosen)
    finally:
        network.train(was_training)
    if not logits:
        return np.zeros((0, 0), np.float32)
    every = torch.cat(logits).cpu().numpy()
    found = np.empty_like(every)
    found[np.concatenate(order)] = every
    return found


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """The forward pass in a shorter type. Raises StageError for fp16 without a GPU."""
    if precision == "fp32":
        return nullcontext()
    if precision == "fp16" and device.type != "cuda":
        raise StageError("train.precision: fp16 needs a GPU (on a CPU: fp32 or bf16)")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype)
