"""The images of a folder with their classes, told by folders or by a table."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from abl.app.init.label_table import LabelTable
from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.mask_names import MaskPairs, masks_beside, natural_order
from abl.data.tables.class_folders import class_order, folder_layout, names_tell_order
from abl.data.tables.folder_rows import passed_over
from abl.data.tables.words import same_name
from abl.errors import InputError, Problem, nearest
from abl.report.labels import counted

MOST_CLASSES = 50
SHOWN = 3  # names given as examples


@dataclass(frozen=True)
class FoundImage:
    """One image, and what is known of it before it is opened.

    Attributes:
        image: Path relative to the folder, / between folders.
        masks: Its masks, likewise.
        split: train, validation or test; "" if nothing says so.
        below: The folders around it that name no class; "" if there are none.
        patient, group: "" if not known.
        columns: Further columns of the manifest: name -> text.
    """

    image: str
    label: str
    masks: tuple[str, ...] = ()
    split: str = ""
    below: str = ""
    patient: str = ""
    group: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundSet:
    """The images of a folder.

    Attributes:
        folder: Its files.
        images: In the order of their names.
        classes: From the mildest to the worst, as far as names tell.
        said: What was taken and left, a sentence each.
        has_table: Whether a table, and not folders, told the classes.
    """

    folder: AnnotatedFolder
    images: tuple[FoundImage, ...]
    classes: tuple[str, ...]
    said: tuple[str, ...]
    has_table: bool = False

    def with_images(self, images: Iterable[FoundImage], *said: str) -> FoundSet:
        """The same set with other facts of its images, or fewer of them."""
        return replace(
            self, images=tuple(images), said=(*self.said, *(each for each in said if each))
        )


def set_in_folders(folder: AnnotatedFolder, asked: Sequence[str]) -> FoundSet:
    """The set whose classes are folders.

    Args:
        asked: Classes to take, in this order; () for all.

    Raises:
        InputError: Fewer than two classes, too many to be classes, or one asked for is not there.
    """
    pairs = masks_beside(folder.images, classes=asked)
    layout = folder_layout(pairs.images, classes=asked)
    of_class = Counter(layout.class_of.values())
    if missing := [name for name in asked if not of_class[name]]:
        names = {part for image in pairs.images for part in PurePosixPath(image).parent.parts}
        raise InputError(
            [
                Problem(f"--classes: no folder '{name}' with images; {nearest(name, names)}")
                for name in missing
            ]
        )
    classes = checked_classes(folder, of_class, asked)
    images = [
        FoundImage(
            image,
            layout.class_of[image],
            pairs.masks_of.get(image, ()),
            layout.split_of.get(image, ""),
            layout.below[image],
        )
        for image in sorted(layout.class_of, key=natural_order)
    ]
    said = [f"classes from folders: {of_each(classes, of_class)}"]
    said += [
        f"folders {', '.join(map(repr, (name, *others)))} are taken as one class"
        for name, others in layout.spelled.items()
    ]
    outside = "in no folder of these classes" if asked else "in no folder of a class"
    said += _left(folder, pairs, len(images), outside)
    return FoundSet(folder, tuple(images), classes, tuple(said))


def set_in_table(folder: AnnotatedFolder, table: LabelTable, asked: Sequence[str]) -> FoundSet:
    """The set whose classes are in a column of a table.

    Raises:
        InputError: Fewer than two classes, too many, or one asked for is not there.
    """
    pairs = masks_beside(folder.images)
    spelled: dict[str, Counter[str]] = {}
    for label in table.label_of.values():
        spelled.setdefault(same_name(label), Counter())[label] += 1
    wanted = {same_name(name): name for name in asked}
    shown = {key: wanted.get(key) or found.most_common(1)[0][0] for key, found in spelled.items()}
    if missing := [name for key, name in wanted.items() if key not in shown]:
        hint = nearest(missing[0], shown.values())
        raise InputError(f"--classes: no row has {table.label_column} '{missing[0]}'; {hint}")
    layout = folder_layout(pairs.images)
    images = [
        FoundImage(
            image,
            shown[same_name(table.label_of[image])],
            table.masks_of.get(image, pairs.masks_of.get(image, ())),
            table.split_of.get(image, "") or layout.split_of.get(image, ""),
            "/".join(PurePosixPath(image).parent.parts),
            table.patient_of.get(image, ""),
            columns=table.columns_of.get(image, {}),
        )
        for image in sorted(table.label_of, key=natural_order)
        if not wanted or same_name(table.label_of[image]) in wanted
    ]
    of_class = Counter(each.label for each in images)
    classes = checked_classes(folder, of_class, asked)
    said = [f"classes from {table.said}: {of_each(classes, of_class)}", *table.notes]
    others = Counter(
        shown[key] for each in table.label_of.values() if (key := same_name(each)) not in wanted
    )
    if wanted and others:
        count = counted(sum(others.values()), "image")
        named = of_each(sorted(others, key=natural_order), others)
        said.append(f"left out, as --classes does not name their class: {count} ({named})")
    rows = len(images) + sum(others.values()) * bool(wanted)
    said += _left(folder, pairs, rows, f"without a class in {table.name}", tables=1)
    return FoundSet(folder, tuple(images), classes, tuple(said), has_table=True)


def checked_classes(
    folder: AnnotatedFolder, of_class: Counter[str], asked: Sequence[str]
) -> tuple[str, ...]:
    """The classes in their order, if there are two and not too many. Raises InputError."""
    if len(of_class) > MOST_CLASSES:
        few = ", ".join(sorted(of_class, key=natural_order)[:SHOWN])
        raise InputError(
            Problem(
                f"has {len(of_class)} different classes ({few}, ...): are these patients? "
                "Put images into a folder for each class, or name a table's column with --label",
                file=str(folder.path),
            )
        )
    if len(of_class) == 1:
        (name,) = of_class
        raise InputError(
            Problem(
                f"has one class alone: {name} ({counted(of_class[name], 'image')}); a sweep needs "
                "two. Give the folder that holds a folder for each class, or a table with --label",
                file=str(folder.path),
            )
        )
    return tuple(asked) or class_order(of_class)


def positive_said(classes: Sequence[str], asked: Sequence[str]) -> str:
    """Which of two classes sensitivity is of, and how to turn them round; "" of more classes."""
    if len(classes) != 2:
        return ""
    first, last = classes
    if asked or names_tell_order(classes):
        return f"positive class (of SEN, F1): {last}"
    turned = shlex.quote(f"{last},{first}")
    return (
        f"POSITIVE CLASS (of SEN, F1): {last}, as the last by name, for names do not tell which is "
        f"worse; --classes {turned} turns them round"
    )


def of_each(classes: Sequence[str], of_class: Counter[str]) -> str:
    """Classes with their numbers of images."""
    return ", ".join(f"{name} {of_class[name]}" for name in classes)


def _left(
    folder: AnnotatedFolder, pairs: MaskPairs, rows: int, outside: str, *, tables: int = 0
) -> list[str]:
    """What is said of masks, and of files that have no row.

    Args:
        outside: What images without a row are: `in no folder of a class`.
        tables: How many of the files were read as tables.
    """
    notes = passed_over(folder, pairs, rows=rows, outside=outside, tables=tables)
    if several := sum(len(masks) > 1 for masks in pairs.masks_of.values()):
        has = "1 image has" if several == 1 else f"{several} images have"
        notes.insert(1, f"{has} several masks, which are united.")
    return [note.rstrip(".") for note in notes]
