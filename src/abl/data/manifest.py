"""Manifests: a table, or a folder for each class, to a Dataset. Every fault is reported at once.

Columns of a table (CSV or Parquet; `columns` maps these names to the file's own):

- image: path relative to the manifest's folder, which it may not leave. As written it is the id;
  of a DICOM or NIfTI file of several frames, PATH#FRAME.
- frame, mask_frame, image2_frame: which frame of such a file, counted from 1; of other files, kept
  as they are. What else these files say: see medical/columns.py.
- label: the name of a class, or its number; see words.py for the spellings that are read.
- train_label: optional; the class that training parts take instead, or `drop`; see train_labels.py.
- patient: optional; without it DICOM files name it (see medical/patients.py), and each image of
  another kind is its own patient, which the notes say. `NA`, `None`, `-` and the like are nobody's
  name.
- nodule: optional, distinct within a patient; without it each patient has one.
- box_x0, box_y0 (inclusive), box_x1, box_y1 (exclusive), roi_x0, ...: pixels of the image after its
  EXIF orientation, or what `box_format` says; all four or none in a row.
- mask, image2: paths as image; empty is unknown. image2 is a second modality (elasticity is another
  name for it). Several masks of an image are `a.png;b.png`, or columns mask, mask2, mask3, ...
- group: optional, empty where there is none: images of a group stay on one side of every split,
  with their patients (see groups.py).
- centre, split and any other column: kept as they are.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from abl.data.boxes import with_box
from abl.data.checks.idle_settings import unused_notes
from abl.data.checks.image_checks import check_images_there
from abl.data.dataset import BOX, GROUP, PAIR, ROI, TOGETHER, Dataset
from abl.data.images import FileSource
from abl.data.manifest_files import (
    check_of_row,
    checked_rows,
    file_problems,
    medical_of,
    paths_of,
)
from abl.data.masks.columns import with_joined_masks
from abl.data.masks.rule import MaskRule
from abl.data.medical.kinds import nameless_dicom
from abl.data.splits.groups import with_groups
from abl.data.tables.alike_names import alike_groups, label_fault, nearest_name, no_class_fault
from abl.data.tables.columns_meant import column_hint
from abl.data.tables.folder_rows import folder_rows
from abl.data.tables.rows import Rows, first_of_each_kind, kept_rows, whole_rows
from abl.data.tables.words import class_numbers, missing_words
from abl.data.train_labels import TRAIN_LABEL, train_label_notes, train_labels
from abl.errors import InputError, Problem, nearest, raise_if_any

if TYPE_CHECKING:
    from abl.data.medical.columns import MedicalRows

REQUIRED = ("image", "label")
PATHS = ("mask", "image2")
ALIASES = {"elasticity": "image2"}
FRAMES = ("frame", "mask_frame", "image2_frame")  # see medical/columns.py
WORDS = ("image", "label", TRAIN_LABEL, "patient", "nodule", "centre", "split", GROUP, *PATHS)
OURS = (*WORDS, *FRAMES, *BOX, *ROI)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
UNKNOWN_MEANS = "images of one person may lie on two sides of a split."
PATIENTS_UNKNOWN = f"each image counts as its own patient, so that {UNKNOWN_MEANS}"
NO_IMAGES = "its folders of classes hold no images; `abl init` says what it finds in a folder"
CLASSES_SETTING = "data: {classes: [...]}"
WRITTEN_SO = "; its classes must be those of the sweep: write its labels so"
ALL_CLASSES = "metrics are of all classes of the sweep: add some, or leave this set out"
COMPUTED = ("fingerprint", "mask_fingerprint", "image2_fingerprint", PAIR, TOGETHER)


def load_manifest(
    path: Path,
    *,
    images: Path | None = None,
    columns: Mapping[str, str] | None = None,
    classes: Sequence[str] = ("benign", "malignant"),
    where: Mapping[str, Sequence[str]] | None = None,
    patient_names: str = "written",
    named_by: str = CLASSES_SETTING,
    box_format: str = "pixels",
    bits: int = 0,
    rule: MaskRule | None = None,
) -> Dataset:
    """The data set of a manifest: a CSV or Parquet file, or a folder with a folder for each class.

    Files are hashed, not decoded: `check_images` does that. Only beside other faults are images
    decoded, so that all is told at once.

    Args:
        images: Folder that the paths of a table are relative to; default: the table's own.
        columns: Our name -> the manifest's.
        classes: Names of labels 0, 1, ...
        where: Column (either name) -> values of the rows to keep, compared as text.
        patient_names: `alike` takes patients whose names look alike as one; see alike_names.py.
        named_by: How the person who asks names classes, for messages; "": they cannot, as of an
            external set, whose classes are those of the sweep.
        box_format: What the columns of boxes and regions hold, see box_formats.py.
        bits: Those that files of 16 bits use; 0: what the files say, else all 16.
        rule: How masks are read, should they be looked at beside other faults.

    Raises:
        InputError: Everything that is wrong with it, each with its row.
    """
    notes: list[str] = []
    ragged: list[Problem] = []
    unnamed: list[str] = []
    if path.is_dir():
        folder = path
        rows, notes = folder_rows(path, tuple(classes))
        unnamed = nameless_dicom(path) if notes else []
    else:
        folder = path.parent if images is None else images
        rows, ragged = whole_rows(path)
    try:
        rows = with_joined_masks(_renamed(rows, dict(columns or {}), may_be_empty=bool(ragged)))
        rows, left_out = kept_rows(
            rows, {name: list(given) for name, given in (where or {}).items()}
        )
    except InputError as error:
        raise InputError(first_of_each_kind([*error.problems, *ragged])) from None
    notes += [rows.note] * bool(rows.note)
    paths = {name: paths_of(rows, folder, name) for name in ("image", *PATHS) if name in rows.frame}
    files = {name: checked_rows(folder, name, texts, bits) for name, texts in paths.items()}
    checks = {name: [check_of_row(found) for found in of_rows] for name, of_rows in files.items()}
    medical = medical_of(folder, rows, paths, checks)
    problems = [*ragged, *_control_characters(rows)]
    if unnamed:
        text = f"{len(unnamed)} DICOM files have names without an ending ('{unnamed[0]}')"
        problems.append(Problem(f"{text}: end them in .dcm, or use a manifest", file=rows.file))
    frame = rows.frame.copy()
    frame["image"] = _ids(rows, paths["image"], medical, problems)
    frame["label"] = labels = _labels(rows, tuple(classes), problems, named_by)
    frame[TRAIN_LABEL] = train_labels(rows, labels, classes, problems)
    notes += train_label_notes(rows, labels, frame[TRAIN_LABEL].to_numpy())
    if not ragged and (frame["label"] >= 0).all():  # the others may be those of a class
        problems += _empty_classes(rows, frame["label"], classes, named_by)
    frame["patient"] = _patients(rows, paths["image"], medical, problems, notes, patient_names)
    patients_known = "patient" in rows.frame
    if patients_known and frame["patient"].tolist() == frame["image"].tolist():
        # so a column is written where one is wanted
        patients_known = False
        notes.append(f"Column patient repeats the name of the image: {PATIENTS_UNKNOWN}")
    if medical is not None and "patient" not in rows.frame:
        patients_known = medical.names_every_patient(len(frame))
    frame["nodule"] = _nodules(rows, frame["patient"], problems)
    if GROUP in frame:
        frame, said = with_groups(frame, rows.text(GROUP))
        if said:  # a group counts as one, whatever is not known
            alone = PATIENTS_UNKNOWN.replace("each image", "each image without a group", 1)
            notes = [each.replace(PATIENTS_UNKNOWN, alone) for each in notes]
        notes += [said] if said else []
    for names in (BOX, ROI):
        frame = with_box(frame, rows, names, problems, str(folder), box_format)
    called = path.name if path.is_dir() else f"{path.parent.resolve().name}/{path.name}"
    of_images = [check for key in checks if key != "mask" for check in checks[key]]
    notes += unused_notes(called, frame, of_images, box_format=box_format, bits=bits)
    problems += file_problems(rows, folder, files)
    for name, of_rows in checks.items():
        frame[name] = frame[name] if name == "image" else paths[name]
        digests = "fingerprint" if name == "image" else f"{name}_fingerprint"
        frame[digests] = [check.digest for check in of_rows]
    if medical is not None:
        frame = medical.added_to(frame, checks)
        doubts, disagreeing = medical.doubts(frame["patient"].tolist(), rows)
        notes += [*doubts, *medical.notes()]
        problems += [*medical.problems, *disagreeing]
    source = FileSource(str(folder), tuple(frame["image"]), tuple(frame["fingerprint"]), bits)
    numbers = {} if path.is_dir() else dict(zip(frame["image"], rows.numbers, strict=True))
    dataset = Dataset(
        called, frame, source, tuple(classes), tuple(notes), file=rows.file, rows=numbers,
        left_out=tuple(left_out), patients_known=patients_known,
    )  # fmt: skip
    if problems:
        problems += check_images_there(dataset, rule)
        raise InputError(first_of_each_kind(sorted(problems, key=lambda each: each.line or 0)))
    return dataset


def _renamed(rows: Rows, columns: dict[str, str], *, may_be_empty: bool) -> Rows:
    """The rows with our names added; a column of the manifest that has one already gives way."""
    problems: list[Problem] = []
    theirs = [str(name) for name in rows.frame.columns]
    for ours, name in columns.items():
        if ours not in OURS:
            hint = nearest(ours, OURS, show=len(OURS))
            problems.append(Problem(f"data.columns: '{ours}' is not a column abl knows; {hint}"))
        elif name not in theirs:
            hint = nearest_name(name, theirs)
            problems.append(rows.header_problem(f"data.columns: no column '{name}'; {hint}"))
    for alias, ours in ALIASES.items():
        if alias in theirs and ours not in theirs:
            columns.setdefault(ours, alias)
    given = {ours: name for ours, name in columns.items() if name in theirs}
    frame = rows.frame.assign(**{ours: rows.frame[name] for ours, name in given.items()})
    for name in REQUIRED:
        if name not in frame and name not in columns:
            taken = list(given.values())
            hint = column_hint(rows, name, [each for each in theirs if each not in taken])
            advice = f"data: {{columns: {{{name}: ...}}}} names it"
            problems.append(rows.header_problem(f"no column '{name}'; {hint} ({advice})"))
    for name in COMPUTED:
        if name in frame:
            message = f"column '{name}' is computed; rename it in the manifest"
            problems.append(rows.header_problem(message))
    if not len(frame):
        said = NO_IMAGES if Path(rows.file).is_dir() else "has no rows"
        problems += [] if may_be_empty else [Problem(said, file=rows.file)]
        raise InputError(problems)
    raise_if_any(problems)
    return replace(rows, frame=frame)


def _ids(
    rows: Rows, paths: list[str], medical: MedicalRows | None, problems: list[Problem]
) -> list[str]:
    ids, files = paths, [posixpath.normpath(path) for path in paths]
    if medical is not None:
        ids, files = (medical.addresses("image", texts) for texts in (ids, files))
    first: dict[str, int] = {}
    missing = missing_words(ids)
    for position, (image, file) in enumerate(zip(ids, files, strict=True)):
        if image in missing:
            said = f"image '{image}' is no file" if image else "image is empty"
            problems.append(rows.problem(position, said))
            continue
        if medical is not None and position in medical.faulty.get("image", ()):
            continue  # which frame is meant is not known
        if file in first:
            message = f"image '{image}' is also in row {rows.numbers[first[file]]}"
            problems.append(rows.problem(position, message))
        first.setdefault(file, position)
    return ids


def _control_characters(rows: Rows) -> list[Problem]:
    # no name of a file, person or class has any; databases and tables break at them
    return [
        rows.problem(position, f"{name} {text!a} has a control character: take it out")
        for name in WORDS
        if name in rows.frame
        for position, text in enumerate(rows.text(name))
        if CONTROL.search(text)
    ]


def _labels(
    rows: Rows, classes: tuple[str, ...], problems: list[Problem], named_by: str
) -> np.ndarray:
    """int64 (N,), -1 where none was read."""
    texts = rows.text("label")
    number_of = class_numbers(texts, classes)
    missing = missing_words(texts)
    others = sorted(set(texts) - missing)
    if others and not number_of and len(texts) > 1:  # the classes are others, which rows do not say
        said = no_class_fault(others, classes, named_by) + ("" if named_by else WRITTEN_SO)
        problems.append(Problem(said, file=rows.file))
        return np.full(len(texts), -1, dtype=np.int64)
    times = Counter(texts)
    told: set[str] = set()
    for position, text in enumerate(texts):
        if text in number_of or text in told:
            continue
        if text not in missing:  # a class that is not named is one fault, however many rows have it
            told.add(text)
        said = label_fault(text, classes, missing, named_by)
        many = f" ({times[text]:,} rows have it)" if text in told and times[text] > 1 else ""
        problems.append(rows.problem(position, said + many))
    return np.array([number_of.get(text, -1) for text in texts], dtype=np.int64)


def _empty_classes(
    rows: Rows, labels: pd.Series, classes: Sequence[str], named_by: str
) -> list[Problem]:
    advice = f"add some, or name the classes there are with {named_by}" if named_by else ALL_CLASSES
    return [
        Problem(f"class '{name}' ({number}) has no image; {advice}", file=rows.file)
        for number, name in enumerate(classes)
        if not (labels == number).any()
    ]


def _patients(
    rows: Rows,
    images: list[str],
    medical: MedicalRows | None,
    problems: list[Problem],
    notes: list[str],
    named: str,
) -> list[str]:
    if "patient" not in rows.frame:
        known = {} if medical is None else medical.patients(rows, notes, problems, named)
        if len(known) < len(images):
            what = f"{len(images) - len(known)} images name" if known else "The manifest names"
            notes.append(f"{what} no patients: {PATIENTS_UNKNOWN}")
        return [known.get(position, image) for position, image in enumerate(images)]
    patients = _filled(rows, "patient", problems)
    if named != "alike":
        return patients
    one_of = {name: group[0] for group in alike_groups(patients) for name in group}
    if one_of:
        persons = len(set(one_of.values()))
        notes.append(
            f"{len(one_of)} names of patients that look alike were taken as those of "
            f"{persons} {'person' if persons == 1 else 'persons'}."
        )
    return [one_of.get(name, name) for name in patients]


def _filled(rows: Rows, column: str, problems: list[Problem]) -> list[str]:
    texts = rows.text(column)
    missing = missing_words(texts)
    for position, text in enumerate(texts):
        if text in missing:
            empty = text.lower() in ("", "nan")
            said = f"{column} is empty" if empty else f"{column} '{text}' is no name"
            said += ": write one, and one of its own where nothing is known"
            problems.append(rows.problem(position, said))
    return texts


def _nodules(rows: Rows, patients: pd.Series, problems: list[Problem]) -> list[str]:
    """Ids that are distinct over patients, whose nodules may all be called 1 and 2."""
    if "nodule" not in rows.frame:
        return patients.tolist()
    nodules = _filled(rows, "nodule", problems)
    return [f"{patient}/{nodule}" for patient, nodule in zip(patients, nodules, strict=True)]
