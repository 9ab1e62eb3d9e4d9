"""One look at each image of a folder as it came: does it open, how large is it, what is it like.

For `abl init`, before there is a manifest. Nothing is kept on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from abl.data.images import decoded_file, reduced
from abl.data.masks.files import mask_values
from abl.data.masks.reading import read_mask
from abl.data.masks.rule import AS_THEY_ARE, MaskDoubtError
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
        mask_is_empty: Whether it has masks, and none marks anything.
        mask_faults: Those of its masks that cannot be opened or have another size, and why.
        mask_doubts: Those of its masks of which it is not clear what they mark, and why.
        hash: uint64 (HASH_WORDS,): by which near-duplicates are found; None of a fault.
    """

    fault: str = ""
    height: int = 0
    width: int = 0
    is_grey: bool = True
    mask_is_empty: bool = False
    mask_faults: tuple[tuple[str, str], ...] = ()
    mask_doubts: tuple[tuple[str, str], ...] = ()
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
    faults: list[tuple[str, str]] = []
    doubts: list[tuple[str, str]] = []
    areas = []
    for name in masks:
        try:
            values = mask_values(folder, name)
            if values.size != pixels.shape[:2]:
                own, its = (f"{size[1]} x {size[0]}" for size in (values.size, pixels.shape))
                faults.append((name, f"is {own} pixels, its image {its}"))
            else:
                areas.append(float(read_mask(values, AS_THEY_ARE).nodule.mean()))
        except MaskDoubtError as error:
            doubts.append((name, str(error)))
        except InputError as error:
            faults.append((name, error.problems[0].message))
    height, width = pixels.shape[:2]
    return ImageLook(
        height=height,
        width=width,
        is_grey=pixels.ndim == 2,
        mask_is_empty=bool(areas) and not any(areas) and not doubts,
        mask_faults=tuple(faults),
        mask_doubts=tuple(doubts),
        hash=image_hash(reduced(pixels, LONGEST_SIDE)),
    )
