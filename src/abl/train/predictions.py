"""Per-image predictions of a train stage: predictions.parquet."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from abl.scratch import written_whole
from abl.train.batches import prefetched
from abl.train.precision import Precision, autocast, last_layers_in_fp32

if TYPE_CHECKING:
    from abl.train.feed import Feed


ROLES = ("train", "validation", "test", "external")


def mean_probabilities(logits: np.ndarray) -> np.ndarray:
    """Mean over epochs of the softmax: float32 (k, n, K) -> float64 (n, K), computed in float64."""
    values = np.asarray(logits, np.float64)
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).mean(axis=0)


def predictions_frame(
    images: Mapping[str, Sequence[str]], logits: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """One row an image and role, in the order of ROLES and then as given.

    Args:
        images: Image ids of each role.
        logits: float32 (k, n, K) of each role: last k epochs, n images, K classes.

    Returns:
        image (str), role (categorical), logit_{e}_{c} (float32; e counts the epochs from 0),
        p_{c} (float64, mean over epochs of the softmax).
    """
    unknown = sorted(set(logits) - set(ROLES))
    if unknown or set(images) != set(logits):
        raise ValueError(f"roles {sorted(images)} and {sorted(logits)}; valid: {ROLES}")
    roles = [role for role in ROLES if role in logits]
    for role in roles:
        if len(images[role]) != logits[role].shape[1]:
            raise ValueError(f"{role}: {len(images[role])} ids, logits {logits[role].shape}")
    filled = [role for role in roles if len(images[role])]
    columns: dict[str, object] = {
        "image": pd.array([str(image) for role in roles for image in images[role]], dtype="str"),
        "role": pd.Categorical(
            [role for role in roles for _ in images[role]], categories=list(ROLES)
        ),
    }
    if filled:
        stacked = np.concatenate([logits[role] for role in filled], axis=1).astype(np.float32)
        probabilities = mean_probabilities(stacked)
        epochs, _, classes = stacked.shape
        for epoch, label in itertools.product(range(epochs), range(classes)):
            columns[f"logit_{epoch}_{label}"] = stacked[epoch, :, label]
        columns |= {f"p_{label}": probabilities[:, label] for label in range(classes)}
    return pd.DataFrame(columns)


def write_predictions(path: str | Path, frame: pd.DataFrame) -> None:
    """Writes a predictions_frame as Parquet (zstd), atomically. Same frame, same bytes."""
    target = Path(path)
    codes = pa.array(frame["role"].cat.codes.to_numpy(np.int8))
    arrays = {
        "image": pa.array(frame["image"].tolist(), pa.string()),
        "role": pa.DictionaryArray.from_arrays(codes, pa.array(ROLES, pa.string())),
        **{name: pa.array(frame[name].to_numpy()) for name in frame.columns[2:]},
    }
    with written_whole(target) as part:
        pq.write_table(pa.table(arrays), part, compression="zstd")


# Kernels are chosen by batch shape and differ in the last bits, so every forward pass has this one.
# What is left is an image's place in its batch, which moves the last bit of some linear layers.
BATCH_SIZE = 32


def predict_logits(
    network: nn.Module,
    feed: Feed,
    positions: np.ndarray,
    *,
    precision: Precision = "fp32",
    classes: int = 0,
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """float32 (n, classes) for n positions of what is fed.

    The last layer computes in float32 whatever the others do (`last_layers_in_fp32`); a network
    whose last layer is not known by its width does so as a whole.

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
        with torch.inference_mode(), last_layers_in_fp32(network, classes, precision):
            batches = feed.plain(positions, batch_size)
            for chosen, inputs in prefetched(batches, enabled=place.type == "cuda"):
                with autocast(precision, place):
                    given = _logits(forward(*inputs))
                if given.dtype != torch.float32:
                    given = _logits(forward(*inputs))
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


def _logits(output: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    return output[0] if isinstance(output, tuple) else output
