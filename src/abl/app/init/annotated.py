"""Folders of annotations (COCO, LabelMe, ...): imported first, then taken like any other set."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from abl.app.init.found import FoundImage, FoundSet, checked_classes, of_each
from abl.data.annotations import beside
from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.importing import ImportOptions, import_annotations
from abl.data.annotations.kinds import recognised
from abl.data.annotations.report import NO_PATIENTS
from abl.data.tables.rows import read_rows
from abl.data.tables.words import role_named
from abl.errors import InputError, Problem

MASKS = "masks"
OURS = ("image", "label", "patient", "group", "split")


def annotated_kinds(folder: AnnotatedFolder) -> list[str]:
    """The kinds of annotations in a folder, but for masks beside images, which need no import."""
    return [name for name in recognised(folder) if name != beside.KIND.name]


def set_in_annotations(
    folder: AnnotatedFolder,
    kinds: Sequence[str],
    options: ImportOptions,
    manifest: Path,
    before: str,
    asked: Sequence[str],
    undo: ExitStack,
) -> FoundSet:
    """The set that an import of these annotations makes.

    Args:
        kinds: There is to be one.
        options: What a person said of the import.
        manifest: Where the import writes its table; masks go beside it.
        before: What a path in the folder has before it in the manifest.
        asked: Classes to take; () for all.
        undo: Takes away what the import wrote, should it be closed.

    Raises:
        InputError: What the import refuses or asks, and how to answer it.
    """
    if len(kinds) > 1:
        raise InputError(
            Problem(
                f"holds annotations of several kinds ({', '.join(kinds)}): {_by_hand(folder)}",
                file=str(folder.path),
            )
        )
    made = [manifest, manifest.parent / MASKS]
    for path in made:
        if not path.exists():
            undo.callback(_remove, path)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    try:
        said = import_annotations(folder.path, manifest, replace(options, kind=kinds[0]))
    except InputError as error:
        raise InputError(
            [*error.problems, Problem(f"answer it there: {_by_hand(folder)}")]
        ) from None
    rows = read_rows(manifest)
    texts = {str(name): rows.text(str(name)) for name in rows.frame.columns}
    images = []
    for at, image in enumerate(texts["image"]):
        if asked and texts["label"][at] not in asked:
            continue
        own = {name: column[at] for name, column in texts.items()}
        images.append(
            FoundImage(
                image.removeprefix(before),
                own["label"],
                split=role_named(own.get("split", "")) or "",
                patient=own.get("patient", ""),
                columns={name: text for name, text in own.items() if name not in OURS},
            )
        )
    of_class = Counter(each.label for each in images)
    classes = checked_classes(folder, of_class, asked)
    # of patients `abl init` tells itself, with options of its own
    lines = [line.strip() for line in said.splitlines() if line[:2] == "  " and line != NO_PATIENTS]
    return FoundSet(
        folder,
        tuple(images),
        classes,
        (f"classes from {kinds[0]} annotations: {of_each(classes, of_class)}", *lines),
        has_table=True,
    )


def _by_hand(folder: AnnotatedFolder) -> str:
    place = folder.path
    return (
        f"abl data import {place} --out {place / 'annotated.csv'}, with its options; then "
        f"abl init {place} --table annotated.csv"
    )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
