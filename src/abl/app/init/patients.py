"""Who the images are of: asked for, read off names, or said not to be known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from abl.app.init.found import FoundImage, FoundSet
from abl.data.annotations.labels import expression_with_group
from abl.data.checks.image_looks import image_looks
from abl.data.medical.patients import dicom_patients
from abl.errors import InputError, Problem
from abl.report.labels import counted

Ask = Callable[[str], str]
UNKNOWN, FOLDER = "unknown", "folder"
SHOWN = 3


def with_patients(
    found: FoundSet, given: str | None, pattern: str | None, ask: Ask | None
) -> FoundSet:
    """The set with the patient of each image, as far as the person says.

    Args:
        given: unknown, or folder: the folder that an image lies in, below or above its class.
        pattern: A regular expression whose groups are the patient in an image's path.
        ask: Asks the person who types; None if nobody does.

    Raises:
        InputError: A pattern that is none, or that does not match every image.
    """
    if given is None and pattern is None and not any(each.patient for each in found.images):
        of_files = dicom_patients(found.folder.path, [each.image for each in found.images])
        if any(of_files) and _are_unread(found, of_files):
            images = [
                replace(each, patient=name)
                for each, name in zip(found.images, of_files, strict=True)
            ]
            known = [each for each in images if each.patient]
            persons = len({each.patient for each in known})
            said = f"{counted(persons, 'patient')}, by keyed hashes of PatientID"
            return found.with_images(images, said, _mixed(known))
        given, pattern = _asked(found.images, ask) if ask is not None else (UNKNOWN, None)
    if pattern is not None:
        patients = _matched(found, pattern)
        how = f"read off file names by {pattern}"
    elif given == FOLDER:
        patients = _folders(found)
        how = "the folders that images lie in"
    elif given == UNKNOWN:
        patients = [""] * len(found.images)
    else:
        patients = [each.patient for each in found.images]
        how = "from the table"
    images = [
        replace(each, patient=patient) for each, patient in zip(found.images, patients, strict=True)
    ]
    named = {each.patient for each in images} - {""}
    if not named:
        return found.with_images(images, f"patients unknown: {_advice(found)}")
    lacking = sum(not each.patient for each in images)
    if lacking:
        # a table with gaps: nobody knows whether these are further images of the others
        raise InputError(
            f"patients: {counted(lacking, 'image')} of {len(images)} "
            f"{'has' if lacking == 1 else 'have'} none, such as "
            f"'{next(each.image for each in images if not each.patient)}'; fill them in, or take "
            "--patients unknown"
        )
    return found.with_images(images, f"{counted(len(named), 'patient')}, {how}", _mixed(images))


def _are_unread(found: FoundSet, patients: Sequence[str]) -> bool:
    """Whether all images without a patient cannot be read, so that they will be left out."""
    lacking = [each.image for each, name in zip(found.images, patients, strict=True) if not name]
    looks = image_looks(str(found.folder.path), lacking, [()] * len(lacking)) if lacking else []
    return all(look.fault for look in looks)


def _advice(found: FoundSet) -> str:
    """What unknown patients mean, and how to name them."""
    said = "images of one person may lie on two sides of a split"
    folders = sorted({each.below for each in found.images} - {""})
    if len(folders) > 1 and not found.has_table:
        return f"{said}; if folders such as '{folders[0]}' are patients: --patients folder"
    return f"{said}; --patient-from reads them off file names"


def _asked(images: Sequence[FoundImage], ask: Ask) -> tuple[str | None, str | None]:
    names = ", ".join(each.image for each in images[:SHOWN])
    question = (
        f"Whose images are these ({names}, ...)? Type a regular expression whose group ( ) is the "
        "patient, or: folder (one folder a patient), or: unknown"
    )
    answer = ask(question).strip() or UNKNOWN
    return (answer, None) if answer in (UNKNOWN, FOLDER) else (None, answer)


def _matched(found: FoundSet, pattern: str) -> list[str]:
    expression = expression_with_group("--patient-from", pattern)
    patients, lost = [], []
    for each in found.images:
        match = expression.search(each.image)
        parts = [part for part in match.groups() if part] if match else []
        patients.append("-".join(parts))
        if not parts:
            lost.append(each.image)
    if lost:
        few = ", ".join(f"'{name}'" for name in lost[:SHOWN])
        raise InputError(
            f"--patient-from {pattern}: does not match {len(lost)} of {len(patients)} images, such "
            f"as {few}"
        )
    return patients


def _folders(found: FoundSet) -> list[str]:
    """The first folder around each image that names no class and is not that of all."""
    parts = [each.below.split("/") if each.below else [] for each in found.images]
    while parts and all(parts) and len({each[0] for each in parts}) == 1:
        parts = [each[1:] for each in parts]
    lost = [each.image for each, own in zip(found.images, parts, strict=True) if not own]
    if lost:
        raise InputError(
            Problem(
                f"--patients folder: {len(lost)} of {len(parts)} images lie in no folder of a "
                f"patient, such as '{lost[0]}'",
                file=str(found.folder.path),
            )
        )
    return [own[0] for own in parts]


def _mixed(images: Sequence[FoundImage]) -> str:
    """A warning where patients have images of several classes: often numbers that start anew."""
    classes: dict[str, set[str]] = defaultdict(set)
    for each in images:
        classes[each.patient].add(each.label)
    mixed = sorted(patient for patient, own in classes.items() if len(own) > 1)
    if not mixed:
        return ""
    return (
        f"{counted(len(mixed), 'patient')} (such as '{mixed[0]}') "
        f"{'has' if len(mixed) == 1 else 'have'} images of several classes; if numbers start "
        "anew in each class's folder, let a group match the class too"
    )
