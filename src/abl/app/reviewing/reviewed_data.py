"""The images of a sweep that are reviewed, with what a reader is shown of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from abl.app.image_pages.sweep_images import SweepImages, sweep_images
from abl.data.dataset import BOX, GROUP, PAIR, ROI, TOGETHER, UNIT_LABEL
from abl.data.duplicates.near_duplicates import column_of, pairs_of_rows
from abl.data.train_labels import LABEL_BEFORE, TRAIN_LABEL, given_labels
from abl.plan.outcome import Outcome
from abl.record.store import Store

SIDE = 320  # longest side of a thumbnail, pixels
DIGEST = 12  # hex digits that name the data of a review
# names of columns that may tell who a person is; parts of names, in small letters
IDENTIFYING = (
    "birth", "dob", "mrn", "ssn", "address", "phone", "email", "accession", "surname", "firstname",
    "lastname", "patient_name", "patientname", "patient_id", "patientid", "uid",
)  # fmt: skip
_OURS = {
    "image", "label", TRAIN_LABEL, "nodule", "mask", "image2", "fingerprint", "mask_fingerprint",
    "image2_fingerprint", "frame", "mask_frame", "image2_frame", "elasticity", *BOX, *ROI, PAIR,
    TOGETHER, UNIT_LABEL, LABEL_BEFORE,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class ReviewedData(SweepImages):
    """The data set of a sweep, with what readers of a review are shown of it."""

    @cached_property
    def digest(self) -> str:
        """Names the images and labels that answers are of: 12 hex digits."""
        frame = self.dataset.frame[["image", "fingerprint", "label", TRAIN_LABEL]]
        lines = sorted(json.dumps([str(each) for each in row]) for row in frame.itertuples(False))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGEST]

    @cached_property
    def labels(self) -> pd.Series:
        """Class (number) by image that is looked at: what training parts take it for, as this is
        what a review corrects; of one that trains nothing, its label.
        """
        frame = self.dataset.frame
        return pd.Series(given_labels(frame), index=frame["image"].astype(str))

    def columns(self) -> tuple[list[str], list[str]]:
        """Columns of the manifest that readers are shown, and those that are kept from them as
        their names may say who a person is.
        """
        hidden = [] if self.dataset.patients_known else ["patient"]
        names = [
            str(name)
            for name in self.dataset.frame.columns
            if name not in _OURS and name not in hidden
        ]
        if GROUP in names and TOGETHER not in self.dataset.frame:
            names.remove(GROUP)
        told = [name for name in names if _may_identify(name)]
        return [name for name in names if name not in told], told

    def metadata(self, image: str, columns: Sequence[str]) -> dict[str, str]:
        """What the manifest says of an image, by column; empty cells are left out."""
        row = self.dataset.frame.iloc[self.rows[image]]
        cells = {name: _cell(row[name]) for name in columns}
        return {name: cell for name, cell in cells.items() if cell}

    @cached_property
    def look_alikes(self) -> Mapping[str, list[tuple[str, int]]]:
        """Image -> its near-duplicates, each with its label, those of another label first."""
        frame = self.dataset.frame
        parts = [(column_of(self.dataset), np.arange(len(frame)), self.array)]
        labels = self.labels.to_numpy()
        names = frame["image"].astype(str).to_numpy()
        found: dict[str, list[tuple[str, int]]] = {}
        pairs = pairs_of_rows(self.dataset, parts)
        a, b = pairs["position_a"].to_numpy(), pairs["position_b"].to_numpy()
        for one, other in (*zip(a, b, strict=True), *zip(b, a, strict=True)):
            found.setdefault(names[one], []).append((names[other], int(labels[other])))
        own = dict(zip(names, labels, strict=True))
        return {
            name: sorted(others, key=lambda each: (each[1] == own[name], each[0]))
            for name, others in found.items()
        }


def reviewed_data(store: Store, outcome: Outcome, roots: Sequence[Path]) -> ReviewedData:
    """The images of an outcome; relative paths are of the working folder or of `roots`.

    Raises:
        InputError: They are not there, or the sweep file is of another version.
    """
    return ReviewedData(**vars(sweep_images(store, outcome, roots)))


def _may_identify(name: str) -> bool:
    plain = name.lower().replace(" ", "_").replace("-", "_")
    return plain == "name" or any(word in plain for word in IDENTIFYING)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).strip()
