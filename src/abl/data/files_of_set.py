"""The files of a data set: what a command that reads it must not write over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from abl.data.dataset import Dataset
from abl.data.masks.columns import files_named
from abl.data.medical.kinds import addressed_file


def files_in_set(dataset: Dataset, manifest: Path, folder: Path | None = None) -> Iterator[Path]:
    """The manifest of a data set, and the images and masks that it names.

    Args:
        folder: That its paths are relative to; default: the manifest's, or itself.
    """
    home = folder or (manifest if manifest.is_dir() else manifest.parent)
    yield manifest
    for column in ("image", "image2", "mask"):
        if column in dataset.frame:
            for text in (str(each) for each in dataset.frame[column].unique() if each):
                for name in files_named(home, column, text):
                    yield addressed_file(str(home), name)[0]  # a frame of a file is PATH#FRAME
