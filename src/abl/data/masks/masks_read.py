"""The masks of a data set, read: how each is meant, what it covers, and what is not clear."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import scipy

from abl.data.cache_folders import folder_key, folder_once
from abl.data.dataset import Dataset
from abl.data.masks.columns import mask_paths
from abl.data.masks.reading import READING_VERSION
from abl.data.masks.rule import typed_value
from abl.data.masks.source import MaskFiles, folder_of, united_mask
from abl.data.tables.rows import first_of_each_kind
from abl.data.workers import mapped_over
from abl.errors import InputError, Problem, raise_if_any

CHUNK = 32  # images a job
WORTH = 200  # masks worth the start of a process
FILE = "readings.json"
LOOK_VERSION = 2  # of what is remembered, beside how masks are read


@dataclass(frozen=True, eq=False)
class MaskReadings:
    """How the masks of N rows are read.

    Attributes:
        marks: How, where it is not what a grey picture cut at 127 gives; else "". Part of what
            identifies a training.
        areas: float64 (N,): share of the image that the nodule covers; nan without a mask.
        soft, several: Rows with a mask that is cut, and with several masks.
        is_hollow: bool (N,): masks that enclose as much as they cover: outlines, not filled.
        ways: How files were read -> how many.
        grounds: See `read_mask`.
    """

    marks: tuple[str, ...]
    areas: np.ndarray
    is_hollow: np.ndarray
    soft: int = 0
    several: int = 0
    ways: tuple[tuple[str, int], ...] = ()
    grounds: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> np.ndarray:
        """bool (N,): masks without a nodule."""
        return self.areas == 0


def has_mask(dataset: Dataset) -> np.ndarray:
    """bool (N,): which rows name a mask."""
    if "mask" not in dataset.frame:
        return np.zeros(len(dataset), bool)
    given = dataset.frame["mask"]
    return (given.notna() & (given.astype(str) != "")).to_numpy()


def masks_read(dataset: Dataset, cache: Path | None = None) -> MaskReadings:
    """How the masks of a data set are read; every mask is decoded, once a cache.

    Masks of a generated set are as they are: nothing is decoded, and no area is known.

    Args:
        cache: A folder of this node that remembers what was found.

    Raises:
        InputError: Masks that cannot be read or are not clear, each with its row.
    """
    rows = np.flatnonzero(has_mask(dataset))
    folder = folder_of(dataset.source)
    if folder is None or not len(rows):
        nothing = np.full(len(dataset), np.nan)
        return MaskReadings(("",) * len(dataset), nothing, np.zeros(len(dataset), bool))
    if cache is None:
        return _read(dataset, rows, folder)
    frame = dataset.frame
    asked = [READING_VERSION, LOOK_VERSION, repr(dataset.mask_rule), len(frame), rows.tolist()]
    names = ("image", "mask", "mask_fingerprint")
    key = folder_key(*asked, *(text for name in names for text in frame[name].iloc[rows]))

    def write(place: Path) -> None:
        found = _read(dataset, rows, folder)
        kept = {**vars(found), "areas": found.areas.tolist(), "grounds": sorted(found.grounds)}
        kept["is_hollow"] = found.is_hollow.tolist()
        (place / FILE).write_text(json.dumps(kept), encoding="utf-8")

    kept = json.loads((folder_once(cache, f"readings-{key}", write) / FILE).read_text("utf-8"))
    return MaskReadings(
        tuple(kept["marks"]), np.array(kept["areas"], np.float64),
        np.array(kept["is_hollow"], bool), kept["soft"], kept["several"],
        tuple((word, count) for word, count in kept["ways"]), frozenset(kept["grounds"]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Look:
    """What is seen of the masks of a row; area is nan if one of them has a fault."""

    area: float = np.nan
    words: tuple[str, ...] = ()
    was_read: bool = False
    is_soft: bool = False
    is_hollow: bool = False
    pairs: tuple[tuple[str, str], ...] = ()  # ground and nodule, where the border decided
    grounds: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()  # file, what is wrong


def _read(dataset: Dataset, rows: np.ndarray, folder: str) -> MaskReadings:
    files = tuple(mask_paths(folder, text) for text in dataset.frame["mask"].iloc[rows].astype(str))
    images = tuple(dataset.frame["image"].iloc[rows].astype(str))
    source = MaskFiles(folder, files, dataset.mask_rule, frozenset(), ("",) * len(rows))
    looks = _looks(source, images)
    # 0 and what is black are grounds by themselves
    grounds = frozenset(word for look in looks for word in look.grounds if word != "0")
    again = [at for at, look in enumerate(looks) if look.faults or look.area == 1]
    if grounds and again:
        source = replace(source, grounds=grounds)
        for at in again:
            looks[at] = _looked(source, images, range(at, at + 1))[0]
    faults = [(at, *fault) for at, look in enumerate(looks) for fault in look.faults]
    faults += _read_both_ways(looks, files)
    problems = [
        dataset.problem(int(rows[at]), message, file) for at, file, message in sorted(faults)
    ]
    if not problems and dataset.mask_rule.values and all(look.area == 0 for look in looks):
        asked = ", ".join(str(each) for each in dataset.mask_rule.values)
        there = Counter(word for look in looks for word in look.found)
        shown = ", ".join(word for word, _ in there.most_common(12))
        problems.append(
            Problem(f"data.mask_value: no mask of {dataset.name} has {asked}; they have {shown}")
        )
    raise_if_any(first_of_each_kind(list(dict.fromkeys(problems))))
    areas, marks = np.full(len(dataset), np.nan), [""] * len(dataset)
    is_hollow = np.zeros(len(dataset), bool)
    is_hollow[rows] = [look.is_hollow for look in looks]
    for at, look in zip(rows.tolist(), looks, strict=True):
        areas[at] = look.area
        if not (look.was_read and len(look.words) == 1):
            marks[at] = "; ".join(look.words)
    ways = Counter(word for look in looks for word in look.words)
    return MaskReadings(
        tuple(marks),
        areas,
        is_hollow,
        soft=sum(look.is_soft for look in looks),
        several=sum(len(look.words) > 1 for look in looks),
        ways=tuple(ways.most_common()),
        grounds=grounds,
    )


def _looks(source: MaskFiles, images: Sequence[str]) -> list[_Look]:
    look = partial(_looked, source, images)
    return [each for part in mapped_over(len(images), CHUNK, look, worth=WORTH) for each in part]


def _looked(source: MaskFiles, images: Sequence[str], positions: range) -> list[_Look]:
    return [_look(source, images[position], position) for position in positions]


def _look(source: MaskFiles, image: str, position: int) -> _Look:
    files = source.files[position]
    if image in files:
        return _Look(faults=((image, "is the mask of itself: name the file of its mask"),))
    try:
        nodule, read = united_mask(source, position)
    except InputError as error:
        return _Look(faults=tuple((str(each.file), each.message) for each in error.problems))
    return _Look(
        float(nodule.mean()),
        tuple(each.word for each in read),
        was_read=all(each.was_read for each in read),
        is_soft=any(each.is_soft for each in read),
        is_hollow=_is_hollow(nodule),
        pairs=tuple((each.ground, each.word) for each in read if each.by_border),
        grounds=tuple(each.ground for each in read if each.ground),
        found=tuple(word for each in read for word in each.found),
    )


def _is_hollow(nodule: np.ndarray) -> bool:
    """Whether a mask (H, W) encloses as much as it covers, or more."""
    if not nodule.any():
        return False
    filled = scipy.ndimage.binary_fill_holes(
        nodule[scipy.ndimage.find_objects(nodule.astype(np.uint8))[0]]
    )
    return bool(filled.sum() >= 2 * nodule.sum())


def _read_both_ways(
    looks: Sequence[_Look], files: Sequence[tuple[str, ...]]
) -> list[tuple[int, str, str]]:
    """Rows whose border says the opposite of what most borders say of the same two values."""
    rows: dict[frozenset[str], dict[tuple[str, str], list[int]]] = {}
    for at, look in enumerate(looks):
        for ground, word in look.pairs:
            pair = (ground, word.removeprefix("value "))
            rows.setdefault(frozenset(pair), {}).setdefault(pair, []).append(at)
    faults = []
    for ways in rows.values():
        if len(ways) < 2:
            continue
        usual, other = sorted(ways, key=lambda pair: -len(ways[pair]))
        for at in ways[other]:
            text = (
                f"has {other[0]} along its border, {len(ways[usual])} other masks have {usual[0]}: "
                f"say which is the nodule, data: {{mask_value: {typed_value(usual[1])}}}"
            )
            faults.append((at, files[at][0], text))
    return faults
