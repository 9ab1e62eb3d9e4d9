"""Patients of DICOM images, by a keyed hash of their IDs; what is doubtful is told by file."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from abl.data.medical.facts import MedicalFacts
from abl.data.medical.identity import (
    alike,
    is_no_patient,
    key_place,
    key_sign,
    patient_key,
    patient_name,
)
from abl.data.medical.kinds import DICOM
from abl.data.tables import Rows
from abl.errors import Problem

SHOWN = 5  # pairs of files named in a note


def patients_of_files(
    rows: Rows, facts: Mapping[int, MedicalFacts], notes: list[str], problems: list[Problem]
) -> dict[int, str]:
    """Name of the patient by position; {} if no file has an ID.

    A row of a DICOM file without an ID is a problem, unless none has one.
    """
    dicom = {at: each for at, each in facts.items() if each.kind == DICOM}
    known = {at: each for at, each in dicom.items() if not is_no_patient(each.patient)}
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
    notes += _doubts(known, images)
    if len(known) > 1 and len({(each.issuer, each.patient) for each in known.values()}) == 1:
        notes.append(
            "All DICOM files have one PatientID: if that stands for nobody, give a column patient."
        )
    return {at: patient_name(each.issuer, each.patient, key) for at, each in known.items()}


def _doubts(known: Mapping[int, MedicalFacts], images: Sequence[str]) -> list[str]:
    """Files whose IDs are nearly one, or whose issuer is named in one of them alone."""
    first: dict[tuple[str, str], int] = {}
    for at, each in known.items():
        first.setdefault((each.issuer, each.patient), at)
    by_likeness: dict[str, list[int]] = {}
    for (_, patient), at in first.items():
        by_likeness.setdefault(alike(patient), []).append(at)
    pairs = []
    for several in by_likeness.values():
        for at, other in itertools.pairwise(several):
            a, b = known[at], known[other]
            if a.patient == b.patient and a.issuer and b.issuer:
                continue  # two hospitals number their patients alike
            what = (
                "one PatientID, of which one names an issuer"
                if a.patient == b.patient
                else "PatientIDs that differ in zeros in front, spaces, case or kind of letters"
            )
            pairs.append(f"'{images[at]}' and '{images[other]}' have {what}")
    if not pairs:
        return []
    more = f"; and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    return [
        f"Counted as different patients, which may be wrong: {'; '.join(pairs[:SHOWN])}{more}. "
        "A column patient decides."
    ]
