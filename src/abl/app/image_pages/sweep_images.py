"""The images of a finished sweep, opened again for people to look at."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from abl.app.results import arm_predictions, kept_sweep
from abl.data.arrays import ImageArray, image_array
from abl.data.dataset import Dataset
from abl.data.images import reduced
from abl.data.load import load_dataset
from abl.errors import InputError, Problem
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.spec.sweep import Sweep

QUALITY = 75  # of the JPEG of a thumbnail
MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class SweepImages:
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
    def tested_labels(self) -> pd.Series:
        """Class (number) by image that tests are scored by."""
        return self.dataset.frame.set_index("image")["label"]

    @cached_property
    def array(self) -> ImageArray:
        """Decoded images, from the cache where a run has left them."""
        side = self.sweep.data.longest_side
        return image_array(self.dataset.without_boxes(), self.cache, longest_side=side)

    @cached_property
    def second_array(self) -> ImageArray | None:
        """Decoded second images of pairs; None where rows are single images, or where a control
        has the first image as its second.
        """
        dataset = self.dataset
        if dataset.second is None or dataset.pairing == "first":
            return None
        seconds = replace(dataset, source=dataset.second, second=None)
        side = self.sweep.data.longest_side
        return image_array(seconds.without_boxes(), self.cache, longest_side=side)

    @property
    def arrays(self) -> tuple[ImageArray, ...]:
        """Of first images and, where rows are pairs, of second ones."""
        return (self.array,) if self.second_array is None else (self.array, self.second_array)

    def class_of(self, label: int) -> str:
        """Name of a class."""
        return self.dataset.classes[label]

    def thumbnail(
        self, image: str, side: int, quality: int = QUALITY, *, of: ImageArray | None = None
    ) -> str:
        """A JPEG of the whole image as a data URI, its longer side of `side` pixels at most.

        Args:
            of: One of `arrays`; None: of first images.
        """
        pixels = (of or self.array).image(self.rows[image])
        return jpeg_uri(reduced(np.squeeze(pixels), side), quality)

    def thumbnail_size(
        self, image: str, side: int, *, of: ImageArray | None = None
    ) -> tuple[int, int]:
        """Width and height of an image's thumbnail, pixels."""
        sizes = (of or self.array).sizes
        height, width = (int(each) for each in sizes[self.rows[image], :2])
        scale = min(1.0, side / max(height, width))
        return max(1, round(width * scale)), max(1, round(height * scale))


_PLACES = ("data.manifest", "data.set", "data.images")  # what says that data are not there


def sweep_images(
    store: Store, outcome: Outcome, roots: Sequence[Path], *, pairs: bool = False
) -> SweepImages:
    """The images of an outcome; relative paths are of the working folder or of `roots`.

    Args:
        pairs: Whether second images are opened too where the networks see the first ones alone.

    Raises:
        InputError: They are not there, or the sweep file is of another version; with `pairs`, there
            are no second images, or the samples of the sweep are second ones.
    """
    sweep, _ = kept_sweep(store, outcome)
    if pairs and sweep.data.modality not in ("first", "both"):
        raise InputError(
            f"--pairs: the samples of {outcome.name} are second images (data.modality: "
            f"{sweep.data.modality}): leave it out"
        )
    if pairs:
        both = sweep.data.with_changes({"modality": "both", "pairing": "own"})
        sweep = sweep.model_copy(update={"data": both})
    try:
        dataset = load_dataset(sweep.data, base=Path.cwd(), roots=roots)
    except InputError as error:
        if not any(each.message.startswith(_PLACES) for each in error.problems):
            raise  # its data are there, and have faults of their own
        advice = (
            f"the images of {outcome.name} are needed: start in the folder of its sweep file, or "
            "give that folder with --data"
        )
        raise InputError([*error.problems, Problem(advice)]) from None
    return SweepImages(sweep, replace(dataset, notes=()), store.cache)


def predictions_on_test(store: Store, outcome: Outcome) -> pd.DataFrame:
    """The test predictions by image of all arms, as `arm_predictions`.

    Raises:
        InputError: What is scored are not images; none are kept.
    """
    if (unit := outcome.facts.unit or "image") != "image":
        raise InputError(
            f"{outcome.name} scores {unit}s (data.unit: {unit}): people look at single images; run "
            "it with data: {unit: image}"
        )
    frame = arm_predictions(store, outcome)
    frame = frame if frame.empty else frame[(frame["role"] == "test").to_numpy()]
    if frame.empty:
        raise InputError(
            f"{outcome.name}: no test predictions by image are kept: `abl sweep FILE` makes them"
        )
    return frame


def refuse_other_data(outcome: Outcome, data: SweepImages, tested: pd.DataFrame, then: str) -> None:
    """Raises InputError if the images on the disk are not those that were scored.

    Args:
        tested: As `predictions_on_test` gives them.
        then: What is to be done once the sweep was run again.
    """
    scored = tested.drop_duplicates("unit").set_index("unit")["label"]
    scored.index = scored.index.astype(str)
    gone = [name for name in scored.index if name not in data.rows]
    now = data.tested_labels.reindex(scored.index)
    other = [] if gone else scored.index[(now != scored).to_numpy()].tolist()
    for names, what in ((gone, "are not in the data any more"), (other, "have another label now")):
        if names:
            shown = ", ".join(names[:MOST_NAMED])
            more = f", and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            raise InputError(
                f"{outcome.name}: {len(names)} of its test images {what} ({shown}{more}): run the "
                f"sweep again, then {then}"
            )


def jpeg_uri(pixels: np.ndarray, quality: int = QUALITY) -> str:
    """uint8 (H, W) or (H, W, 3) as the data URI of a JPEG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
