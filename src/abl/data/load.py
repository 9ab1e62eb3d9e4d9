"""The one door to data: the `data:` block of a sweep file to a Dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from abl.data.dataset import BOX, ROI, Dataset
from abl.data.manifest import load_manifest
from abl.data.modalities import with_modality
from abl.errors import InputError
from abl.spec.data import Data

MANIFEST = "manifest.csv"


def load_dataset(data: Data, *, base: Path, roots: Sequence[Path] = ()) -> Dataset:
    """The data set that a sweep names, of the modality it asks for; its images are not decoded.

    Args:
        data: Exactly one of phantom, manifest, set.
        base: Folder of the sweep file: a manifest's path is relative to it, or to a root.
        roots: Folders given with --data: a set is a folder below one of them.

    Raises:
        InputError: It is not there, lies outside these folders, or is faulty.
    """
    if data.phantom is not None:
        from abl.data.phantom import phantom_dataset

        dataset = phantom_dataset(data.phantom)
    else:
        path = (
            _manifest_path(data.manifest, base, roots) if data.manifest else _set_path(data, roots)
        )
        dataset = load_manifest(path, columns=data.columns, classes=data.classes, where=data.where)
    for what in data.drop_missing:
        dataset = _without_missing(dataset, what)
    return with_modality(dataset, data.modality, data.pairing)


def _without_missing(dataset: Dataset, what: str) -> Dataset:
    """The rows that have a box, region, mask or second modality."""
    columns = {"box": list(BOX), "roi": list(ROI)}.get(what, [what])
    lacking = [name for name in columns if name not in dataset.frame]
    if lacking:
        raise InputError(f"data.drop_missing: {dataset.name} has no column {lacking[0]}")
    given = dataset.frame[columns]
    has = (given.notna() & (given.astype(str) != "")).all(axis=1).to_numpy()
    if has.all():
        return dataset
    lost = int((~has).sum())
    images = "image" if lost == 1 else "images"
    return dataset.having(has, f"{lost} {images} of {dataset.name} without {what} left out.")


def _manifest_path(manifest: str, base: Path, roots: Sequence[Path]) -> Path:
    """The manifest below the sweep's folder or a root; a symbolic link is followed first."""
    # os.path says no to a name that is too long, where pathlib raises
    there = [folder / manifest for folder in (base, *roots) if os.path.exists(folder / manifest)]  # noqa: PTH110
    if not there:
        given = ", ".join(map(str, roots))
        also = f" or below {given}" if given else "; give the folder that holds it with --data"
        raise InputError(
            f"data.manifest: there is no '{manifest}' in the sweep file's folder{also}"
        )
    path = there[0]
    if not any(path.resolve().is_relative_to(folder.resolve()) for folder in (base, *roots)):
        raise InputError(
            f"data.manifest: '{manifest}' is outside the sweep file's folder; "
            "give its folder with --data FOLDER"
        )
    return path


def _set_path(data: Data, roots: Sequence[Path]) -> Path:
    name = str(data.set)
    for root in roots:
        path = root / name / MANIFEST
        if os.path.isfile(path) and path.resolve().is_relative_to(root.resolve()):  # noqa: PTH113
            return path
    searched = ", ".join(str(root) for root in roots) or "none was given"
    raise InputError(
        f"data.set: no '{name}/{MANIFEST}' below the folders of --data ({searched}); "
        f"give the folder that holds '{name}' with --data FOLDER"
    )
