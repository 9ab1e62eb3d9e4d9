"""What a manifest is told of each medical file that it names, from headers alone.

Made in other processes where there are many; module and results are free of pandas.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from abl.data.medical.dicom_display import display_of, palette_of
from abl.data.medical.dicom_format import GDCM, GREY, PALETTE, syntax_name
from abl.data.medical.dicom_geometry import Geometry, geometry_of
from abl.data.medical.dicom_header import opened_dicom
from abl.data.medical.elements import word
from abl.data.medical.identity import patient_of
from abl.data.medical.kinds import DICOM, NIFTI, MedicalFileError, library
from abl.data.medical.nifti import nifti_plane
from abl.data.medical.reading import several_frames
from abl.data.workers import mapped, processes_for

RULES = {DICOM: 1, NIFTI: 1}  # raise it when a file of this kind is read in another way
WORTH, CHUNK = 2000, 64  # files worth the start of a process; files a job
MODALITIES = frozenset(
    (
        *("US", "IVUS", "BDUS", "CR", "DX", "MG", "IO", "PX", "CT", "MR", "PT", "NM", "XA", "RF"),
        *("XC", "ES", "GM", "SM", "OP", "OPT", "OCT", "SC", "OT", "SEG", "DG"),
    )
)
UNKNOWN = "another modality"


@dataclass(frozen=True)
class Wanted:
    """A frame that a row asks for.

    Attributes:
        path: As the manifest writes it.
        frame: From 1; None if the row does not say.
        otherwise: What it is then, should the file have several: the frame of the row's image.
        picture: False for a mask, whose values are read as they are stored.
    """

    path: str
    frame: int | None = None
    otherwise: int | None = None
    picture: bool = True


@dataclass(frozen=True)
class MedicalFacts:
    """What a header says of one frame.

    Attributes:
        fault: Why it is not read, "" if it is; then nothing else is known.
        kind: DICOM or NIfTI.
        frame, frames, held: Which one, of how many, and how many the pixels would make.
        rule: What enters the digest: kind, version of the rule, decoder.
        modality: A term of the standard, or UNKNOWN.
        stored: Colours and compression, in words.
        shown: The window, in words; "" of colours.
        bits: Stored of each sample.
        geometry: Region and spacing.
        flipped: Letters of NIfTI axes that are turned round.
        burned_in: It says that text is burnt into the pixels.
        patient, issuer: Never to be written or told.
    """

    fault: str = ""
    kind: str = ""
    frame: int = 1
    frames: int = 1
    held: int = 1
    rule: str = ""
    modality: str = ""
    stored: str = ""
    shown: str = ""
    bits: int = 8
    geometry: Geometry = field(default_factory=Geometry)
    flipped: str = ""
    burned_in: bool = False
    patient: str = field(default="", repr=False)
    issuer: str = field(default="", repr=False)

    def digest(self, of_bytes: str) -> str:
        """SHA-256 (hex) of a file's own digest, of its frame and of how it is read."""
        return hashlib.sha256(json.dumps([of_bytes, self.rule, self.frame]).encode()).hexdigest()


def medical_facts(
    folder: Path, kinds: Sequence[str], wanted: Sequence[Wanted]
) -> list[MedicalFacts]:
    """The facts of each frame wanted; `kinds` says of each whether it is DICOM or NIfTI.

    Raises:
        InputError: The libraries are not installed.
        StageError: A process died.
    """
    # one look at a file, however many of its frames are wanted
    jobs: dict[tuple[str, str], list[int]] = {}
    for position, (kind, each) in enumerate(zip(kinds, wanted, strict=True)):
        jobs.setdefault((kind, each.path), []).append(position)
    files = list(jobs.items())
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    look = partial(_looked_at, str(folder), list(wanted))
    found: dict[int, MedicalFacts] = {}
    for part in mapped(look, chunks, processes_for(len(files), worth=WORTH)):
        found |= part
    return [found[position] for position in range(len(wanted))]


def _looked_at(
    folder: str, wanted: Sequence[Wanted], files: list[tuple[tuple[str, str], list[int]]]
) -> dict[int, MedicalFacts]:
    found: dict[int, MedicalFacts] = {}
    for (kind, path), positions in files:
        asked = [wanted[position] for position in positions]
        try:
            facts = (_of_dicom if kind == DICOM else _of_nifti)(Path(folder, path), asked)
        except MedicalFileError as error:
            facts = [MedicalFacts(fault=str(error))] * len(asked)
        found |= dict(zip(positions, facts, strict=True))
    return found


def _frame(asked: Wanted, frames: int) -> int:
    """Which frame is meant; MedicalFileError if that is not said, or is none of the file's."""
    frame = asked.frame if asked.frame is not None else asked.otherwise if frames > 1 else 1
    if frame is None:
        raise MedicalFileError(several_frames(frames))
    if not 1 <= frame <= frames:
        has = f"frames 1 to {frames}" if frames > 1 else "1 frame"
        raise MedicalFileError(f"has {has} (counted from 1), and no frame {frame}")
    return frame


def _of_dicom(path: Path, asked: Sequence[Wanted]) -> list[MedicalFacts]:
    found = []
    with opened_dicom(path) as (header, stored):
        if stored.decoder == GDCM:
            library(GDCM, DICOM)  # told here, once, and not of every picture
        modality = word(header, "Modality")
        patient, issuer = patient_of(header)
        for each in asked:
            try:
                frame, shown = _frame(each, stored.frames), ""
                if each.picture and stored.photometric in GREY:
                    shown = display_of(header, stored, frame).words
                elif each.picture and stored.photometric == PALETTE:
                    palette_of(header, stored)
            except MedicalFileError as error:
                found.append(MedicalFacts(fault=str(error)))
                continue
            found.append(
                MedicalFacts(
                    kind=DICOM,
                    frame=frame,
                    frames=stored.frames,
                    held=stored.held,
                    rule=_rule(DICOM, stored.decoder, "picture" if each.picture else "values"),
                    modality=modality if modality in MODALITIES else UNKNOWN,
                    stored=f"{stored.photometric}, {syntax_name(stored.syntax)} "
                    f"by {stored.decoder}",
                    shown=shown,
                    bits=stored.bits,
                    geometry=geometry_of(header, stored, frame),
                    burned_in=word(header, "BurnedInAnnotation") == "YES",
                    patient=patient,
                    issuer=issuer,
                )
            )
    return found


def _of_nifti(path: Path, asked: Sequence[Wanted]) -> list[MedicalFacts]:
    plane, found = nifti_plane(path), []
    for each in asked:
        try:
            frame = _frame(each, plane.frames)
        except MedicalFileError as error:
            found.append(MedicalFacts(fault=str(error)))
            continue
        spacing = plane.spacing
        found.append(
            MedicalFacts(
                kind=NIFTI,
                frame=frame,
                frames=plane.frames,
                held=plane.frames,
                rule=_rule(NIFTI, "nibabel", "picture" if each.picture else "values"),
                geometry=Geometry(spacing=spacing, spacing_of=NIFTI if spacing else ""),
                flipped=plane.flipped,
            )
        )
    return found


def _rule(kind: str, decoder: str, what: str) -> str:
    return f"{kind} {RULES[kind]}, {what} by {decoder}"
