"""Patients of DICOM images, by a keyed hash of their IDs; what is doubtful is told by file."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from abl.data.medical.facts import MedicalFacts, Wanted, medical_facts
from abl.data.medical.identity import (
    key_place,
    key_sign,
    patient_key,
    patient_name,
)
from abl.data.medical.kinds import DICOM, HEAD, medical_kind
from abl.data.tables.alike_names import alike_groups, alike_key
from abl.data.tables.rows import Rows
from abl.data.tables.words import is_missing
from abl.errors import Problem

SHOWN = 5  # pairs of files named in a note


def patients_of_files(
    rows: Rows,
    facts: Mapping[int, MedicalFacts],
    notes: list[str],
    problems: list[Problem],
    named: str,
) -> dict[int, str]:
    """Name of the patient by position; {} if no file has an ID.

    A row of a DICOM file without an ID is a problem, unless none has one.

    Args:
        named: `alike` takes IDs that look alike as one, and leaves issuers out of it.
    """
    dicom = {at: each for at, each in facts.items() if each.kind == DICOM}
    known = {at: each for at, each in dicom.items() if not is_missing(each.patient)}
    if not known:
        return {}
    images = rows.text("image")
    problems += [
        rows.problem(
            at,
            f"image '{images[at]}' has no PatientID, as others of this set do: give a manifest "
            "with a column patient",
        )
        for at in dicom
        if at not in known
    ]
    key = patient_key()
    notes.append(
        f"Patients are keyed hashes of PatientID (key {key_sign(key)} of {key_place()}); "
        "another key gives other names and with them other splits."
    )
    if named != "alike":
        notes += _doubts(known, images)
    if len(known) > 1 and len({(each.issuer, each.patient) for each in known.values()}) == 1:
        notes.append(
            "All DICOM files have one PatientID: if that stands for nobody, give a column patient."
        )
    if named == "alike":
        groups = alike_groups(sorted({each.patient for each in known.values()}))
        one_of = {name: group[0] for group in groups for name in group}
        return {
            at: patient_name("", one_of.get(each.patient, each.patient), key)
            for at, each in known.items()
        }
    return {at: patient_name(each.issuer, each.patient, key) for at, each in known.items()}


def dicom_patients(folder: Path, paths: Sequence[str]) -> list[str]:
    """Name of the patient of each file, "" of what is no DICOM file, cannot be opened or has no ID.

    Raises:
        InputError: pydicom is not installed; there is no key.
    """
    places, kinds = [], []
    for at, path in enumerate(paths):
        file = folder / path
        try:
            with file.open("rb") as opened:
                kind = medical_kind(opened.read(HEAD), file.name)
        except OSError:  # told where images are looked at
            continue
        if kind == DICOM:
            places.append(at)
            kinds.append(kind)
    names = [""] * len(paths)
    facts = medical_facts(folder, kinds, [Wanted(paths[at], otherwise=1) for at in places])
    known = [(at, each) for at, each in zip(places, facts, strict=True) if each.patient]
    for at, each in known:
        if not is_missing(each.patient):
            names[at] = patient_name(each.issuer, each.patient, patient_key())
    return names


def doubts_of_pairing(
    patients: Sequence[str],
    rows: Rows,
    facts: Mapping[int, MedicalFacts],
    second: Mapping[int, MedicalFacts],
) -> tuple[list[str], list[Problem]]:
    """Where the IDs of files and the rows of a manifest disagree about who is who.

    Args:
        patients: Of each row, as the manifest says.
        facts, second: Of images and second images, by position.

    Returns:
        A sentence each; and a problem for each frame whose file has another patient elsewhere.
    """
    images = rows.text("image")
    first_of_file: dict[str, int] = {}
    problems = []
    for at in facts:
        other = first_of_file.setdefault(images[at], at)
        if patients[other] != patients[at]:
            message = f"image '{images[at]}' has another patient in row {rows.numbers[other]}"
            problems.append(rows.problem(at, f"{message}: a file is of one"))
    known = {at: each for at, each in facts.items() if not is_missing(each.patient)}
    first_of_id: dict[tuple[str, str], int] = {}
    apart = []
    for at, each in known.items():
        other = first_of_id.setdefault((each.issuer, each.patient), at)
        if patients[other] != patients[at] and images[other] != images[at]:
            apart.append(f"'{images[other]}' and '{images[at]}'")
    notes = []
    if apart and len(first_of_id) > 1:  # one ID for all is nobody's
        notes.append(
            "Files of one PatientID have different patients in the manifest: "
            f"{_named(apart)}. Images of one person may lie on two sides of a split."
        )
    swapped = [
        f"'{images[at]}'"
        for at, each in second.items()
        if at in known
        and not is_missing(each.patient)
        and (each.issuer, each.patient) != (known[at].issuer, known[at].patient)
    ]
    if swapped:
        notes.append(f"The second image has another PatientID than the first: {_named(swapped)}.")
    return notes, problems


def _named(pairs: Sequence[str]) -> str:
    more = f", and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    return ", ".join(pairs[:SHOWN]) + more


def _doubts(known: Mapping[int, MedicalFacts], images: Sequence[str]) -> list[str]:
    """Files whose IDs are nearly one, or whose issuer is named in one of them alone."""
    first: dict[tuple[str, str], int] = {}
    for at, each in known.items():
        first.setdefault((each.issuer, each.patient), at)
    by_likeness: dict[str, list[int]] = {}
    for (_, patient), at in first.items():
        by_likeness.setdefault(alike_key(patient), []).append(at)
    pairs = []
    for several in by_likeness.values():
        for at, other in itertools.pairwise(several):
            a, b = known[at], known[other]
            if a.patient == b.patient and a.issuer and b.issuer:
                continue  # two hospitals number their patients alike
            what = (
                "one PatientID, of which one names an issuer"
                if a.patient == b.patient
                else "PatientIDs that look alike"
            )
            pairs.append(f"'{images[at]}' and '{images[other]}' have {what}")
    if not pairs:
        return []
    more = f"; and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    return [
        f"Counted as different patients, which may be wrong: {'; '.join(pairs[:SHOWN])}{more}. "
        "A column patient decides, or data: {patient_names: alike}."
    ]
