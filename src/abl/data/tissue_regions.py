"""The tissue regions of decoded images, found once and kept on disk beside them.

Free of pandas and torch, as ragged.py is and for the same reason.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from abl.data.ragged import RaggedImages
from abl.data.tissue import tissue_region
from abl.data.workers import chunks, mapped

FILE = "regions.npy"
FOUND = 200  # images worth the start of a process
CHUNK = 32  # images a job


def write_regions(folder: Path, images: Path, *, workers: int) -> None:
    """Writes regions.npy, int64 (N, 4): x0, y0, x1, y1; zeros where nothing is found.

    Args:
        folder: Where regions.npy goes.
        images: A folder that RaggedImages opens.
        workers: Processes.
    """
    count = len(RaggedImages(images))
    found = partial(_regions_of_chunk, images)
    regions = [each for part in mapped(found, chunks(count, CHUNK), workers) for each in part]
    np.save(folder / FILE, np.array(regions, dtype=np.int64).reshape(-1, 4))


def read_regions(folder: Path) -> np.ndarray:
    """int64 (N, 4) of a folder that `write_regions` has filled."""
    regions: np.ndarray = np.load(folder / FILE)
    return regions


def _regions_of_chunk(images: Path, positions: range) -> list[tuple[int, int, int, int]]:
    source = RaggedImages(images)
    return [tissue_region(source.image(position)) or (0, 0, 0, 0) for position in positions]
