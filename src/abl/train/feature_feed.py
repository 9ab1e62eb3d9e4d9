"""Feeds of features: those of a frozen front, computed on the way or read from a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from abl.nets.cut import Cut
from abl.spec.train import Train
from abl.train.augment import view_choices
from abl.train.batches import batch_slices
from abl.train.feed import PixelFeed, Shown, Tensors, filled
from abl.train.predict import BATCH_SIZE, autocast


class FeatureBatch:
    """Features of a batch, one tensor a branch."""

    def __init__(self, features: Sequence[Tensor]):
        self._features = features

    def inputs(self, part: slice) -> Tensors:
        """float32 (B, ...) of each branch."""
        return tuple(each[part] for each in self._features)


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
            yield np.arange(part.start, part.stop), FeatureBatch([e[:wanted] for e in joined])

    def _blocks(self, positions: np.ndarray, changes: Sequence[Tensor]) -> Iterator[Tensors]:
        for start in range(0, len(positions), BATCH_SIZE):
            chosen = np.arange(start, min(start + BATCH_SIZE, len(positions)))
            rows = filled(chosen, BATCH_SIZE)
            shown = self._pixels.shown(positions[rows], [each[rows] for each in changes])
            (images,) = shown.inputs(slice(None))
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
    """

    def __init__(
        self,
        kept: Sequence[np.ndarray],
        places: Sequence[np.ndarray],
        behind: nn.Module,
        *,
        seed: int,
        device: torch.device,
    ):
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
        for part in batch_slices(len(positions), size):
            features = self._read(positions[part], views[part])
            yield np.arange(part.start, part.stop), FeatureBatch(features)

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
        return tuple(torch.from_numpy(each).to(self._device).float() for each in taken)


def front_features(front: nn.Module, images: Tensor, settings: Train) -> Tensor:
    """float32 features of a batch, rounded to the precision in which they are kept."""
    with torch.no_grad(), autocast(settings.precision, images.device):
        features: Tensor = front(images)
    features = features.float()
    return features.half().float() if settings.frozen_precision == "fp16" else features
