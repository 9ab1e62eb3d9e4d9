"""A view: what the networks of a sweep see of a data set, ready for every process of a node.

The process that plans makes it; workers open it by its key and need neither the manifest nor the
image files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from abl.contained import is_contained
from abl.data.arrays import (
    ImageArray,
    image_array,
    open_pixels,
    own_pixel_folder,
    own_shapes,
    pixel_array,
)
from abl.data.cache_folders import folder_once, is_whole
from abl.data.checks.content import file_of
from abl.data.checks.content_report import content_facts
from abl.data.checks.image_checks import check_images
from abl.data.crops import boxes_for
from abl.data.dataset import BOX, GROUP, PAIR, ROI, TOGETHER, Dataset
from abl.data.duplicates.near_duplicates import IMAGE, IMAGE2, column_of, pairs_of_rows
from abl.data.pixel_sets import PairedPixels, Pixels, RaggedPixels, SquarePixels
from abl.data.tissue.tissue_regions import TISSUE_VERSION
from abl.errors import InputError, Problem
from abl.kept_files import json_kept, read_kept
from abl.spec.base import identity_of
from abl.spec.data import Image

FRAME = "frame.parquet"
PAIRS = "duplicates.parquet"
FACTS = "view.json"
CONTENT = "content"  # in it: what is odd about the images, see `content_facts`
PAIRED = "pairs"  # in it: that near-duplicates are those of both images of a row


@dataclass(frozen=True)
class View:
    """A data set as one network input size sees it.

    Attributes:
        pixels: uint8 (N, channels, size, size), memory-mapped, read-only; None with `fit: own`.
        pairs: Near-duplicates, see `pairs_of_rows`.
        folder: Where the pixels lie.
        second: As pixels, the second images of pairs (`pixels` itself with pairing first); None
            where rows are no pairs, and with `fit: own`.
        second_folder: Where these lie; None where rows are no pairs.
        pairing: What is second in a pair.
        content: What is odd about the images, see `content_facts`; {} if that is not known.
    """

    frame: pd.DataFrame
    pixels: np.memmap | None
    pairs: pd.DataFrame
    folder: Path
    second: np.memmap | None = None
    second_folder: Path | None = None
    pairing: str = "own"
    content: Mapping[str, Any] = field(default_factory=dict)

    def pixel_set(self, partner: np.ndarray | None = None) -> Pixels:
        """What a training reads.

        Args:
            partner: int64 (N,): whose second image stands with each first one, from
                `shuffled_partners`; needed with pairing shuffled.

        Raises:
            ValueError: Shuffled pairs without partners, or partners of rows that are no pairs.
        """
        first = _opened(self.pixels, self.folder)
        if self.second_folder is None:
            if partner is not None:
                raise ValueError("partners are given, but the rows are no pairs")
            return first
        if self.pairing == "shuffled" and partner is None:
            raise ValueError("pairing: shuffled needs partners; see shuffled_partners")
        same = self.second_folder == self.folder
        second = first if same else _opened(self.second, self.second_folder)
        return PairedPixels(first, second, partner)


def _opened(pixels: np.memmap | None, folder: Path) -> Pixels:
    return RaggedPixels(folder) if pixels is None else SquarePixels(pixels)


def view_key(dataset: Dataset, longest_side: int, image: Image) -> str:
    """Name of a view: a digest of the rows, the pixels and how they are cut and resized."""
    columns = [
        "image",
        "fingerprint",
        "label",
        "train_label",
        "patient",
        "nodule",
        *BOX,
        *ROI,
        GROUP,
    ]
    if TOGETHER not in dataset.frame:
        columns.remove(GROUP)  # a column of this name in which no row has a value
    frame = dataset.frame[[name for name in columns if name in dataset.frame]]
    parts = [frame.to_csv(index=False), longest_side, identity_of(image), len(dataset.classes)]
    if dataset.boxes_of is not None and image.crop.to != "frame":
        parts.append(dataset.boxes_of.fingerprints())  # their sizes say where boxes lie
    if image.crop.to == "tissue":
        parts.append(TISSUE_VERSION)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def prepare_view(
    dataset: Dataset,
    key: str,
    *,
    longest_side: int,
    image: Image,
    cache: Path,
    say: Callable[[str], None],
) -> View:
    """Makes a view unless it is there whole; images are decoded once for all views of a data set.

    Raises:
        InputError: Images that cannot be decoded or cut, masks and boxes that do not fit: each is
            named, all at once, and nothing is left on the disk.
    """

    def write(folder: Path) -> None:
        _refuse_misfits(dataset, image)
        what = _what_rows_are(dataset)
        say(f"decoding {len(dataset):,} {what} of {dataset.name} (image.size: {image.size})")
        array = _decoded(dataset, cache, longest_side, image)
        shapes = own_shapes(array, image) if image.fit == "own" else None
        rows = np.arange(len(dataset))
        parts = [(column_of(dataset), rows, array)]
        pixels = _pixel_folder(array, cache, image, shapes)
        facts: dict[str, Any] = {"pixels": pixels, "fit": image.fit}
        if dataset.second is not None:
            facts |= {"second": facts["pixels"], "pairing": dataset.pairing}
            if dataset.pairing != "first":
                alone = replace(dataset, source=dataset.second, boxes_of=dataset.source)
                second = _decoded(alone, cache, longest_side, image)
                facts |= {"second": _pixel_folder(second, cache, image, shapes), PAIRED: "all"}
                parts.append((IMAGE2, rows, second))
        if file_of(dataset.source, 0) is not None:  # of drawn images everything is known
            facts[CONTENT] = content_facts(dataset, array)
        dataset.frame.to_parquet(folder / FRAME, index=False)
        pairs_of_rows(dataset, parts).to_parquet(folder / PAIRS, index=False)
        (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")

    folder = cache / f"view-{key}"
    if (folder / FACTS).exists() and not _is_whole(cache, folder):
        say(f"decoded images of {dataset.name} are damaged on the disk: made again")
    if not _is_whole(cache, folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder_once(cache, folder.name, write)
    return open_view(cache, key)


def _is_whole(cache: Path, folder: Path) -> bool:
    # an earlier version could be broken off before it wrote what a view says of itself
    if not (is_whole(folder) and (folder / FACTS).exists()):
        return False
    try:
        pixels = pixel_folders(folder)
    except InputError:  # made again
        return False
    return all(is_whole(cache / name) for name in pixels) and _has_all_pairs(folder)


def _has_all_pairs(folder: Path) -> bool:
    """Whether near-duplicates of second images were looked for: earlier versions did not."""
    facts = _facts(folder)
    return "second" not in facts or facts["second"] == facts["pixels"] or PAIRED in facts


def pixel_folders(folder: Path) -> list[str]:
    """Names of the folders of the cache that hold the pixels of a view."""
    facts = _facts(folder)
    return sorted({facts[name] for name in ("pixels", "second") if name in facts})


def _facts(folder: Path) -> dict[str, Any]:
    """What a view says of itself.

    Raises:
        InputError: It is none of ours: folders of pixels lie beside it, and have plain names.
    """
    try:
        facts = json_kept(read_kept(folder / FACTS))
        named = [facts[name] for name in ("pixels", "second") if name in facts]
    except (ValueError, TypeError):
        named = []
    if not named or not all(map(is_contained, named)):
        raise InputError(f"{folder}: {FACTS} is damaged: delete this folder, and run the sweep")
    return dict(facts)


def _kept_table(path: Path) -> pd.DataFrame:
    # pandas would load what reads many files at once, which takes longer than this file
    with pq.ParquetFile(path) as file:
        return file.read().to_pandas()


def open_view(cache: Path, key: str) -> View:
    """Opens a view that was prepared on this node."""
    folder = cache / f"view-{key}"
    facts = _facts(folder)
    # of a view that an earlier version has made, only the pixels are known
    names = [facts[name] for name in ("pixels", "second") if name in facts]
    is_square = facts.get("fit", "square") == "square"
    opened = {name: open_pixels(cache / name) if is_square else None for name in names}
    pairs = _kept_table(folder / PAIRS)
    if "which_a" not in pairs:  # of an earlier version
        pairs = pairs.assign(which_a=IMAGE, which_b=IMAGE)
    return View(
        _kept_table(folder / FRAME),
        opened[names[0]],
        pairs,
        cache / names[0],
        opened[names[1]] if len(names) > 1 else None,
        cache / names[1] if len(names) > 1 else None,
        facts.get("pairing", "own"),
        facts.get(CONTENT, {}),
    )


def _refuse_misfits(dataset: Dataset, image: Image) -> None:
    """Raises InputError for boxes and masks that do not fit, before anything is written."""
    cut: list[Problem] = []
    try:
        boxes_for(dataset.frame, image.crop)
    except InputError as error:
        at = {str(name): row for row, name in enumerate(dataset.frame["image"])}
        cut = [
            each if each.file is None else dataset.problem(at[each.file], each.message, each.file)
            for each in error.problems
        ]
    if cut or check_images(dataset, decode=False):
        # what cannot be read is then told in the same breath
        raise InputError([*cut, *check_images(dataset)])


def _what_rows_are(dataset: Dataset) -> str:
    """So that two modalities of one set are not decoded under one name."""
    if dataset.second is not None:
        how = {"first": " (each with itself)", "shuffled": " (shuffled)"}.get(dataset.pairing, "")
        return f"pairs of images{how}"
    if PAIR in dataset.frame:
        return "first and second images"
    return "images" if dataset.boxes_of is None else "second images"


def _decoded(dataset: Dataset, cache: Path, longest_side: int, image: Image) -> ImageArray:
    if dataset.boxes_of is not None and image.crop.to == "frame":
        dataset = dataset.without_boxes()
    try:
        return image_array(dataset, cache, longest_side=longest_side)
    except InputError as error:
        raise InputError(check_images(dataset) or error.problems) from None


def _pixel_folder(array: ImageArray, cache: Path, image: Image, shapes: np.ndarray | None) -> str:
    """Name of the folder that holds what networks see; made if need be."""
    if shapes is not None:
        return own_pixel_folder(array, cache, image, shapes).name
    pixels = pixel_array(array, cache, size=image.size, channels=image.channels, crop=image.crop)
    return Path(str(pixels.filename)).parent.name
