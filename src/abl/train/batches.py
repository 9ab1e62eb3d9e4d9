"""From the shared uint8 pixels to batches on a device; the whole array is never copied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

Item = TypeVar("Item")

_MEAN_SD = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def batch_slices(count: int, size: int) -> list[slice]:
    """Consecutive slices of `size`; a last one of a single image joins the one before it.

    BatchNorm over a batch of one 1x1 map is undefined; dropping the image would lose it.
    """
    starts = list(range(0, count, size))
    if size > 1 and len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], count], strict=True)]


def shape_batches(shapes: np.ndarray, size: int, *, joined: bool = True) -> list[np.ndarray]:
    """Batches of images of one shape each, in the order in which they become full.

    Args:
        shapes: int64 (n, 2).
        size: Images a batch; what is left of each shape comes last, in batches of its own.
        joined: Whether a last batch of one image joins the one before it, as in batch_slices.

    Returns:
        Positions in `shapes`, int64; each once.
    """
    if (shapes == shapes[:1]).all():
        if joined:
            return [np.arange(each.start, each.stop) for each in batch_slices(len(shapes), size)]
        return [np.arange(at, min(at + size, len(shapes))) for at in range(0, len(shapes), size)]
    batches: list[tuple[bool, int, np.ndarray]] = []
    for shape in np.unique(shapes, axis=0):
        members = np.flatnonzero((shapes == shape).all(axis=1))
        parts = shape_batches(shapes[members], size, joined=joined)
        batches += [(len(part) < size, int(members[part[-1]]), members[part]) for part in parts]
    return [members for *_, members in sorted(batches, key=lambda each: each[:2])]


def unit_range(images: Tensor) -> Tensor:
    """uint8 -> float32 in [0, 1]."""
    return images.float().div_(255)


class Normalisation:
    """(x - mean) / sd by channel, for float (B, C, S, S) in [0, 1].

    One channel gets the mean of the three means (and of the sds); more than three, as when two
    modalities are stacked, get them repeated.
    """

    def __init__(
        self,
        name: Literal["imagenet", "half", "none"],
        channels: int,
        device: torch.device,
    ):
        mean, sd = (torch.tensor(values, dtype=torch.float64) for values in _MEAN_SD[name])
        if channels % 3:
            mean, sd = mean.mean().expand(channels), sd.mean().expand(channels)
        else:
            mean, sd = mean.repeat(channels // 3), sd.repeat(channels // 3)
        self.mean = mean.float()[:, None, None].to(device)
        self.sd = sd.float()[:, None, None].to(device)

    def __call__(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.sd


def prefetched(items: Iterable[Item], *, enabled: bool) -> Iterator[Item]:
    """The same items in the same order, the next one made in a thread while one is used.

    Worth it where the device computes while the CPU gathers, not where both are the CPU.
    """
    if not enabled:
        yield from items
        return
    end = object()
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        coming = pool.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, iterator, end)
            yield item  # type: ignore[misc]
