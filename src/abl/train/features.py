"""Features of a frozen front, computed once for every image and fixed view."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

from abl.errors import StageError
from abl.spec.train import Train
from abl.train.feature_feed import front_features
from abl.train.feed import PixelFeed, filled
from abl.train.predict import BATCH_SIZE


def write_features(path: Path, front: nn.Module, feed: PixelFeed, settings: Train) -> np.ndarray:
    """Writes features as .npy, (K, N, ...) in the precision in which they are kept.

    Args:
        path: New file.
        front: (B, C, S, S) -> features, in evaluation mode, on the feed's device.
        feed: Of one modality, with fixed views.

    Returns:
        The file, memory-mapped, read-only.

    Raises:
        StageError: Features that are not finite.
        OSError: No room on the disk.
    """
    images, views = np.arange(feed.images), max(feed.views, 1)
    kept: np.ndarray | None = None
    for view in range(views):
        for start in range(0, len(images), BATCH_SIZE):
            chosen = images[start : start + BATCH_SIZE]
            rows = filled(chosen, BATCH_SIZE)
            shown = feed.shown(rows, feed.fixed_changes(rows, np.full(len(rows), view)))
            (inputs,) = shown.inputs(slice(None))
            features = front_features(front, inputs, settings)[: len(chosen)].cpu()
            if not torch.isfinite(features).all():
                raise StageError("features of the frozen part are not finite")
            if kept is None:
                kept = _room(path, (views, len(images), *features.shape[1:]), settings)
            kept[view, chosen] = features.numpy()
    if kept is None:
        raise StageError("there are no images to compute features of")
    kept.flush()  # type: ignore[attr-defined]
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _room(path: Path, shape: tuple[int, ...], settings: Train) -> np.ndarray:
    dtype = np.float16 if settings.frozen_precision == "fp16" else np.float32
    kept = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # a full disk is an OSError here; met on writing to mapped memory it kills the process
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return kept
