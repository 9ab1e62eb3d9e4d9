"""What is seen when every image is opened: what cannot be read, empty masks, near-duplicates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from abl.app.init.found import FoundImage, FoundSet, of_each
from abl.data.checks.image_looks import ImageLook, image_looks
from abl.data.duplicates.near_duplicates import THRESHOLD, close_pairs
from abl.data.splits.groups import components
from abl.errors import InputError, Problem
from abl.report.labels import counted

SHOWN = 3


@dataclass(frozen=True)
class Sizes:
    """What the images of a set have in common.

    Attributes:
        height, width: Medians, in pixels.
        is_grey: Whether none has colour.
    """

    height: int
    width: int
    is_grey: bool


def looked_through(found: FoundSet) -> tuple[FoundSet, Sizes]:
    """The images that can be read, with masks that mark something, and their near-duplicates.

    Raises:
        InputError: No image can be read.
    """
    looks = image_looks(
        str(found.folder.path),
        [each.image for each in found.images],
        [each.masks for each in found.images],
    )
    kept = [(each, look) for each, look in zip(found.images, looks, strict=True) if not look.fault]
    if not kept:
        problems = [
            Problem(look.fault, file=each.image)
            for each, look in zip(found.images[:SHOWN], looks, strict=False)
        ]
        if more := len(looks) - len(problems):
            problems.append(
                Problem(f"and {counted(more, 'other image')} cannot be read either: none is left")
            )
        raise InputError(problems)
    images = [_with_good_masks(each, look) for each, look in kept]
    looks_kept = [look for _, look in kept]
    names, groups_said = near_groups(images, looks_kept)
    images = [replace(each, group=name) for each, name in zip(images, names, strict=True)]
    sizes = Sizes(
        int(median(look.height for look in looks_kept)),
        int(median(look.width for look in looks_kept)),
        all(look.is_grey for look in looks_kept),
    )
    return (
        found.with_images(images, *_unreadable(found, looks), *_masks_said(kept), *groups_said),
        sizes,
    )


def near_groups(
    images: Sequence[FoundImage], looks: Sequence[ImageLook]
) -> tuple[list[str], list[str]]:
    """Name of the group of each image, "" of an image like no other; and what is said of them.

    Groups are the connected parts of the pairs of near-duplicates.
    """
    hashes = np.stack([look.hash for look in looks if look.hash is not None])
    pairs = close_pairs(hashes, THRESHOLD)
    # those of one patient are together without a group
    patients = np.array([each.patient or str(at) for at, each in enumerate(images)], object)
    pairs = pairs[patients[pairs[:, 0]] != patients[pairs[:, 1]]]
    count = len(images)
    part = components(pairs[:, :2], count)
    members: dict[int, list[int]] = defaultdict(list)
    for at, number in enumerate(part.tolist()):
        members[number].append(at)
    several = [group for group in members.values() if len(group) > 1]
    names = [""] * count
    for number, group in enumerate(several, 1):
        for at in group:
            names[at] = f"g{number}"
    if not several:
        return names, ["near-duplicates: none"]
    largest = max(map(len, several))
    said = [
        f"near-duplicates: {sum(map(len, several))} images in {counted(len(several), 'group')} "
        f"(the largest of {largest}), which are kept together: column group"
    ]
    contradicting = [group for group in several if len({images[at].label for at in group}) > 1]
    if contradicting:
        first = contradicting[0]
        shown = " and ".join(f"{images[at].image} ({images[at].label})" for at in first[:2])
        said.append(
            f"{counted(len(contradicting), 'group')} of near-duplicates "
            f"{'has' if len(contradicting) == 1 else 'have'} images of several classes, the first "
            f"{shown}: look at them (abl data group MANIFEST --out OTHER draws them)"
        )
    return names, said


def _with_good_masks(image: FoundImage, look: ImageLook) -> FoundImage:
    bad = {name for name, _ in look.mask_faults}
    return replace(image, masks=tuple(name for name in image.masks if name not in bad))


def _unreadable(found: FoundSet, looks: Sequence[ImageLook]) -> list[str]:
    pairs = list(zip(found.images, looks, strict=True))
    lost = [(each, look) for each, look in pairs if look.fault]
    if not lost:
        return []
    what = "1 image was left out, as it"
    if len(lost) > 1:
        what = f"{len(lost)} images were left out, as they"
    few = "; ".join(f"{each.image} {look.fault}" for each, look in lost[:SHOWN])
    more = f"; and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
    left = of_each(found.classes, Counter(each.label for each, look in pairs if not look.fault))
    return [f"{what} cannot be read: {few}{more}", f"that leaves {left}"]


def _masks_said(kept: Sequence[tuple[FoundImage, ImageLook]]) -> list[str]:
    said = []
    empty = Counter(each.label for each, look in kept if look.mask_is_empty)
    if empty:
        of = ", ".join(f"{name} {count}" for name, count in sorted(empty.items()))
        said.append(f"masks that mark nothing: {of}")
    doubts = [doubt for _, look in kept for doubt in look.mask_doubts]
    if doubts:
        name, why = doubts[0]
        said.append(
            f"{counted(len(doubts), 'mask')} not clear, which studies of masks refuse; the first: "
            f"{name} {why}"
        )
    faults = [fault for _, look in kept for fault in look.mask_faults]
    if faults:
        name, why = faults[0]
        said.append(f"{counted(len(faults), 'mask')} left out, the first: {name} {why}")
    return said
