"""Decodes the masks of a data set: files united by row, or those of a generated set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from abl.data.dataset import Concatenated, Dataset, ImageSource, SomeImages
from abl.data.images import FileSource
from abl.data.masks.columns import mask_paths
from abl.data.masks.files import mask_values
from abl.data.masks.reading import ReadMask, read_mask
from abl.data.masks.rule import MaskDoubtError, MaskRule
from abl.errors import InputError, Problem, raise_if_any


@dataclass(frozen=True)
class MaskFiles:
    """The masks of rows, each united from its files; an ImageSource.

    Attributes:
        digests: Hex, of the files of each row and how they are read.
    """

    folder: str
    files: tuple[tuple[str, ...], ...]
    rule: MaskRule
    grounds: frozenset[str]
    digests: tuple[str, ...]

    def decode(self, position: int) -> np.ndarray:
        """uint8 (H, W): nodule 255. Raises InputError, which names a file."""
        return np.where(united_mask(self, position)[0], np.uint8(255), np.uint8(0))

    def fingerprints(self) -> list[str]:
        return list(self.digests)


def united_mask(source: MaskFiles, position: int) -> tuple[np.ndarray, list[ReadMask]]:
    """bool (H, W): what is nodule in any mask of a row; and the masks.

    Raises:
        InputError: Masks that cannot be read, are not clear or of several sizes, each named.
    """
    problems: list[Problem] = []
    read: list[ReadMask] = []
    for file in source.files[position]:
        try:
            read.append(read_mask(mask_values(source.folder, file), source.rule, source.grounds))
        except MaskDoubtError as error:
            problems.append(Problem(str(error), file=file))
        except InputError as error:
            problems += error.problems
    sizes = {each.nodule.shape[::-1] for each in read}
    if len(sizes) > 1:
        shown = " and ".join(f"{width} x {height}" for width, height in sorted(sizes))
        text = f"is not of the size of the row's other masks: {shown} pixels"
        problems.append(Problem(text, file=source.files[position][-1]))
    raise_if_any(problems)
    return np.logical_or.reduce([each.nodule for each in read]), read


def mask_source(
    dataset: Dataset, rows: np.ndarray, marks: Sequence[str], grounds: frozenset[str]
) -> ImageSource:
    """Decodes the masks of these rows: uint8 (H, W), nodule 255.

    Args:
        marks, grounds: Of the whole data set, see `MaskReadings`.
    """
    folder = folder_of(dataset.source)
    if folder is None:
        return _generated(dataset, rows)
    frame = dataset.frame.iloc[rows]
    digests = [
        hashlib.sha256(f"{digest} {mark}".encode()).hexdigest() if mark else digest
        for digest, mark in zip(
            frame["mask_fingerprint"], (marks[row] for row in rows), strict=True
        )
    ]
    files = tuple(mask_paths(folder, text) for text in frame["mask"].astype(str))
    return MaskFiles(folder, files, dataset.mask_rule, grounds, tuple(digests))


def _generated(dataset: Dataset, rows: np.ndarray) -> ImageSource:
    source, positions = dataset.source, rows
    while isinstance(source, SomeImages):
        positions = np.asarray(source.positions)[positions]
        source = source.source
    from abl.data.phantom import PhantomSource  # costs what only a phantom is worth

    if isinstance(source, PhantomSource):
        kept = tuple(int(position) for position in positions)
        return SomeImages(replace(source, modality="mask"), kept)
    raise InputError(f"{dataset.name} has no masks that abl can read")


def folder_of(source: ImageSource) -> str | None:
    """The folder that paths are relative to; None of images that are generated."""
    if isinstance(source, SomeImages):
        return folder_of(source.source)
    if isinstance(source, Concatenated):
        return folder_of(source.first)
    return source.folder if isinstance(source, FileSource) else None
