"""Near-duplicate images whose labels contradict each other: one of the two is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.checks.image_checks import check_images
from abl.data.dataset import Dataset
from abl.data.duplicates.grouping import manifest_pairs
from abl.data.duplicates.near_duplicates import contradicting_first
from abl.data.manifest import load_manifest
from abl.data.tables.rows import CLASSES_OPTION
from abl.errors import InputError, raise_if_any
from abl.scratch import scratch_folder


@dataclass(frozen=True)
class Contradiction:
    """Two images that differ in `distance` of 256 bits, and their labels."""

    image_a: str
    image_b: str
    label_a: int
    label_b: int
    distance: int


def contradicting_duplicates(
    place: Path, images: pd.DataFrame, names: Sequence[str]
) -> list[Contradiction]:
    """Pairs of the audited images with two labels, the closest first.

    Args:
        place: Folder that the names of the images are paths below, or a manifest of them.
        images: image, label, as read_runs gives them: these labels count.
        names: Of the classes.

    Raises:
        InputError: Images or manifest cannot be read; none of the images is there.
    """
    with scratch_folder("abl-audit-") as cache:
        dataset = _audited_images(place, images, names, cache)
        raise_if_any(check_images(dataset))
        pairs = contradicting_first(dataset, manifest_pairs(dataset, cache))
    labels, image = dataset.frame["label"].tolist(), dataset.frame["image"].tolist()
    places = pairs[["position_a", "position_b", "distance"]].to_numpy().tolist()
    return [
        Contradiction(image[a], image[b], labels[a], labels[b], distance)
        for a, b, distance in places
        if labels[a] != labels[b]
    ]


def _audited_images(
    place: Path, images: pd.DataFrame, names: Sequence[str], cache: Path
) -> Dataset:
    """The images that were audited, with the labels that were."""
    if place.is_dir():
        there = [(place / str(name)).is_file() for name in images["image"]]
        if not any(there):
            raise InputError(
                f"--images {place}: holds none of the images, such as {images['image'].iloc[0]}: "
                "give the folder that their names start from, or their manifest"
            )
        manifest = cache / "images.csv"
        listed = images[there].assign(label=images["label"].map(lambda at: names[int(at)]))
        listed[["image", "label"]].to_csv(manifest, index=False)
        present = sorted(set(images["label"][there].tolist()))
        dataset = load_manifest(
            manifest, images=place, classes=[names[at] for at in present], named_by=CLASSES_OPTION
        )
        own = np.array(present)[dataset.frame["label"].to_numpy()]
    else:
        dataset = load_manifest(place, classes=names, named_by=CLASSES_OPTION)
        label_of = images.set_index("image")["label"]
        known = dataset.frame["image"].isin(label_of.index).to_numpy()
        if not known.any():
            raise InputError(
                f"--images {place}: names none of the images, such as {images['image'].iloc[0]}"
            )
        dataset = dataset.having(known)
        own = dataset.frame["image"].map(label_of).to_numpy()
    return replace(dataset, classes=tuple(names), frame=dataset.frame.assign(label=own))
