"""The images of a sweep that are reviewed: opened again, with what a reader is shown of them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from abl.app.results import kept_sweep
from abl.data.arrays import ImageArray, image_array
from abl.data.dataset import BOX, GROUP, PAIR, ROI, TOGETHER, UNIT_LABEL, Dataset
from abl.data.duplicates.near_duplicates import column_of, pairs_of_rows
from abl.data.images import reduced
from abl.data.load import load_dataset
from abl.data.train_labels import LABEL_BEFORE, TRAIN_LABEL, given_labels
from abl.errors import InputError, Problem
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.spec.sweep import Sweep

SIDE = 320  # longest side of a thumbnail, pixels
QUALITY = 75  # of its JPEG
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
class ReviewedData:
    """The data set of a sweep, as it lies on the disk now.

    Attributes:
        cache: The store's cache of decoded images.
    """

    sweep: Sweep
    dataset: Dataset
    cache: Path

    @cached_property
    def rows(self) -> dict[str, int]:
        """Image -> its row of the data set."""
        return {str(name): at for at, name in enumerate(self.dataset.frame["image"])}

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

    @cached_property
    def tested_labels(self) -> pd.Series:
        """Class (number) by image that tests are scored by."""
        return self.dataset.frame.set_index("image")["label"]

    @cached_property
    def array(self) -> ImageArray:
        """Decoded images, from the cache where a run has left them."""
        side = self.sweep.data.longest_side
        return image_array(self.dataset.without_boxes(), self.cache, longest_side=side)

    def class_of(self, label: int) -> str:
        """Name of a class."""
        return self.dataset.classes[label]

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

    def thumbnail(self, image: str) -> str:
        """A small JPEG as a data URI."""
        pixels = reduced(np.squeeze(self.array.image(self.rows[image])), SIDE)
        return jpeg_uri(pixels)

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
    sweep, _ = kept_sweep(store, outcome)
    try:
        dataset = load_dataset(sweep.data, base=Path.cwd(), roots=roots)
    except InputError as error:
        advice = (
            f"the images of {outcome.name} are needed: start in the folder of its sweep file, or "
            "give that folder with --data"
        )
        raise InputError([*error.problems, Problem(advice)]) from None
    return ReviewedData(sweep, replace(dataset, notes=()), store.cache)


def jpeg_uri(pixels: np.ndarray) -> str:
    """uint8 (H, W) or (H, W, 3) as the data URI of a JPEG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _may_identify(name: str) -> bool:
    plain = name.lower().replace(" ", "_").replace("-", "_")
    return plain == "name" or any(word in plain for word in IDENTIFYING)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).strip()


def thumbnail_size(data: ReviewedData, image: str) -> tuple[int, int]:
    """Width and height of an image's thumbnail, pixels."""
    height, width = (int(each) for each in data.array.sizes[data.rows[image], :2])
    scale = min(1.0, SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))
