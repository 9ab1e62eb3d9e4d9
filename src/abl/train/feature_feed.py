"""Feeds of features: those of a frozen front, computed on the way or read from a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from abl.errors import StageError
from abl.nets.cut import Cut
from abl.spec.train import Train
from abl.train.batches import batch_slices, first_shown, view_choices
from abl.train.feed import PixelFeed, Shown, Tensors, filled
from abl.train.precision import autocast
from abl.train.predictions import BATCH_SIZE


def _shown(features: Tensors) -> Shown:
    """A batch of features, float32 (B, ...) of each branch."""
    return lambda part: tuple(each[part] for each in features)


class FrontFeed:
    """Features computed by the frozen part of a network whenever they are needed.

    Images have fixed views. The frozen part always runs on batches of one shape, as it does when
    its features are kept, so that both give the same bits.
    """

    def __init__(self, pixels: PixelFeed, cut: Cut):
        self._pixels, self._cut = pixels, cut

    def forward(self, network: nn.Module) -> nn.Module:
        """What lies behind the frozen part."""
        return self._cut.behind

    def epoch(
        self, positions: np.ndarray, epoch: int, size: int
    ) -> Iterator[tuple[np.ndarray, Shown]]:
        """See Feed."""
        changes = self._pixels.changes(positions, epoch)
        blocks = self._blocks(positions, changes)
        held: list[Tensors] = []
        for part in batch_slices(len(positions), size):
            wanted = part.stop - part.start
            while sum(len(block[0]) for block in held) < wanted:
                held.append(next(blocks))
            joined = tuple(torch.cat(each) for each in zip(*held, strict=True))
            held = [tuple(each[wanted:] for each in joined)]
            yield np.arange(part.start, part.stop), _shown(tuple(e[:wanted] for e in joined))

    def _blocks(self, positions: np.ndarray, changes: Sequence[Tensor]) -> Iterator[Tensors]:
        for start in range(0, len(positions), BATCH_SIZE):
            chosen = np.arange(start, min(start + BATCH_SIZE, len(positions)))
            rows = filled(chosen, BATCH_SIZE)
            shown = self._pixels.shown(positions[rows], [each[rows] for each in changes])
            (images,) = shown(slice(None))
            yield tuple(each[: len(chosen)] for each in self._features(images))

    def plain(self, positions: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, Tensors]]:
        """See Feed."""
        for chosen, (images,) in self._pixels.plain(positions, size):
            yield chosen, self._features(images)

    def _features(self, images: Tensor) -> Tensors:
        parts = images.chunk(self._pixels.modalities, 1)
        settings = self._pixels.settings
        return tuple(
            front_features(front, part, settings)
            for front, part in zip(self._cut.fronts, parts, strict=True)
        )


class KeptFeed:
    """Features read from where they are kept.

    Args:
        kept: One (K, N, ...) array a branch, K fixed views of N images; the first view is the image
            itself.
        places: One int64 (rows,) a branch: image of each row of the data set.
        copies_alone: Whether the first of each image that an epoch shows is the image itself.
    """

    def __init__(
        self,
        kept: Sequence[np.ndarray],
        places: Sequence[np.ndarray],
        behind: nn.Module,
        *,
        seed: int,
        device: torch.device,
        channels_last: bool = False,
        copies_alone: bool = False,
    ):
        self._channels_last, self._copies_alone = channels_last, copies_alone
        self._kept, self._places, self._behind = kept, places, behind
        self._seed, self._device = seed, device
        self._views = len(kept[0])

    def forward(self, network: nn.Module) -> nn.Module:
        """What lies behind the frozen part."""
        return self._behind

    def epoch(
        self, positions: np.ndarray, epoch: int, size: int
    ) -> Iterator[tuple[np.ndarray, Shown]]:
        """See Feed."""
        views = view_choices(len(positions), self._views, self._seed, epoch)
        if self._copies_alone:
            views[first_shown(positions)] = 0
        for part in batch_slices(len(positions), size):
            features = self._read(positions[part], views[part])
            yield np.arange(part.start, part.stop), _shown(features)

    def plain(self, positions: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, Tensors]]:
        """See Feed."""
        for start in range(0, len(positions), size):
            chosen = np.arange(start, min(start + size, len(positions)))
            rows = positions[filled(chosen, size)]
            yield chosen, self._read(rows, np.zeros(len(rows), np.int64))

    def _read(self, positions: np.ndarray, views: np.ndarray) -> Tensors:
        taken = [
            kept[views, places[positions]]
            for kept, places in zip(self._kept, self._places, strict=True)
        ]
        made = (torch.from_numpy(each).to(self._device).float() for each in taken)
        return tuple(_formatted(each, self._channels_last) for each in made)


def front_features(front: nn.Module, images: Tensor, settings: Train) -> Tensor:
    """float32 features of a batch, rounded to the precision in which they are kept."""
    images = _formatted(images, settings.is_channels_last)
    with torch.no_grad(), autocast(settings.precision, images.device):
        features: Tensor = front(images)
    features = _formatted(features.float(), settings.is_channels_last)
    return features.half().float() if settings.frozen_precision == "fp16" else features


def _formatted(given: Tensor, channels_last: bool) -> Tensor:
    """In one order in memory wherever it comes from: kernels, and so bits, are chosen by it."""
    if channels_last and given.ndim == 4:
        # by way of the other order: one channel is the same bytes in both, but has other strides
        return given.contiguous().contiguous(memory_format=torch.channels_last)
    return given


def write_features(path: Path, front: nn.Module, feed: PixelFeed, settings: Train) -> np.ndarray:
    """Writes features as .npy, (K, N, ...) in the precision in which they are kept.

    Args:
        front: (B, C, S, S) -> features, in evaluation mode, on the feed's device.
        feed: Of one modality, with fixed views.

    Returns:
        The file, memory-mapped, read-only.

    Raises:
        StageError: Features that are not finite.
        OSError: No room on the disk.
    """
    if settings.is_channels_last:
        front.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images, views = np.arange(feed.images), max(feed.views, 1)
    kept: np.ndarray | None = None
    for view in range(views):
        for start in range(0, len(images), BATCH_SIZE):
            chosen = images[start : start + BATCH_SIZE]
            rows = filled(chosen, BATCH_SIZE)
            shown = feed.shown(rows, feed.fixed_changes(rows, np.full(len(rows), view)))
            (inputs,) = shown(slice(None))
            features = front_features(front, inputs, settings)[: len(chosen)].cpu()
            if not torch.isfinite(features).all():
                raise StageError("features of the frozen part are not finite")
            if kept is None:
                dtype = np.float16 if settings.frozen_precision == "fp16" else np.float32
                kept = mapped_room(path, (views, len(images), *features.shape[1:]), dtype)
            kept[view, chosen] = features.numpy()
    if kept is None:
        raise StageError("there are no images to compute features of")
    kept.flush()  # type: ignore[attr-defined]
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def mapped_room(path: Path, shape: tuple[int, ...], dtype: type[np.floating]) -> np.ndarray:
    """A new .npy file of a shape, memory-mapped. Raises OSError if the disk has no room for it."""
    kept = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # a full disk is an OSError here; met on writing to mapped memory it kills the process
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return kept
