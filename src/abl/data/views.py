"""A view: what the networks of a sweep see of a data set, ready for every process of a node.

The process that plans makes it; workers open it by its key and need neither the manifest nor the
image files.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.arrays import image_array, open_pixels, pixel_array
from abl.data.dataset import BOX, ROI, Dataset
from abl.data.duplicates import near_duplicate_pairs
from abl.data.splits import Split, reads_fingerprint
from abl.plan.stage import digest_of
from abl.spec.base import identity_of
from abl.spec.data import Image

FRAME = "frame.parquet"
PAIRS = "duplicates.parquet"


@dataclass(frozen=True)
class View:
    """A data set as one network input size sees it.

    Attributes:
        frame: The data set's rows.
        pixels: uint8 (N, channels, size, size), memory-mapped, read-only.
        pairs: Near-duplicates: position_a, position_b, distance.
        folder: Where the pixels lie.
    """

    frame: pd.DataFrame
    pixels: np.memmap
    pairs: pd.DataFrame
    folder: Path


def view_key(dataset: Dataset, longest_side: int, image: Image) -> str:
    """Name of a view: a digest of the rows, the pixels and how they are cut and resized."""
    columns = ["image", "fingerprint", "label", "train_label", "patient", "nodule", *BOX, *ROI]
    frame = dataset.frame[[name for name in columns if name in dataset.frame]]
    parts = [frame.to_csv(index=False), longest_side, identity_of(image), len(dataset.classes)]
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
    """Makes a view unless it is there; the images are decoded once for all views of a data set.

    Raises:
        InputError: Images that cannot be decoded or cut, each named.
    """
    folder = cache / f"view-{key}"
    if not (folder / "view.json").exists():
        say(f"decoding {len(dataset):,} images of {dataset.name}")
        array = image_array(dataset, cache, longest_side=longest_side)
        pixels = pixel_array(
            array, cache, size=image.size, channels=image.channels, crop=image.crop
        )
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / FRAME, dataset.frame)
        _write(folder / PAIRS, near_duplicate_pairs(array))
        name = Path(str(pixels.filename)).parent.name
        fresh = folder / f".view-{uuid.uuid4().hex}"
        fresh.write_text(json.dumps({"pixels": name}), encoding="utf-8")
        os.replace(fresh, folder / "view.json")
    return open_view(cache, key)


def open_view(cache: Path, key: str) -> View:
    """Opens a view that was prepared on this node."""
    folder = cache / f"view-{key}"
    name = json.loads((folder / "view.json").read_text(encoding="utf-8"))["pixels"]
    return View(
        pd.read_parquet(folder / FRAME),
        open_pixels(cache / name),
        pd.read_parquet(folder / PAIRS),
        cache / name,
    )


def _write(path: Path, frame: pd.DataFrame) -> None:
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    frame.to_parquet(fresh, index=False)
    os.replace(fresh, path)


def training_reads(frame: pd.DataFrame, split: Split) -> str:
    """Fingerprint of a training's images and labels. Of test images no label is read."""
    return digest_of(
        {
            "train": reads_fingerprint(frame, split.train, labels="train_label"),
            "validation": reads_fingerprint(frame, split.validation, labels="label"),
            "test": reads_fingerprint(frame.assign(label=0), split.test, labels="label"),
        }
    )


def everything_trains(images: int) -> Split:
    """A split that leaves nothing out: for training on a source task."""
    nothing = np.empty(0, dtype=np.int64)
    return Split(np.arange(images, dtype=np.int64), nothing, nothing)
