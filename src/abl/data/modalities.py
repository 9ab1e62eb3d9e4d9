"""Two images of one case: chosen, paired or mixed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pandas as pd

from abl.data.checks.second_images import (
    SECOND,
    SECOND_FINGERPRINT,
    pair_notes,
    same_file_problems,
)
from abl.data.dataset import PAIR, Concatenated, Dataset, ImageSource, SomeImages
from abl.data.images import FileSource
from abl.data.tables.rows import (
    first_of_each_kind,
    lacking_problems,
)
from abl.errors import InputError, raise_if_any


def with_modality(dataset: Dataset, modality: str, pairing: str) -> Dataset:
    """The data set of first images as `data.modality` and `data.pairing` ask for it.

    Raises:
        InputError: There are no second images, or rows lack them; each row is named.
    """
    if modality == "first":
        return dataset
    if SECOND in dataset.frame and SECOND_FINGERPRINT in dataset.frame:
        dataset = replace(dataset, notes=(*dataset.notes, *pair_notes(dataset)))
    if modality == "both":
        return paired_modalities(dataset, pairing)
    return second_modality(dataset) if modality == "second" else mixed_modalities(dataset)


def second_modality(dataset: Dataset) -> Dataset:
    """The same rows with their second images; `image` still names the pair, by its first."""
    source = _second_source(dataset)
    frame = dataset.frame.assign(fingerprint=dataset.frame[SECOND_FINGERPRINT])
    return replace(dataset, frame=frame, source=source, boxes_of=dataset.source)


def paired_modalities(dataset: Dataset, pairing: str) -> Dataset:
    """The same rows with both images: `second` decodes the second one.

    A row's fingerprint is a digest over those of both. Shuffled pairs have digests of their own:
    which images meet is drawn with the split (see `shuffled_partners`), so that their rows must
    never be taken for the true pairs. Pairing first needs no second images.
    """
    frame = dataset.frame
    if pairing == "first":
        second, others = dataset.source, frame["fingerprint"]
    else:
        second, others = _second_source(dataset), frame[SECOND_FINGERPRINT]
    mark = ["shuffled"] if pairing == "shuffled" else []
    both = [
        hashlib.sha256(json.dumps([*mark, *pair]).encode()).hexdigest()
        for pair in zip(frame["fingerprint"], others, strict=True)
    ]
    frame = frame.assign(fingerprint=both)
    return replace(dataset, frame=frame, second=second, pairing=pairing)


def mixed_modalities(dataset: Dataset) -> Dataset:
    """Twice the rows: all first images, then all second ones, which stay with their patients.

    A second image's id is its own, image2; should that be taken, "#2" is added. Column modality
    says which of the two a row is, first_image of which pair.
    """
    first = dataset.frame
    source = Concatenated(dataset.source, _second_source(dataset), len(dataset))
    taken = set(first["image"])
    ids: list[str] = []
    for name in first[SECOND].astype(str):
        while name in taken:
            name += "#2"
        taken.add(name)
        ids.append(name)
    second = first.assign(image=ids, fingerprint=first[SECOND_FINGERPRINT])
    frame = pd.concat([first, second], ignore_index=True)
    frame["modality"] = np.repeat(["first", "second"], len(first)).astype(object)
    frame[PAIR] = [*first["image"], *first["image"]]
    return replace(dataset, frame=frame, source=source)


def _second_source(dataset: Dataset) -> ImageSource:
    """Decodes the second image of each row. Raises InputError if there is none."""
    if not {SECOND, SECOND_FINGERPRINT} <= set(dataset.frame.columns):
        raise InputError(
            f"{dataset.name} has no second modality: add a column {SECOND}, "
            f"or name the one it has with columns: {{{SECOND}: ...}}"
        )
    given = dataset.frame[SECOND]
    lacking = dataset.frame.loc[given.isna() | (given.astype(str) == ""), "image"]
    text = f"has no {SECOND}, its image of the second modality"
    raise_if_any(lacking_problems(lacking, text, SECOND, SECOND))
    raise_if_any(first_of_each_kind(same_file_problems(dataset)))
    return _other_source(dataset.source, dataset)


def _other_source(source: ImageSource, dataset: Dataset) -> ImageSource:
    """What decodes second images as `source` does first ones."""
    if isinstance(source, SomeImages):
        inner = _other_source(source.source, dataset)
        # the paths of files are taken from the rows that are left
        return inner if isinstance(inner, FileSource) else replace(source, source=inner)
    if isinstance(source, FileSource):
        frame = dataset.frame
        paths, digests = tuple(frame[SECOND]), tuple(frame[SECOND_FINGERPRINT])
        return replace(source, paths=paths, digests=digests)
    from abl.data.phantom import PhantomSource  # costs what only a phantom is worth

    if isinstance(source, PhantomSource):
        return replace(source, modality="elasticity")
    raise InputError(f"{dataset.name} has no second modality that abl can read")
