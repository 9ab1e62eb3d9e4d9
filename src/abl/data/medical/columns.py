"""What DICOM and NIfTI files add to the rows of a manifest that name them.

- image, mask, image2: PATH#FRAME where a file has several frames; columns frame, mask_frame and
  image2_frame say which, counted from 1 as the standard does. A mask of several frames without a
  mask_frame is taken at the row's frame.
- fingerprints: of the bytes, the frame and how the file is read.
- roi_x0, ..., roi_of: the tissue region of an ultrasound file, where the row has none.
- spacing_x, spacing_y (mm), spacing_of: where the row has none.
- patient: a keyed hash of PatientID, where the manifest has no such column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.checks.image_checks import FileCheck
from abl.data.dataset import ROI, ROI_OF
from abl.data.medical.facts import MedicalFacts, Wanted, medical_facts
from abl.data.medical.kinds import DICOM, frame_address
from abl.data.medical.patients import doubts_of_pairing, patients_of_files
from abl.data.tables.rows import Rows
from abl.data.tables.words import is_missing, whole_number
from abl.errors import Problem

FRAME_OF = {"image": "frame", "mask": "mask_frame", "image2": "image2_frame"}
SPACING = ("spacing_x", "spacing_y")
SPACING_OF = "spacing_of"


@dataclass
class MedicalRows:
    """The medical files of a manifest.

    Attributes:
        facts: Column of paths -> position of a row -> what its file says.
        faulty: Column of paths -> positions of rows whose file is refused.
        problems: Why, a line each.
    """

    facts: dict[str, dict[int, MedicalFacts]] = field(default_factory=dict)
    faulty: dict[str, set[int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def of(self, column: str) -> dict[int, MedicalFacts]:
        return self.facts.get(column, {})

    def addresses(self, column: str, texts: Sequence[str]) -> list[str]:
        """A column's paths with the frames that are meant; a file of one frame keeps its name."""
        found = list(texts)
        for at, each in self.of(column).items():
            if each.frames > 1:
                found[at] = frame_address(found[at], each.frame)
        return found

    def patients(
        self, rows: Rows, notes: list[str], problems: list[Problem], named: str
    ) -> dict[int, str]:
        """As `patients_of_files`."""
        return patients_of_files(rows, self.of("image"), notes, problems, named)

    def names_every_patient(self, count: int) -> bool:
        """Whether each of so many rows is an image with an ID."""
        known = [each for each in self.of("image").values() if not is_missing(each.patient)]
        return len(known) == count

    def doubts(self, patients: Sequence[str], rows: Rows) -> tuple[list[str], list[Problem]]:
        """As `doubts_of_pairing`."""
        return doubts_of_pairing(patients, rows, self.of("image"), self.of("image2"))

    def added_to(
        self, frame: pd.DataFrame, checks: Mapping[str, Sequence[FileCheck]]
    ) -> pd.DataFrame:
        """The frame with digests that say how files are read, with regions and spacing.

        Args:
            checks: Column of paths -> of each row the file's own digest.
        """
        frame = frame.copy()
        for column, of_rows in checks.items():
            name = "fingerprint" if column == "image" else f"{column}_fingerprint"
            digests = [check.digest for check in of_rows]
            for at, each in self.of(column).items():
                digests[at] = each.digest(digests[at])
            for at in self.faulty.get(column, ()):
                digests[at] = ""  # nothing opens it again
            frame[name] = digests
            if column != "image":
                frame[column] = self.addresses(column, frame[column].tolist())
        return with_regions(frame, self.of("image"))

    def notes(self) -> list[str]:
        return medical_notes(self.of("image"))


def medical_rows(
    folder: Path,
    rows: Rows,
    paths: Mapping[str, Sequence[str]],
    kinds: Mapping[str, Sequence[str]],
) -> MedicalRows:
    """Looks at the header of every medical file that rows name.

    Args:
        paths: Column -> the path of each row.
        kinds: Column of paths -> of each row DICOM, NIfTI or "".

    Raises:
        InputError: The libraries are not installed.
    """
    found = MedicalRows()
    wanted: list[Wanted] = []
    places: list[tuple[str, int]] = []
    for column, of_rows in kinds.items():
        positions = [at for at, kind in enumerate(of_rows) if kind]
        if not positions:
            continue
        frames = _frames(rows, FRAME_OF[column], positions, found.problems)
        others = _frames(rows, FRAME_OF["image"], positions, []) if column != "image" else {}
        for at in positions:
            if frames.get(at, 1) is None:
                found.faulty.setdefault(column, set()).add(at)
            else:
                is_picture = column != "mask"
                wanted.append(
                    Wanted(paths[column][at], frames.get(at), others.get(at), picture=is_picture)
                )
                places.append((column, at))
    facts = medical_facts(folder, [kinds[column][at] for column, at in places], wanted)
    for (column, at), each, asked in zip(places, facts, wanted, strict=True):
        if each.fault:
            found.faulty.setdefault(column, set()).add(at)
            found.problems.append(rows.problem(at, f"{column} '{asked.path}' {each.fault}"))
        else:
            found.facts.setdefault(column, {})[at] = each
    return found


def _frames(
    rows: Rows, column: str, positions: Sequence[int], problems: list[Problem]
) -> dict[int, int | None]:
    """Frame by position, where one is given; None where it is no whole number, which is told."""
    if column not in rows.frame:
        return {}
    found: dict[int, int | None] = {}
    texts = rows.given(column)
    for at in positions:
        if not texts[at]:
            continue
        number = whole_number(texts[at])
        if number is not None and number >= 1:
            found[at] = number
        else:
            message = f"{column} '{texts[at]}' is no number of a frame; they count from 1"
            problems.append(rows.problem(at, message))
            found[at] = None
    return found


def with_regions(frame: pd.DataFrame, facts: Mapping[int, MedicalFacts]) -> pd.DataFrame:
    """The frame with regions and spacing of its images from their files, where it has none."""
    frame = frame.copy()
    regions = {at: each.geometry.region for at, each in facts.items() if each.geometry.region}
    if regions:
        filled = _fill(frame, ROI, {at: list(map(float, region)) for at, region in regions.items()})
        frame[ROI_OF] = ["ultrasound region" if at in filled else "" for at in range(len(frame))]
    spacings = {at: each.geometry.spacing for at, each in facts.items() if each.geometry.spacing}
    if spacings:
        filled = _fill(frame, SPACING, {at: list(pair) for at, pair in spacings.items()})
        if SPACING_OF not in frame:
            words = [
                facts[at].geometry.spacing_of if at in filled else "" for at in range(len(frame))
            ]
            frame[SPACING_OF] = words
    return frame


def _fill(frame: pd.DataFrame, names: Sequence[str], values: Mapping[int, list[float]]) -> set[int]:
    """Fills rows of these columns that are empty throughout; returns their positions."""
    known = [
        pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64)
        if name in frame
        else np.full(len(frame), np.nan)
        for name in names
    ]
    table = np.stack(known, axis=1)
    empty = {at for at in values if np.isnan(table[at]).all()}
    for at in empty:
        table[at] = values[at]
    for name, column in zip(names, table.T, strict=True):
        frame[name] = column
    return empty


def medical_notes(facts: Mapping[int, MedicalFacts]) -> list[str]:
    """A sentence each: how images that are medical files were read."""
    notes = []
    dicom = [each for each in facts.values() if each.kind == DICOM]
    if dicom:
        decoders = sorted({each.rule.rpartition(" by ")[2] for each in dicom})
        shown = sorted({each.shown for each in dicom if each.shown})
        windows = f" ({'; '.join(shown[:3])}{'; ...' if len(shown) > 3 else ''})" if shown else ""
        notes.append(
            f"{_counted(len(dicom), 'image')} from DICOM, decoded by {' and '.join(decoders)}"
            f"{windows}."
        )
    regions = sum(each.geometry.region is not None for each in dicom)
    if regions:
        notes.append(
            f"The tissue region of {_counted(regions, 'ultrasound image')} is known from its file: "
            "crop: {to: roi} cuts to it where the manifest has no roi."
        )
    faults = sum(bool(each.geometry.fault) for each in dicom)
    if faults:
        notes.append(
            f"{_counted(faults, 'DICOM image')} with ultrasound regions that cannot be right, as "
            "they leave the image: neither region nor spacing is taken from them."
        )
    flipped = sum(bool(each.flipped) for each in facts.values())
    if flipped:
        notes.append(f"{_counted(flipped, 'image')} from NIfTI turned round to LPS.")
    return notes


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count:,} {what}s"
