"""Masks that lie beside their images, told by the names of files and folders alone.

Seen in public sets: `benign (1)_mask.png` and `benign (1)_mask_1.png` beside `benign (1).png`
(BUSI), `ISIC_0000000_segmentation.png` (ISIC 2016 to 2018), `IMD002_lesion.bmp` (PH2), folders
`original/` and `GT/` (UDIAT), `Images/bus_0001-l.png` and `Masks/mask_0001-l.png` (BUS-BRA),
`trainval-image/` and `trainval-mask/` (TN3K), `imagesTr/bus_1_0000.png` and `labelsTr/bus_1.png`
(nnU-Net, which numbers the channels of an image, not of its mask).

A name alone makes no mask: `with_mask_1.png` in a set of faces is an image. It needs an image that
it is the mask of, or other masks of its pattern that have one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from abl.data.images import image_stem, is_image_name
from abl.data.tables.words import same_name

MASK_WORDS = r"masks?|seg|segm|segmentations?|gt|ground[ _-]?truth|annotations?|labels?|lesion"
IMAGE_WORDS = r"images?|imgs?|originals?|pictures?|frames?"
# `name_mask`, `name-seg`, `name_mask_2`, `name_mask (2)`
MASK_NAME = re.compile(rf"(?P<base>.+?)[ ._-]+(?:{MASK_WORDS})(?:[ ._-]*\(?\d+\)?)?")
MASK_PREFIX = re.compile(rf"(?:{MASK_WORDS})[ ._-]+(?P<base>.+)")
ANY_PREFIX = re.compile(r"[a-z]+[ ._-]+(?P<base>.+)")
MASK_FOLDER = re.compile(rf"(?:(?P<rest>.+?)[ ._-]+)?(?:{MASK_WORDS})(?P<end>tr|ts)?")
IMAGE_FOLDER = re.compile(rf"(?:(?P<rest>.+?)[ ._-]+)?(?:{IMAGE_WORDS})(?P<end>tr|ts)?")
FIRST_CHANNEL = "_0000"  # of an image of nnU-Net
DIGITS = re.compile(r"(\d+)")
A_MASK_WORD = re.compile(MASK_WORDS)  # found in far fewer names than are images

_folded = cache(same_name)

Key = tuple[tuple[str, ...], str]  # folders and stem, without what tells masks from images


@dataclass(frozen=True)
class MaskPairs:
    """Which files of a set are masks.

    Attributes:
        images: The files that are no masks, in the order given.
        masks_of: Image -> its masks, in the order of their numbers.
        without_image: Masks of which the image is not there.
    """

    images: tuple[str, ...]
    masks_of: dict[str, tuple[str, ...]]
    without_image: tuple[str, ...]


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts 2 before 10."""
    parts = DIGITS.split(unicodedata.normalize("NFC", name).casefold())
    return [(0, int(each), "") if each.isdecimal() else (1, 0, each) for each in parts if each]


def masks_beside(paths: Sequence[str], *, classes: Collection[str] = ()) -> MaskPairs:
    """Tells masks from images.

    Args:
        paths: Files named as images are, / between folders.
        classes: Names of folders that hold images whatever they are called.
    """
    classes = frozenset(map(_folded, classes))
    in_folder = [path for path in paths if _is_in_mask_folder(path, classes)]
    outside = _without(paths, in_folder)
    named = {path: base for path in outside if (base := _named_base(image_stem(path))) is not None}
    pairs: dict[str, str] = {}
    by_key = _by_key(_without(outside, named), classes)
    for path, base in named.items():
        pairs |= _pair(path, by_key.get((_key_folders(path, classes), base), []))
    lost_named = _without(named, pairs)
    # a pattern of which some have their image is one of masks; else these are images
    patterns = {_pattern(path) for path in pairs}
    lost = [path for path in lost_named if _pattern(path) in patterns]
    images = _without(outside, {*pairs, *lost})
    by_folder = _in_folders(in_folder, images, classes)
    if by_folder:
        pairs |= by_folder
        # the folders of which no file has an image are no folders of masks
        homes = {_mask_home(path, classes) for path in by_folder}
        lost += [
            path
            for path in in_folder
            if path not in by_folder and _mask_home(path, classes) in homes
        ]
    taken = {*pairs, *lost}
    masks_of: dict[str, list[str]] = defaultdict(list)
    for mask in sorted(pairs, key=natural_order):
        masks_of[pairs[mask]].append(mask)
    return MaskPairs(
        tuple(_without(paths, taken)),
        {image: tuple(masks) for image, masks in masks_of.items()},
        tuple(sorted(lost, key=natural_order)),
    )


def is_image_folder(name: str) -> bool:
    """Whether a folder is named `images`, `original` or the like, which says nothing of a class."""
    found = IMAGE_FOLDER.fullmatch(_folded(name))
    return found is not None and not found["rest"]


def _in_folders(
    masks: Sequence[str], images: Sequence[str], classes: Collection[str]
) -> dict[str, str]:
    """Mask -> image of the files in folders of masks."""
    by_key = _by_key(images, classes)
    by_stem: dict[str, list[str]] = defaultdict(list)
    by_number: dict[str, list[str]] = defaultdict(list)
    for image in images:
        stem = _folded(image_stem(image))
        by_stem[stem].append(image)
        if match := ANY_PREFIX.fullmatch(stem):
            by_number[match["base"]].append(image)
    pairs: dict[str, str] = {}
    for path in masks:
        stem, folders = _folded(image_stem(path)), _key_folders(path, classes)
        bases = [stem, stem + FIRST_CHANNEL]
        bases += [image_stem(stem)] if is_image_name(stem) else []  # x.jpg.png
        bases += [base] if (base := _named_base(stem)) is not None else []
        prefixed = MASK_PREFIX.fullmatch(stem)
        bases += [prefixed["base"]] if prefixed else []
        found = next(
            (by_key[folders, base] for base in bases if (folders, base) in by_key), list[str]()
        )
        # one folder of masks for images of several classes
        found = found or next((by_stem[base] for base in bases if len(by_stem[base]) == 1), [])
        if not found and prefixed and len(by_number[prefixed["base"]]) == 1:
            found = by_number[prefixed["base"]]
        pairs |= _pair(path, found)
    return pairs


def _pair(mask: str, images: Sequence[str]) -> dict[str, str]:
    """{mask: image}, {} if there is none or several between which the suffix does not decide."""
    if len(images) > 1:
        suffix = PurePosixPath(mask).suffix.lower()
        images = [each for each in images if PurePosixPath(each).suffix.lower() == suffix]
    return {mask: images[0]} if len(images) == 1 else {}


def _by_key(paths: Iterable[str], classes: Collection[str]) -> dict[Key, list[str]]:
    found: dict[Key, list[str]] = defaultdict(list)
    for path in paths:
        found[_key_folders(path, classes), _folded(image_stem(path))].append(path)
    return dict(found)


def _key_folders(path: str, classes: Collection[str]) -> tuple[str, ...]:
    """The folders of a file without what says `images` or `masks`."""
    return _keyed(path.rpartition("/")[0], frozenset(classes))


@cache
def _keyed(folder: str, classes: frozenset[str]) -> tuple[str, ...]:
    kept = []
    for name in map(_folded, folder.split("/")):
        found = MASK_FOLDER.fullmatch(name) or IMAGE_FOLDER.fullmatch(name)
        if found is None or name in classes:
            kept.append(name)
        elif rest := (found["rest"] or "") + (found["end"] or ""):
            kept.append(rest)
    return tuple(kept)


def _is_in_mask_folder(path: str, classes: Collection[str]) -> bool:
    return _mask_home(path, classes) is not None


def _mask_home(path: str, classes: Collection[str]) -> tuple[str, ...] | None:
    return _home(path.rpartition("/")[0], frozenset(classes))


@cache
def _home(folder: str, classes: frozenset[str]) -> tuple[str, ...] | None:
    """The innermost folder of masks that a file lies in, None if it lies in none."""
    folders = tuple(folder.split("/"))
    for end in range(len(folders), 0, -1):
        name = _folded(folders[end - 1])
        if name not in classes and MASK_FOLDER.fullmatch(name):
            return folders[:end]
    return None


def _named_base(stem: str) -> str | None:
    """Of a name that ends as those of masks do, or begins so, the name of its image."""
    stem = _folded(stem)
    if not A_MASK_WORD.search(stem):
        return None
    found = MASK_NAME.fullmatch(stem) or MASK_PREFIX.fullmatch(stem)
    if found is None:
        return None
    base = found["base"].rstrip()
    return image_stem(base) if is_image_name(base) else base  # x.jpg_mask.png


def _pattern(path: str) -> tuple[tuple[str, ...], str]:
    """What is the same in the names of one kind of masks: folder, and the words for a mask."""
    stem = _folded(image_stem(path))
    base = _named_base(stem) or ""
    words = DIGITS.sub("", stem.replace(base, "", 1))
    above = tuple(path.split("/")[:-2])
    return above, re.sub(r"[ ._()-]+", "", words)


def _without(paths: Iterable[str], taken: Collection[str]) -> list[str]:
    gone = set(taken)
    return [path for path in paths if path not in gone]
