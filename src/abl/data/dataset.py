"""What a data set is to the rest of the package: a frame, one row an image, and a decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from abl.data.masks.rule import AS_THEY_ARE, MaskRule
from abl.errors import Problem

if TYPE_CHECKING:  # processes that only decode need not import pandas
    import pandas as pd

BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
ROI = ("roi_x0", "roi_y0", "roi_x1", "roi_y1")
ROI_OF = "roi_of"  # what a region is from, "" where the manifest says it
UNIT_LABEL = "unit_label"  # class of a row's unit, where some unit has images of several
GROUP = "group"  # images that stay together in splits, and are no one patient
TOGETHER = "kept_together"  # patients joined by groups, where there are groups (see groups.py)
PAIR = "first_image"  # of a mixed set: id of the first image of a row's pair; in no other set


class ImageSource(Protocol):
    """Where pixels come from. Picklable, so that processes can decode in parallel."""

    def decode(self, position: int) -> np.ndarray:
        """Image at a row of the frame: uint8 (H, W), or (H, W, 3) if it has colour.

        Raises:
            InputError: The image cannot be read; its file is named.
        """
        ...

    def fingerprints(self) -> list[str]:
        """Hex digests, one an image: equal only if the pixels are."""
        ...


@dataclass(frozen=True)
class LeftOut:
    """Rows of a source that a data block leaves out, and the patients of whom none is left.

    Attributes:
        why: In a few words: `centre is not A`, `no mask`.
    """

    why: str
    images: int
    patients: int


@dataclass(frozen=True)
class Dataset:
    """Images with labels and patients.

    Attributes:
        frame: One row an image, RangeIndex. Columns: image (str, unique), label (int64),
            train_label (int64; differs from label only where label noise is planted), patient,
            nodule, fingerprint (str). Optional: centre, mask, image2 (str); box_x0, box_y0
            (inclusive), box_x1, box_y1 (exclusive), roi_x0, ... (float64, pixels of the decoded
            image, nan where unknown); any other column as the source has it. Only where both
            images of each pair are samples (see load.py): modality (first or second),
            first_image (id of the first of the pair). Only where a row has a group: group (str, ""
            where there is none), kept_together. Only where scored patients or nodules have
            images of several classes: unit_label (see unit_labels.py).
        classes: Names of labels 0, 1, ...
        notes: What was assumed, a sentence each, for the person who reads a table.
        second: Decodes the second image of a row, where rows are pairs; else None.
        pairing: What is second in a pair: own, first, shuffled (which is drawn with the split:
            `second` decodes the row's own).
        boxes_of: The images whose pixels boxes are in; None if they are those of `source`.
        file: The manifest, for messages; "" if there is none.
        rows: Image -> its row in that file.
        left_out: What the data block leaves out of the source, in its order.
        patients_known: Whether the source names patients; if not, each image is taken as one.
        mask_rule: What the data block says of its masks.
    """

    name: str
    frame: pd.DataFrame
    source: ImageSource
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    second: ImageSource | None = None
    pairing: str = "own"
    boxes_of: ImageSource | None = None
    file: str = ""
    rows: Mapping[str, int] = field(default_factory=dict, repr=False)
    left_out: tuple[LeftOut, ...] = ()
    patients_known: bool = True
    mask_rule: MaskRule = AS_THEY_ARE

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def clusters(self) -> str:
        """What is kept together in splits and resampled for intervals, in a word: patient, group
        (of patients or images), or image where patients are not known.
        """
        if TOGETHER in self.frame:
            return "group"
        return "patient" if self.patients_known else "image"

    def problem(self, position: int, message: str, file: str) -> Problem:
        """A fault of a file that a row names: told at its row of the manifest, if there is one.

        Args:
            message: To be put behind the file's name.
            file: As the manifest writes it.
        """
        names = self.frame[PAIR if PAIR in self.frame else "image"]
        row = self.rows.get(str(names.iloc[position]))
        if row is None:
            return Problem(message, file=file)
        return Problem(f"'{file}' {message}", file=self.file, line=row)

    def without_boxes(self) -> Dataset:
        """The same where no box is read: those in other images' pixels would have these decoded."""
        boxes = [name for name in (*BOX, *ROI) if name in self.frame]
        return replace(self, frame=self.frame.drop(columns=boxes))

    def having(self, keep: np.ndarray, note: str = "", *, why: str = "") -> Dataset:
        """The rows where `keep` (bool, one a row) holds; a note says why the others are not.

        With `why`, in a few words, those are counted as left out of the source.
        """
        positions = np.flatnonzero(keep)
        kept = tuple(positions.tolist())

        def some(source: ImageSource | None) -> ImageSource | None:
            return None if source is None else SomeImages(source, kept)

        return replace(
            self,
            frame=self.frame.iloc[positions].reset_index(drop=True),
            source=SomeImages(self.source, kept),
            notes=(*self.notes, note) if note else self.notes,
            second=some(self.second),
            boxes_of=some(self.boxes_of),
            left_out=(*self.left_out, *self._lost(keep, why)),
        )

    def _lost(self, keep: np.ndarray, why: str) -> list[LeftOut]:
        images = int((~keep).sum())
        if not why or not images:
            return []
        patients = self.frame["patient"]
        return [LeftOut(why, images, patients.nunique() - patients[keep].nunique())]


@dataclass(frozen=True)
class SomeImages:
    """Some images of another source, in a given order."""

    source: ImageSource
    positions: tuple[int, ...]

    def decode(self, position: int) -> np.ndarray:
        return self.source.decode(self.positions[position])

    def fingerprints(self) -> list[str]:
        every = self.source.fingerprints()
        return [every[position] for position in self.positions]


@dataclass(frozen=True)
class Concatenated:
    """The images of one source, `start` in number, then those of another."""

    first: ImageSource
    second: ImageSource
    start: int

    def decode(self, position: int) -> np.ndarray:
        if position < self.start:
            return self.first.decode(position)
        return self.second.decode(position - self.start)

    def fingerprints(self) -> list[str]:
        return self.first.fingerprints() + self.second.fingerprints()


def unit_names(frame: pd.DataFrame, unit: str) -> pd.Series:
    """Unit of each image; `unit` is image, nodule (numbered within its patient) or patient."""
    if unit == "nodule":
        return frame["patient"].astype(str) + "/" + frame["nodule"].astype(str)
    return frame[unit].astype(str)
