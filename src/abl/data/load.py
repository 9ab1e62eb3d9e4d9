"""The one door to data: the `data:` block of a sweep file to a Dataset.

Of rows with two images: the first alone, the second alone, both as a pair, or both as samples. The
second is column image2 of a manifest, or the elasticity image of the phantom. Boxes and regions
are in pixels of the first; where the second is cut and has another size, they are scaled by the
ratio of sizes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from abl.data.checks.idle_settings import none_missing
from abl.data.dataset import BOX, ROI, Dataset
from abl.data.manifest import CLASSES_SETTING, load_manifest
from abl.data.masks.rule import MaskRule
from abl.data.modalities import with_modality
from abl.data.tables.alike_names import nearest_name, shown_name
from abl.data.tables.folder_rows import manifest_within
from abl.data.tables.rows import (
    SHOWN,
    Rows,
    image_fault,
    other_values,
)
from abl.data.tables.who_is_who import alike_notes
from abl.data.tables.words import missing_words
from abl.data.unit_labels import with_unit_labels
from abl.errors import InputError, Problem, nearest
from abl.spec.data import Data

MANIFEST = "manifest.csv"


def load_dataset(
    data: Data, *, base: Path, roots: Sequence[Path] = (), named_by: str = CLASSES_SETTING
) -> Dataset:
    """The data set that a sweep names, of the modality it asks for; its images are not decoded.

    Args:
        base: Folder of the sweep file: a manifest's path is relative to it, or to a root.
        roots: Folders given with --data: a set is a folder below one of them.
        named_by: As load_manifest.

    Raises:
        InputError: It is not there, lies outside these folders, or is faulty; it does not say how
            a patient of several classes is scored.
    """
    if data.phantom is not None:
        from abl.data.phantom import phantom_dataset

        dataset = phantom_dataset(data.phantom)
        for column, values in data.where.items():
            keep = _have(dataset, "where", column, values)
            dataset = dataset.having(keep, why=other_values(column, values))
    else:
        path = manifest_of(data, base=base, roots=roots)
        _refuse_no_table(data, path)
        dataset = load_manifest(
            path,
            images=images_of(data, base=base, roots=roots),
            columns=data.columns,
            classes=data.classes,
            named_by=named_by,
            where=data.where,
            patient_names=data.patient_names,
            box_format=data.box_format,
            bits=data.bits,
        )
        # of all rows: an external centre may have patients of those that are left
        dataset = replace(dataset, notes=(*dataset.notes, *alike_notes(dataset)))
    rule = MaskRule(data.mask_value, data.mask_cut, data.mask_inverted)
    dataset = replace(dataset, mask_rule=rule)
    for column, values in data.without.items():
        dataset = _without_values(dataset, column, values, narrowed=bool(data.where))
    for what in data.drop_missing:
        dataset = _without_missing(dataset, what)
    return with_unit_labels(with_modality(dataset, data.modality, data.pairing), data)


def _refuse_no_table(data: Data, path: Path) -> None:
    """Raises InputError where a manifest is an image, or a folder that holds one."""
    key, given = ("manifest", data.manifest) if data.manifest else ("set", data.set)
    if path.is_dir():
        within = manifest_within(path, data.classes)
        if within is not None:
            raise InputError(
                f"data.{key}: '{given}' is a folder without a folder for each class; write the "
                f"table in it: manifest: {given}/{within.name}"
            )
    elif said := image_fault(path):
        raise InputError(f"data.{key}: '{given}' {said}")


def _have(
    dataset: Dataset, key: str, column: str, values: Sequence[str], *, must_be_there: bool = True
) -> np.ndarray:
    """bool (N,): which rows have one of these values in a column, compared as text.

    Raises:
        InputError: A column that there is not, or a value that no row has.
    """
    if column not in dataset.frame:
        hint = nearest(column, map(str, dataset.frame.columns))
        raise InputError(f"data.{key}: {dataset.name} has no column '{column}'; {hint}")
    found = Rows(dataset.name, dataset.frame, []).text(column)
    absent = [value for value in values if value not in found]
    if absent and must_be_there:
        hint = nearest_name(absent[0], {text for text in found if text})
        raise InputError(f"data.{key}: no row has {column} {shown_name(absent[0])}; {hint}")
    return np.array([text in values for text in found], dtype=bool)


def _without_values(
    dataset: Dataset, column: str, values: Sequence[str], *, narrowed: bool
) -> Dataset:
    """The rows that have none of these values in a column; `narrowed` by `where`, a value may
    rightly be gone.
    """
    lost = _have(dataset, "without", column, values, must_be_there=not narrowed)
    texts = Rows(dataset.name, dataset.frame, []).text(column)
    unknown = np.isin(texts, [*missing_words(texts)]) & ~lost
    if unknown.any():
        # such a row may be of those that are left out, and would train
        rows = np.flatnonzero(unknown)
        names = dataset.frame["image"]
        problems = [
            dataset.problem(row, _without_value(column, texts[row]), str(names[row]))
            for row in rows[:SHOWN].tolist()
        ]
        more = f"and {len(rows) - SHOWN:,} more; " if len(rows) > SHOWN else ""
        advice = f"{more}fill {column} in, or leave these rows out too: "
        unnamed = ", ".join(f"'{text}'" for text in sorted({texts[row] for row in rows.tolist()}))
        raise InputError(
            [
                *problems,
                Problem(f"data.without: {advice}data: {{without: {{{column}: [{unnamed}]}}}}"),
            ]
        )
    if not lost.any():
        return dataset
    if lost.all():
        raise InputError(f"data.without: no row of {dataset.name} is left")
    count = int(lost.sum())
    named = f"{'1 image' if count == 1 else f'{count} images'} of {dataset.name}"
    said = ", ".join(values)
    return dataset.having(~lost, f"{named} left out by {column}: {said}.", why=f"{column}: {said}")


def _without_value(column: str, text: str) -> str:
    said = f" but '{text}'" if text else ""
    return f"has no {column}{said}, by which rows are left out"


def _without_missing(dataset: Dataset, what: str) -> Dataset:
    """The rows that have a box, region, mask or second modality."""
    columns = {"box": list(BOX), "roi": list(ROI)}.get(what, [what])
    lacking = [name for name in columns if name not in dataset.frame]
    if lacking:
        raise InputError(f"data.drop_missing: {dataset.name} has no column {lacking[0]}")
    given = dataset.frame[columns]
    has = (given.notna() & (given.astype(str) != "")).all(axis=1).to_numpy()
    if has.all():
        said = none_missing(dataset.name, what)
        return replace(dataset, notes=(*dataset.notes, said))
    lost = int((~has).sum())
    images = "image" if lost == 1 else "images"
    note = f"{lost} {images} of {dataset.name} without {what} left out."
    return dataset.having(has, note, why=f"no {what}")


def manifest_of(data: Data, *, base: Path, roots: Sequence[Path] = ()) -> Path:
    """The manifest, or folder of classes, of a data block that is no phantom; see load_dataset.

    Raises:
        InputError: It is not there, or lies outside these folders.
    """
    if data.manifest is None:
        return _set_path(data, roots)
    return _path_named("manifest", data.manifest, base, roots)


def images_of(data: Data, *, base: Path, roots: Sequence[Path] = ()) -> Path | None:
    """The folder that paths in the manifest are relative to; None if it is the manifest's own.

    Raises:
        InputError: It is not there, lies outside these folders, or is none.
    """
    if data.images is None:
        return None
    folder = _path_named("images", data.images, base, roots)
    if not folder.is_dir():
        raise InputError(f"data.images: '{data.images}' is no folder")
    if manifest_of(data, base=base, roots=roots).is_dir():
        raise InputError("data.images: the manifest is a folder itself; leave images out")
    return folder


def _path_named(key: str, name: str, base: Path, roots: Sequence[Path]) -> Path:
    """A path below the sweep's folder or a root; a symbolic link is followed first."""
    # os.path says no to a name that is too long, where pathlib raises
    there = [folder / name for folder in (base, *roots) if os.path.exists(folder / name)]  # noqa: PTH110
    if not there:
        given = ", ".join(map(str, roots))
        also = f" or below {given}" if given else "; give the folder that holds it with --data"
        raise InputError(f"data.{key}: there is no '{name}' in the sweep file's folder{also}")
    path = there[0]
    if not any(path.resolve().is_relative_to(folder.resolve()) for folder in (base, *roots)):
        raise InputError(
            f"data.{key}: '{name}' is outside the sweep file's folder; "
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
