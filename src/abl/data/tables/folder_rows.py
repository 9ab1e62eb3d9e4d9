"""A folder with a folder for each class, to the rows of a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from abl.data.annotations.folder import AnnotatedFolder, is_hidden
from abl.data.annotations.mask_names import MaskPairs, masks_beside
from abl.data.tables.alike_names import nearest_name, shown_name
from abl.data.tables.rows import FIRST_ROW, Rows
from abl.data.tables.words import class_numbers
from abl.errors import Problem, raise_if_any

MANIFESTS = ("manifest.csv", "manifest.parquet")
TABLE_BESIDE = "a CSV table beside them with the columns image,label"


def manifest_within(folder: Path, classes: Sequence[str]) -> Path | None:
    """The manifest of a folder that is no data set itself: without a folder of any class."""
    inside = [each.name for each in folder.iterdir() if each.is_dir()]
    if class_numbers(inside, classes):
        return None
    return next((folder / name for name in MANIFESTS if (folder / name).is_file()), None)


def folder_rows(folder: Path, classes: tuple[str, ...]) -> tuple[Rows, list[str]]:
    """A row for each image of a folder that has a folder for each class, in the order of names.

    Files that are told as masks of the others (`mask_names`) become their column `mask`.

    Returns:
        The rows (image, label, mask if there is one), and what was passed over, a sentence each.

    Raises:
        InputError: A class without a folder, a folder that is no class, folders within one.
    """
    found = AnnotatedFolder(folder)
    pairs = masks_beside(found.images, classes=classes)
    if found.images and not any("/" in name for name in found.images):
        raise_if_any([Problem(_flat_words(classes), file=str(folder))])
    problems: list[Problem] = []
    of_masks = {name.split("/")[0] for masks in pairs.masks_of.values() for name in masks}
    of_images = {name.split("/")[0] for name in pairs.images if "/" in name}
    inside = [each.name for each in folder.iterdir() if each.is_dir() and not is_hidden(each.name)]
    named = class_numbers(inside, classes)
    meant: set[str] = set()  # by folders that are told
    for inner in sorted(inside):
        if inner not in named and inner not in of_masks - of_images:
            hint = nearest_name(inner, classes)
            meant |= {name for name in classes if hint.startswith(f"did you mean '{name}'")}
            said = f"folder {shown_name(inner)} is not a class; {hint}"
            problems.append(Problem(said, file=str(folder)))
    rows: list[tuple[str, str, str]] = []
    deeper: dict[str, None] = {}
    for image in sorted(pairs.images, key=lambda image: image.split("/")):
        parts = image.split("/")
        if len(parts) == 2:
            label = classes[named[parts[0]]] if parts[0] in named else parts[0]
            rows.append((image, label, mask_cell(pairs.masks_of.get(image, ()))))
        elif len(parts) > 2 and parts[0] in named:
            deeper["/".join(parts[:2])] = None
    for name in deeper:
        advice = "use a manifest, which `abl init` writes"
        message = f"'{name}' is a folder within a class; {advice}"
        problems.append(Problem(message, file=str(folder)))
    for at, name in enumerate(classes):
        if at not in named.values() and name not in meant:
            problems.append(Problem(f"no folder for class '{name}'", file=str(folder)))
    raise_if_any(problems)
    frame = pd.DataFrame(rows, columns=["image", "label", "mask"], dtype=str)
    if not pairs.masks_of:
        frame = frame.drop(columns="mask")
    numbers = list(range(FIRST_ROW, FIRST_ROW + len(frame)))
    return Rows(str(folder), frame, numbers), passed_over(found, pairs, rows=len(rows))


def _flat_words(classes: Sequence[str]) -> str:
    """Of a folder whose images say nothing of their classes: what there is to do."""
    return (
        f"holds images, but no folder for each class: put them into {', '.join(classes)}, or name "
        f"{TABLE_BESIDE} in place of the folder"
    )


def mask_cell(masks: Sequence[str]) -> str:
    """What a manifest's column `mask` says of an image with these masks, which are united."""
    return ";".join(masks)


def passed_over(
    folder: AnnotatedFolder,
    pairs: MaskPairs,
    *,
    rows: int,
    outside: str = "in no folder of a class",
    tables: int = 0,
) -> list[str]:
    """What of a folder is taken as a mask, and what has no row, a sentence each.

    Args:
        rows: How many images have a row.
        outside: What the others are.
        tables: How many of the files are tables that were read.
    """
    notes = []
    if masks := sum(map(len, pairs.masks_of.values())):
        owners = len(pairs.masks_of)
        files = "1 file is taken as a mask" if masks == 1 else f"{masks} files are taken as masks"
        notes.append(f"{files} of {owners} {'image' if owners == 1 else 'images'} by name.")
    for count, what in (
        (len(pairs.without_image), "mask{} without an image"),
        (len(pairs.images) - rows, f"image{{}} {outside}"),
        (len(folder.files) - len(folder.images) - tables, "file{} without the name of an image"),
        (folder.hidden, "hidden file{} (names that begin with a dot, __MACOSX)"),
    ):
        if count:
            said = what.format("" if count == 1 else "s")
            notes.append(f"{count} {said} {'was' if count == 1 else 'were'} left out.")
    return notes
