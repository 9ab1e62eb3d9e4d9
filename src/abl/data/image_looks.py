"""One look at each image of a folder as it came: does it open, how large is it, what is it like.

For `abl init`, before there is a manifest. Nothing is kept on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from abl.data.images import decoded_file, reduced
from abl.data.pixels import image_hash
from abl.data.workers import mapped_over
from abl.errors import InputError

CHUNK, WORTH = 32, 200  # images a job, and those worth the start of a process


LONGEST_SIDE = 1024  # as images are decoded for a sweep, unless it says otherwise


@dataclass(frozen=True, eq=False)
class ImageLook:
    """What one image is.

    Attributes:
        fault: Why it cannot be read, "" if it can; then nothing else is known.
        height, width: Pixels.
        is_grey: Whether it has no colour.
        empty_masks: Those of its masks that mark nothing: every pixel has one value.
        mask_faults: Those of its masks that cannot be used, and why.
        hash: uint64 (HASH_WORDS,): by which near-duplicates are found; None of a fault.
    """

    fault: str = ""
    height: int = 0
    width: int = 0
    is_grey: bool = True
    empty_masks: tuple[str, ...] = ()
    mask_faults: tuple[tuple[str, str], ...] = ()
    hash: np.ndarray | None = None


def image_looks(
    folder: str, images: Sequence[str], masks: Sequence[tuple[str, ...]]
) -> list[ImageLook]:
    """A look at each image and its masks, in order; several processes where it is worth it.

    Args:
        folder: What the paths are relative to.
        images: Their paths.
        masks: Paths of the masks of each.
    """
    look = partial(_looked_at, folder, images, masks)
    return [each for part in mapped_over(len(images), CHUNK, look, worth=WORTH) for each in part]


def _looked_at(
    folder: str, images: Sequence[str], masks: Sequence[tuple[str, ...]], positions: range
) -> list[ImageLook]:
    return [_look(folder, images[at], masks[at]) for at in positions]


def _look(folder: str, image: str, masks: tuple[str, ...]) -> ImageLook:
    try:
        pixels = decoded_file(folder, image)
    except InputError as error:
        return ImageLook(fault=error.problems[0].message)
    empty, faults = [], []
    for name in masks:
        try:
            mask = decoded_file(folder, name)
        except InputError as error:
            faults.append((name, error.problems[0].message))
            continue
        if mask.shape[:2] != pixels.shape[:2]:
            own, its = (f"{each.shape[1]} x {each.shape[0]}" for each in (mask, pixels))
            faults.append((name, f"is {own} pixels, its image {its}"))
        elif mask.min() == mask.max():
            empty.append(name)
    height, width = pixels.shape[:2]
    hashed = image_hash(reduced(pixels, LONGEST_SIDE))
    return ImageLook("", height, width, pixels.ndim == 2, tuple(empty), tuple(faults), hashed)
