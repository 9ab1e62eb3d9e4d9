"""A table of labels beside images: which column is what, and which image a row means."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from abl.app.init.one_hot import MOST_VALUES, one_hot_classes
from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.mask_names import FIRST_CHANNEL
from abl.data.dataset import BOX, ROI
from abl.data.masks.columns import mask_paths
from abl.data.tables.rows import Rows, read_rows
from abl.data.tables.words import is_missing, role_named, same_name, whole_number
from abl.errors import InputError, Problem, nearest
from abl.report.labels import counted

# names of columns, without spaces and signs
LABELS = (
    "label", "labels", "class", "classname", "category", "diagnosis", "dx", "pathology", "target",
    "malignancy", "outcome", "finding", "histology", "y",
)  # fmt: skip
PATIENTS = (
    "patient", "patientid", "patientno", "patientnr", "patientnumber", "patientname", "pid", "pat",
    "patid", "patno", "patnr", "patnumber", "patientenid", "patientennr", "patientennummer",
    "subject", "subjectid", "case", "caseid", "person", "personid", "participant", "participantid",
    "studyid",
)  # fmt: skip
MAY_BE_PATIENTS = re.compile(
    r"^(?!.*(image|file|lesion|nodule)).*(pat(ient|[\W_])|subj|person|proband|case|mrn|\bid$)",
    re.IGNORECASE,
)
SPLITS = ("split", "subset", "partition", "set", "fold")
# further columns of a manifest, which are kept; paths among them start from the table's folder
KEPT = ("nodule", "centre", "image2", *BOX, *ROI)
TRIED = 200  # rows by which a column of images is found
SHOWN = 3

Ask = Callable[[str], str]


@dataclass(frozen=True)
class Columns:
    """Columns that the person named; None where the table is to tell."""

    image: str | None = None
    label: str | None = None
    patient: str | None = None


@dataclass(frozen=True)
class LabelTable:
    """What a table says of the images of a folder.

    Attributes:
        name: The file, relative to the folder.
        label_column: Its column of classes.
        label_of, patient_of, split_of: Image -> text; only images with a label.
        masks_of: Image -> its masks, of a table with a column mask in the folder itself.
        columns_of: Image -> further columns of a manifest.
        said: Which table, and which columns, in a few words.
        notes: What was left out, a sentence each.
    """

    name: str
    label_column: str
    label_of: dict[str, str]
    patient_of: dict[str, str]
    split_of: dict[str, str]
    masks_of: dict[str, tuple[str, ...]]
    columns_of: dict[str, dict[str, str]]
    said: str
    notes: tuple[str, ...]


def find_table(
    folder: AnnotatedFolder, named: str | None, images: Collection[str]
) -> tuple[str | None, list[Problem]]:
    """The table of labels: the one that is named, or the one with a column of images; and the first
    fault of each that cannot be read, which may be the one that was meant.

    Raises:
        InputError: The one that is named is not there, or several may be meant.
    """
    if named is not None:
        if (folder.path / named).is_file():
            return named, []  # it is refused with its faults
        known = folder.ending(".csv", ".parquet")
        hint = nearest(named, known) if known else "it holds no CSV or Parquet file"
        raise InputError(f"--table {named}: no such file in {folder.path}; {hint}")
    tables, broken = [], []
    for name in folder.ending(".csv", ".parquet"):
        try:
            rows = read_rows(folder.path / name)
        except InputError as error:
            broken.append(error.problems[0])
            continue
        if len(rows.frame.columns) > 1 and _image_column(folder, name, rows, images)[1] > 0:
            tables.append(name)
    if len(tables) > 1:
        raise InputError(
            Problem(
                f"holds several tables: {', '.join(tables[:SHOWN])}; name one with --table",
                file=str(folder.path),
            )
        )
    return (tables[0] if tables else None), broken


def label_table(
    folder: AnnotatedFolder,
    name: str,
    images: Collection[str],
    columns: Columns,
    ask: Ask | None = None,
) -> LabelTable:
    """Reads a table of labels.

    Args:
        name: The file, relative to the folder.
        images: The files that may be meant: those of the folder that are no masks.
        ask: Asks the person who types; None if nobody does.

    Raises:
        InputError: A column that is not there or not known, an image with two labels, no row whose
            image is there.
    """
    path = folder.path / name
    rows = read_rows(path)
    names = [str(column) for column in rows.frame.columns]
    for option, given in (
        ("--image", columns.image), ("--label", columns.label), ("--patient", columns.patient),
    ):  # fmt: skip
        if given is not None and given not in names:
            raise InputError(
                Problem(f"{option}: no column '{given}'; {nearest(given, names)}", str(path))
            )
    image = columns.image or _image_column(folder, name, rows, images)[0]
    if not image:
        raise InputError(
            Problem(
                "no column names images of this folder; say which with --image COLUMN", str(path)
            )
        )
    known = columns.label or _known(names, LABELS, {image})
    hot = None if known else one_hot_classes(rows, names, {image})
    label = f"the one of {', '.join(hot[0])} that is 1" if hot else known
    label = label or _label_column(rows, names, image, ask)
    patient = columns.patient or _known(names, PATIENTS, {image, label})
    split = _split_column(rows, _known(names, SPLITS, {image, label}))
    found: dict[str, int] = {}
    lacking: list[str] = []
    unlabelled = 0
    problems: list[Problem] = []
    labels = hot[1] if hot else [_plain(text) for text in rows.text(label)]
    for position, text in enumerate(rows.text(image)):
        file = image_meant(folder, name, text, images)
        if file is None:
            lacking.append(text)
        elif is_missing(labels[position]):
            unlabelled += 1
        elif file in found and same_name(labels[found[file]]) != same_name(labels[position]):
            message = (
                f"image '{text}' has {label} '{labels[position]}', in row "
                f"{rows.numbers[found[file]]} '{labels[found[file]]}'"
            )
            problems.append(rows.problem(position, message))
        else:
            found.setdefault(file, position)
    if not found and not problems:
        hint = f"such as '{lacking[0]}'" if lacking else "with a label"
        problems.append(Problem(f"no row {hint} has its image in the folder", str(path)))
    if problems:
        raise InputError(problems[:20])
    notes = [
        f"without an image here: {counted(len(lacking), 'row')} of {name}, the first '{lacking[0]}'"
        if lacking
        else "",
        f"without {label}: {counted(unlabelled, 'row')} of {name}" if unlabelled else "",
        "" if patient else _may_be_patients(names, {image, label, split}),
    ]
    said = f"{name} (image: {image}, label: {label}"
    said += f", patient: {patient}" if patient else ""
    said += f", split: {split}" if split else ""
    is_beside = "/" not in name
    masks = _masks(folder, rows, found) if is_beside and "mask" in names else {}
    further = {each: rows.given(each) for each in KEPT if each in names and is_beside}
    kept = {file: {each: of[at] for each, of in further.items()} for file, at in found.items()}
    patients, splits = (rows.text(each) if each else [] for each in (patient, split))
    return LabelTable(
        name,
        label,
        {file: labels[at] for file, at in found.items()},
        {
            file: patients[at]
            for file, at in found.items()
            if patients and not is_missing(patients[at])
        },
        {file: role_named(splits[at]) or "" for file, at in found.items() if splits},
        masks,
        kept,
        f"{said})",
        tuple(note for note in notes if note),
    )


def _plain(text: str) -> str:
    """A label; a whole number as one text, however it is written (1.0)."""
    number = whole_number(text)
    return text if number is None else str(number)


def _masks(
    folder: AnnotatedFolder, rows: Rows, found: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    cells = rows.given("mask")
    return {file: mask_paths(folder.path, cells[at]) for file, at in found.items() if cells[at]}


def image_meant(
    folder: AnnotatedFolder, table: str, text: str, images: Collection[str]
) -> str | None:
    """The image that a cell names, with or without folders and suffix; None if none or several."""
    if not text:
        return None
    for found in (
        folder.image_of(text, table),
        folder.image_with_stem(text, table),
        folder.image_with_stem(text + FIRST_CHANNEL, table),
    ):
        several = [found] if isinstance(found, str) else found
        left = [each for each in several if each in images]
        if len(left) == 1:
            return left[0]
    return None


def _image_column(
    folder: AnnotatedFolder, table: str, rows: Rows, images: Collection[str]
) -> tuple[str, float]:
    """The column that names most images of the folder, and the share of the rows tried."""
    best = ("", 0.0)
    for column in map(str, rows.frame.columns):
        texts = rows.text(column)[:TRIED]
        hits = {image_meant(folder, table, text, images) for text in texts} - {None}
        share = len(hits) / max(1, len(texts))
        if share > best[1]:
            best = (column, share)
    return best


def _label_column(rows: Rows, names: Sequence[str], image: str, ask: Ask | None) -> str:
    values: Mapping[str, set[str]] = {
        name: {text for text in rows.text(name) if not is_missing(text)}
        for name in names
        if name != image
    }
    few = [name for name in values if 2 <= len(values[name]) <= MOST_VALUES]
    if len(few) == 1:
        return few[0]
    shown = few or [name for name in names if name != image]
    if ask is not None:
        answer = ask(
            f"Which column of {Path(rows.file).name} is the class? ({', '.join(shown)})"
        ).strip()
        if answer in values:
            return answer
    raise InputError(
        Problem(
            f"which column is the class? Say it with --label, one of: {', '.join(shown[:12])}",
            file=rows.file,
        )
    )


def _known(names: Sequence[str], words: Sequence[str], taken: Collection[str]) -> str:
    """The column with the first of these names; "" if none has."""
    plain = {re.sub(r"[\W_]+", "", same_name(name)): name for name in names if name not in taken}
    return next((plain[word] for word in words if word in plain), "")


def _may_be_patients(names: Sequence[str], taken: Collection[str]) -> str:
    """A note on columns whose names sound like patients but are none that is known; "" if none."""
    found = [name for name in names if name not in taken and MAY_BE_PATIENTS.search(name)]
    if not found:
        return ""
    shown = ", ".join(map(repr, found[:SHOWN]))
    return f"may be patients: column {shown}; --patient {shlex.quote(found[0])} takes it as such"


def _split_column(rows: Rows, column: str) -> str:
    """A column if its values are splits; else ""."""
    if not column:
        return ""
    values = set(rows.given(column)) - {""}
    return column if values and all(map(role_named, values)) else ""
