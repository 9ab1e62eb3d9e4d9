"""The files that a manifest names: that they are there, below its folder, and whole."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from abl.data.crops import box_problems
from abl.data.dataset import Dataset, ImageSource
from abl.data.images import FileSource, decoded_file
from abl.data.workers import chunks, mapped, processes_for
from abl.errors import InputError, Problem

ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")  # as on Linux, and as on Windows
UPWARDS = re.compile(r"(^|[/\\])\.\.($|[/\\])")
READERS = 16  # threads that wait for the disk; hashing holds no lock
DECODED = 200  # images worth the start of a process
CHUNK = 32  # images a job


@dataclass(frozen=True)
class FileCheck:
    """A file of a manifest: the SHA-256 of its bytes in hex, or what is wrong with it."""

    digest: str = ""
    fault: str = ""


def checked_files(folder: Path, paths: Sequence[str]) -> list[FileCheck]:
    """Each file hashed, or its fault; an empty path has neither. Nothing is decoded."""
    real = os.path.realpath(folder)

    @functools.cache
    def is_inside(parent: str) -> bool:
        return Path(os.path.realpath(parent)).is_relative_to(real)

    def check(path: str) -> FileCheck:
        if not path:
            return FileCheck()
        if ABSOLUTE.match(path):
            return FileCheck(fault="is absolute; give it relative to the manifest's folder")
        if UPWARDS.search(path):
            return FileCheck(fault="leaves the manifest's folder ('..')")
        try:
            file = Path(real, path)
            target = os.path.realpath(file) if file.is_symlink() else str(file)
            if not is_inside(os.path.dirname(target)):  # noqa: PTH120 - a cached string
                return FileCheck(fault="is a link that leaves the manifest's folder")
            content = file.read_bytes()
        except FileNotFoundError:
            windows = "\\" in path and Path(real, path.replace("\\", "/")).exists()
            return FileCheck(fault="no such file" + ("; write / for \\" if windows else ""))
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return FileCheck(fault=f"cannot be read: {reason}")
        if not content:
            return FileCheck(fault="is empty (0 bytes)")
        return FileCheck(digest=hashlib.sha256(content).hexdigest())

    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(check, paths))


def check_images(dataset: Dataset, *, workers: int | None = None) -> list[Problem]:
    """Decodes every image and mask, keeps none: what cannot be read, boxes and masks that misfit.

    Args:
        dataset: From any source.
        workers: Processes; None is one a CPU.

    Returns:
        A problem for each fault, in the order of the rows, naming the file.
    """
    frame = dataset.frame
    masks = frame["mask"].tolist() if "mask" in frame else []
    count = len(dataset)
    problems: list[Problem] = []
    sizes: list[tuple[int, int]] = []
    check = partial(_checked_chunk, dataset.source, masks)
    processes = processes_for(workers, count, worth=DECODED)
    for chunk_sizes, faults in mapped(check, chunks(count, CHUNK), processes):
        sizes.extend(chunk_sizes)
        problems.extend(faults)
    heights, widths = np.array(sizes, dtype=np.int64).T
    readable = heights > 0
    problems.extend(box_problems(frame[readable], heights[readable], widths[readable]))
    return problems


def _checked_chunk(
    source: ImageSource, masks: list[str], positions: range
) -> tuple[list[tuple[int, int]], list[Problem]]:
    """(height, width) of each image, (0, 0) where it cannot be read, and the faults."""
    sizes: list[tuple[int, int]] = []
    problems: list[Problem] = []
    for position in positions:
        try:
            height, width = source.decode(position).shape[:2]
        except InputError as error:
            problems.extend(error.problems)
            sizes.append((0, 0))
            continue
        sizes.append((height, width))
        if not masks or not masks[position] or not isinstance(source, FileSource):
            continue
        try:
            mask = decoded_file(source.folder, masks[position])
        except InputError as error:
            problems.extend(error.problems)
            continue
        if mask.shape[:2] != (height, width):
            message = f"mask is {mask.shape[1]} x {mask.shape[0]}, its image {width} x {height}"
            problems.append(Problem(message, file=masks[position]))
    return sizes, problems
