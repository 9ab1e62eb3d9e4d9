"""Manifests: a table, or a folder for each class, to a Dataset. Every fault is reported at once.

Columns of a table (CSV or Parquet; `columns` maps these names to the file's own):

- image: path relative to the manifest's folder, which it may not leave. As written it is the id.
- label: the name of a class, or its number.
- patient: optional; without it each image is its own patient, and the notes say so.
- nodule: optional, distinct within a patient; without it each patient has one.
- box_x0, box_y0 (inclusive), box_x1, box_y1 (exclusive), roi_x0, ...: pixels of the image after its
  EXIF orientation, or what `box_format` says; all four or none in a row.
- mask, image2: paths as image; empty is unknown. image2 is a second modality (elasticity is another
  name for it).
- group: optional, empty where there is none: images of a group stay on one side of every split,
  with their patients (see groups.py).
- centre, split and any other column: kept as they are.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.boxes import with_box
from abl.data.dataset import BOX, GROUP, PAIR, ROI, TOGETHER, Dataset
from abl.data.groups import with_groups
from abl.data.image_checks import check_images_there, checked_files
from abl.data.images import FileSource
from abl.data.tables import Rows, first_of_each_kind, folder_rows, kept_rows, whole_rows
from abl.errors import InputError, Problem, nearest, raise_if_any

REQUIRED = ("image", "label")
PATHS = ("mask", "image2")
ALIASES = {"elasticity": "image2"}
OURS = ("image", "label", "patient", "nodule", "centre", "split", GROUP, *PATHS, *BOX, *ROI)
WORDS = ("image", "label", "patient", "nodule", "centre", "split", GROUP, *PATHS)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
PATIENTS_UNKNOWN = (
    "each image counts as its own patient, so that images of one person may lie on two sides of a "
    "split."
)
COMPUTED = ("train_label", "fingerprint", "mask_fingerprint", "image2_fingerprint", PAIR, TOGETHER)


def load_manifest(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    classes: Sequence[str] = ("benign", "malignant"),
    where: Mapping[str, Sequence[str]] | None = None,
    named_by: str = "data: {classes: [...]}",
    box_format: str = "pixels",
    bits: int = 0,
) -> Dataset:
    """The data set of a manifest: a CSV or Parquet file, or a folder with a folder for each class.

    Files are hashed, not decoded: `check_images` does that. Only beside other faults are images
    decoded, so that all is told at once.

    Args:
        columns: Our name -> the manifest's.
        classes: Names of labels 0, 1, ...
        where: Column (either name) -> values of the rows to keep, compared as text.
        named_by: How the person who asks names classes, for messages.
        box_format: What the columns of boxes and regions hold, see box_formats.py.
        bits: Those that files of 16 bits use; 0: what the files say, else all 16.

    Raises:
        InputError: Everything that is wrong with it, each with its row.
    """
    notes: list[str] = []
    ragged: list[Problem] = []
    if path.is_dir():
        folder = path
        rows, passed_over = folder_rows(path, tuple(classes))
        if passed_over:
            notes.append(f"{passed_over} files without the name of an image were left out.")
    else:
        folder = path.parent
        rows, ragged = whole_rows(path)
    try:
        rows = _renamed(rows, dict(columns or {}), may_be_empty=bool(ragged))
        rows, left_out = kept_rows(
            rows, {name: list(given) for name, given in (where or {}).items()}
        )
    except InputError as error:
        raise InputError(first_of_each_kind([*error.problems, *ragged])) from None
    problems = [*ragged, *_control_characters(rows)]
    frame = rows.frame.copy()
    frame["image"] = _ids(rows, problems)
    frame["label"] = frame["train_label"] = _labels(rows, tuple(classes), problems)
    if not ragged:  # their images may be those of a class
        problems += _empty_classes(rows, frame["label"], classes, named_by)
    frame["patient"] = _patients(rows, problems, notes)
    patients_known = "patient" in rows.frame
    if patients_known and frame["patient"].tolist() == frame["image"].tolist():
        # so a column is written where one is wanted
        patients_known = False
        notes.append(f"Column patient repeats the name of the image: {PATIENTS_UNKNOWN}")
    frame["nodule"] = _nodules(rows, frame["patient"], problems)
    if GROUP in frame:
        frame, said = with_groups(frame, rows.text(GROUP))
        notes += [said] if said else []
    for names in (BOX, ROI):
        frame = with_box(frame, rows, names, problems, str(folder), box_format)
    for name in PATHS:
        if name in frame:
            frame[name] = rows.text(name)
    for name in ("image", *(name for name in PATHS if name in frame)):
        # masks have no grey levels
        checks = checked_files(folder, frame[name].tolist(), None if name == "mask" else bits)
        problems += [
            rows.problem(position, f"{name} '{path}' {check.fault}")
            for position, (path, check) in enumerate(zip(rows.text(name), checks, strict=True))
            if check.fault
        ]
        digests = "fingerprint" if name == "image" else f"{name}_fingerprint"
        frame[digests] = [check.digest for check in checks]
    source = FileSource(str(folder), tuple(frame["image"]), tuple(frame["fingerprint"]), bits)
    name = path.name if path.is_dir() else f"{path.parent.resolve().name}/{path.name}"
    numbers = {} if path.is_dir() else dict(zip(frame["image"], rows.numbers, strict=True))
    dataset = Dataset(
        name, frame, source, tuple(classes), tuple(notes), file=rows.file, rows=numbers,
        left_out=tuple(left_out), patients_known=patients_known,
    )  # fmt: skip
    if problems:
        problems += check_images_there(dataset)
        raise InputError(first_of_each_kind(sorted(problems, key=lambda each: each.line or 0)))
    return dataset


def _renamed(rows: Rows, columns: dict[str, str], *, may_be_empty: bool) -> Rows:
    """The rows with our names added; a column of the manifest that has one already gives way."""
    problems = []
    theirs = [str(name) for name in rows.frame.columns]
    for ours, name in columns.items():
        if ours not in OURS:
            hint = nearest(ours, OURS, show=len(OURS))
            problems.append(Problem(f"columns: '{ours}' is not a column abl knows; {hint}"))
        elif name not in theirs:
            hint = nearest(name, theirs)
            problems.append(Problem(f"columns: no column '{name}'; {hint}", file=rows.file, line=1))
    for alias, ours in ALIASES.items():
        if alias in theirs and ours not in theirs:
            columns.setdefault(ours, alias)
    given = {ours: name for ours, name in columns.items() if name in theirs}
    frame = rows.frame.assign(**{ours: rows.frame[name] for ours, name in given.items()})
    for name in REQUIRED:
        if name not in frame and name not in columns:
            hint = nearest(name, theirs)
            message = f"no column '{name}'; {hint} (columns: {{{name}: ...}} names it)"
            problems.append(Problem(message, file=rows.file, line=1))
    for name in COMPUTED:
        if name in frame:
            message = f"column '{name}' is computed; rename it in the manifest"
            problems.append(Problem(message, file=rows.file, line=1))
    if not len(frame):
        problems += [] if may_be_empty else [Problem("has no rows", file=rows.file)]
        raise InputError(problems)
    raise_if_any(problems)
    return Rows(rows.file, frame, rows.numbers)


def _ids(rows: Rows, problems: list[Problem]) -> list[str]:
    ids = rows.text("image")
    first: dict[str, int] = {}
    for position, image in enumerate(ids):
        if not image:
            problems.append(rows.problem(position, "image is empty"))
            continue
        file = posixpath.normpath(image)
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


def _is_lacking(text: str) -> bool:
    return text.lower() in ("", "nan")  # what pandas writes for a missing value


def _labels(rows: Rows, classes: tuple[str, ...], problems: list[Problem]) -> np.ndarray:
    """int64 (N,); a name of a class goes before a number, should classes be named by numbers."""
    number_of = {str(number): number for number in range(len(classes))}
    number_of.update({name: number for number, name in enumerate(classes)})
    labels = np.full(len(rows.numbers), -1, dtype=np.int64)
    for position, text in enumerate(rows.text("label")):
        if text in number_of:
            labels[position] = number_of[text]
        elif _is_lacking(text):
            problems.append(rows.problem(position, "label is empty"))
        else:
            message = f"label '{text}' is not a class; {nearest(text, number_of)}"
            problems.append(rows.problem(position, message))
    return labels


def _empty_classes(
    rows: Rows, labels: pd.Series, classes: Sequence[str], named_by: str
) -> list[Problem]:
    advice = f"add some, or name the classes there are with {named_by}"
    return [
        Problem(f"class '{name}' ({number}) has no image; {advice}", file=rows.file)
        for number, name in enumerate(classes)
        if not (labels == number).any()
    ]


def _patients(rows: Rows, problems: list[Problem], notes: list[str]) -> list[str]:
    if "patient" not in rows.frame:
        notes.append(f"The manifest names no patients: {PATIENTS_UNKNOWN}")
        return rows.text("image")
    return _filled(rows, "patient", problems)


def _filled(rows: Rows, column: str, problems: list[Problem]) -> list[str]:
    texts = rows.text(column)
    for position, text in enumerate(texts):
        if _is_lacking(text):
            problems.append(rows.problem(position, f"{column} is empty"))
    return texts


def _nodules(rows: Rows, patients: pd.Series, problems: list[Problem]) -> list[str]:
    """Ids that are distinct over patients, whose nodules may all be called 1 and 2."""
    if "nodule" not in rows.frame:
        return patients.tolist()
    nodules = _filled(rows, "nodule", problems)
    return [f"{patient}/{nodule}" for patient, nodule in zip(patients, nodules, strict=True)]
