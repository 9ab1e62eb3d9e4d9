"""What trainings that run as one program are fed: each what it would be fed by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from abl.data.pixel_sets import Pixels
from abl.train.batches import batch_slices, unit_range
from abl.train.feed import Feed, PixelFeed, Tensors, filled

# of a GPU's memory; larger sets are gathered on the CPU batch by batch
RESIDENT_BYTES = 2 * 2**30
_RESIDENT: WeakKeyDictionary[Pixels, Tensor] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Fed:
    """One training's images of one step.

    Attributes:
        inputs: What its network takes, (B, ...) each.
        chosen: Their places in the epoch's positions, int64 (B,).
    """

    inputs: Tensors
    chosen: np.ndarray


def shares_pixels(feeds: Sequence[Feed]) -> bool:
    """Whether images of all may be read, and changed, in one go: as each row's own numbers say."""
    first = feeds[0]
    return isinstance(first, PixelFeed) and all(
        type(feed) is PixelFeed
        and feed.pixels is first.pixels
        and feed.settings.augment == first.settings.augment
        and feed.modalities == first.modalities
        for feed in feeds
    )


def shuffled_steps(
    feeds: Sequence[Feed], positions: Sequence[np.ndarray], epoch: int, size: int
) -> Iterator[list[Fed]]:
    """The batches of an epoch, step by step, one a training; each has as many steps.

    Args:
        positions: Of each training, in the order in which they are shown.
        size: Images a batch.
    """
    if not shares_pixels(feeds):
        own = [feed.epoch(each, epoch, size) for feed, each in zip(feeds, positions, strict=True)]
        for batches in zip(*own, strict=True):
            yield [Fed(shown(slice(0, len(chosen))), chosen) for chosen, shown in batches]
        return
    first = feeds[0]
    assert isinstance(first, PixelFeed)
    changes = [
        feed.changes(each, epoch)  # type: ignore[attr-defined]
        for feed, each in zip(feeds, positions, strict=True)
    ]
    parts = [batch_slices(len(each), size) for each in positions]
    for step in zip(*parts, strict=True):
        rows = [each[part] for each, part in zip(positions, step, strict=True)]
        draws = [
            torch.cat([own[at][part] for own, part in zip(changes, step, strict=True)])
            for at in range(first.modalities)
        ]
        images = _gathered(first, np.concatenate(rows))
        shown = (first.changed(images, [each.to(first.device) for each in draws]),)
        yield [
            Fed(inputs, np.arange(part.start, part.stop))
            for part, inputs in zip(step, _divided(shown, rows), strict=True)
        ]


def plain_steps(
    feeds: Sequence[Feed], positions: Sequence[np.ndarray], size: int
) -> Iterator[list[Fed | None]]:
    """Images as they are, in batches of exactly `size`; None for a training that has no more."""
    if not shares_pixels(feeds):
        own = [iter(feed.plain(each, size)) for feed, each in zip(feeds, positions, strict=True)]
        while True:
            batches = [next(each, None) for each in own]
            if not any(batches):
                return
            yield [None if each is None else Fed(each[1], each[0]) for each in batches]
    first = feeds[0]
    assert isinstance(first, PixelFeed)
    for start in range(0, max(map(len, positions)), size):
        chosen = [np.arange(start, min(start + size, len(each))) for each in positions]
        rows = [
            each[filled(part, size)] for each, part in zip(positions, chosen, strict=True)
            if len(part)
        ]  # fmt: skip
        shown = (first.normalised(unit_range(_gathered(first, np.concatenate(rows)))),)
        inputs = iter(_divided(shown, rows))
        yield [Fed(next(inputs), part) if len(part) else None for part in chosen]


def resident_pixels(
    feed: PixelFeed, *, devices: Sequence[str] = ("cuda",), most: int = RESIDENT_BYTES
) -> Tensor | None:
    """All images of a feed, uint8 (N, C, H, W) on its device; None where they would fill it.

    A bundle asks for the images of all its trainings at each step: brought one by one through the
    CPU's memory, they would come more slowly than the device computes.
    """
    array = getattr(feed.pixels, "array", None)
    if feed.device.type not in devices or array is None or array.nbytes > most:
        return None
    if feed.pixels not in _RESIDENT:
        _RESIDENT[feed.pixels] = torch.from_numpy(np.array(array)).to(feed.device)
    return _RESIDENT[feed.pixels]


def _gathered(feed: PixelFeed, positions: np.ndarray) -> Tensor:
    whole = resident_pixels(feed)
    if whole is None:
        return feed.gathered(positions)
    return whole[torch.from_numpy(positions).to(feed.device)]


def _divided(inputs: Tensors, rows: Sequence[np.ndarray]) -> list[tuple[Tensor, ...]]:
    sizes = [len(each) for each in rows]
    return list(zip(*(each.split(sizes) for each in inputs), strict=True))
