"""Everything that is wrong with the files, images and boxes of a data set, each with its row."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from abl.data.bit_depth import bits_word, hears_bits, may_be_sixteen_bits
from abl.data.checks.second_images import SECOND, second_file_problems, second_files
from abl.data.crops import box_problems
from abl.data.dataset import BOX, PAIR, ROI, Concatenated, Dataset, ImageSource, SomeImages
from abl.data.images import FileSource, file_size
from abl.data.masks.columns import mask_paths
from abl.data.masks.files import mask_values
from abl.data.masks.masks_read import masks_read
from abl.data.masks.rule import MaskRule
from abl.data.medical.kinds import HEAD, medical_kind
from abl.data.tables.rows import first_of_each_kind
from abl.data.workers import mapped, processes_for
from abl.errors import InputError, Problem
from abl.spec.limits import IMAGE_MB, too_large
from abl.spec.yaml_file import open_regular, read_regular

UPWARDS_FAULT = (
    "leaves the manifest's folder ('..'): put the manifest above all images, with paths from there"
)
DECODED, OPENED = 200, 5000  # images worth the start of a process
CHUNK = 32  # images a job

Size = tuple[int, int]  # height, width; (0, 0) of what cannot be read
Fault = tuple[int, str, str]  # row of the frame, file, what is wrong with it


def check_images(dataset: Dataset, *, decode: bool = True) -> list[Problem]:
    """What cannot be read, boxes that leave their image, masks of another size than theirs.

    Nothing is kept or written.

    Args:
        decode: False opens only images with a box or a mask, and reads no pixels but of masks: in
            a fraction of the time it finds what does not fit.

    Returns:
        A problem for each fault, in the order of the rows; of very many of a kind the first.
    """
    frame = dataset.frame
    masks = frame["mask"].fillna("").astype(str).tolist() if "mask" in frame else [""] * len(frame)
    is_first = np.ones(len(frame), bool)
    if PAIR in frame:  # masks and boxes are those of the first image
        is_first = (frame["image"] == frame[PAIR]).to_numpy(bool)
    place = _place_of(dataset.source, 0)
    folder = None if place is None else place[0]
    wanted = np.ones(len(frame), bool)
    if folder is None:
        masks = [""] * len(frame)
    if not decode:
        boxed = [name for name in (*BOX, *ROI) if name in frame]
        wanted = np.array([mask != "" for mask in masks], bool) | (
            frame[boxed].notna().any(axis=1).to_numpy(bool)
        )
        wanted &= is_first & (folder is not None)
    positions = np.flatnonzero(wanted)
    masks = [mask if first else "" for mask, first in zip(masks, is_first, strict=True)]
    second = dataset.second if decode else None
    has_second = np.full(len(frame), second is not None)
    if decode and second is None:
        second, has_second = second_files(dataset)
    sources = _Sources(dataset.source, second, has_second.tolist(), dataset.boxes_of)
    look = partial(_looked, sources, folder or "", masks, decode)
    jobs = [positions[at : at + CHUNK].tolist() for at in range(0, len(positions), CHUNK)]
    processes = processes_for(len(positions), worth=DECODED if decode else OPENED)
    sizes = np.zeros((len(frame), 2), np.int64)
    told: dict[tuple[int, Problem], None] = {}
    for job, (found, faults) in zip(jobs, mapped(look, jobs, processes), strict=True):
        sizes[job] = found
        told |= {(at, dataset.problem(at, text, file)): None for at, file, text in faults}
    known = np.flatnonzero((sizes[:, 0] > 0) & is_first)
    for at, text in box_problems(frame.iloc[known], *sizes[known].T):
        row = int(known[at])
        told[row, dataset.problem(row, text, str(frame["image"].iloc[row]))] = None
    return first_of_each_kind([problem for _, problem in sorted(told, key=lambda each: each[0])])


def check_images_there(dataset: Dataset, rule: MaskRule | None = None) -> list[Problem]:
    """`check_images` of a data set with other faults: of the files that could be hashed alone, with
    second images that hold the bytes of a first one.

    Args:
        rule: With which masks are read too, so that those that are not clear are told.
    """
    frame = dataset.frame
    is_named_once = ~frame["image"].duplicated()
    seconds = second_file_problems(dataset.having(is_named_once.to_numpy(bool)))
    if "mask" in frame:
        frame = frame.assign(mask=frame["mask"].where(frame["mask_fingerprint"] != "", ""))
    there = (frame["fingerprint"] != "") & is_named_once
    if not there.any():
        return seconds
    dataset = replace(dataset, frame=frame).having(there.to_numpy(bool))
    problems = check_images(dataset)
    if rule is not None:
        try:
            masks_read(replace(dataset, mask_rule=rule))
        except InputError as error:  # what cannot be read is told by both
            problems = list(dict.fromkeys([*problems, *error.problems]))
    return [*problems, *seconds]


@dataclass(frozen=True)
class _Sources:
    """What decodes the images of rows, the second ones of those that have one, and those that boxes
    are in if these are others.
    """

    image: ImageSource
    second: ImageSource | None
    has_second: Sequence[bool]
    boxed: ImageSource | None


def _looked(
    sources: _Sources,
    folder: str,
    masks: Sequence[str],
    decode: bool,
    positions: Sequence[int],
) -> tuple[list[Size], list[Fault]]:
    """Sizes of the images that boxes are in, and the faults of these rows."""
    sizes: list[Size] = []
    faults: list[Fault] = []
    for at in positions:
        size = _size(sources.image, at, decode, faults)
        if sources.second is not None and sources.has_second[at]:
            _size(sources.second, at, decode, faults, f"is {SECOND} and ")
        boxed = sources.boxed
        sizes.append(size if boxed is None else _size(boxed, at, decode, faults))
        for mask in mask_paths(folder, masks[at]):
            try:
                height, width = mask_values(folder, mask).size
            except InputError as error:
                faults += [(at, mask, problem.message) for problem in error.problems]
                continue
            if size != (0, 0) and (height, width) != size:
                text = (
                    f"is a mask of {width} x {height} pixels, its image has {size[1]} x {size[0]}"
                )
                faults.append((at, mask, f"{text}: save it in the size of its image"))
    return sizes, faults


def _size(
    source: ImageSource, position: int, decode: bool, faults: list[Fault], column: str = ""
) -> Size:
    try:
        if not decode and (place := _place_of(source, position)) is not None:
            return file_size(*place)
        height, width = source.decode(position).shape[:2]
    except InputError as error:
        faults += [(position, str(each.file), column + each.message) for each in error.problems]
        return 0, 0
    return height, width


def _place_of(source: ImageSource, position: int) -> tuple[str, str] | None:
    """Folder and path of an image in a file; None of one that is drawn."""
    if isinstance(source, SomeImages):
        return _place_of(source.source, source.positions[position])
    if isinstance(source, Concatenated):
        if position < source.start:
            return _place_of(source.first, position)
        return _place_of(source.second, position - source.start)
    return (source.folder, source.paths[position]) if isinstance(source, FileSource) else None


NO_FILE = "no such file"
ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")  # as on Linux, and as on Windows
UPWARDS = re.compile(r"(^|[/\\])\.\.($|[/\\])")
_WHOLE = threading.Lock()
READERS = 16  # threads that wait for the disk; hashing holds no lock


@dataclass(frozen=True)
class FileCheck:
    """A file of a manifest: the SHA-256 of its bytes in hex, or what is wrong with it.

    Of an image that is not read by all its bits the digest is one of that too.

    Attributes:
        kind: DICOM, NIfTI, or "" for any other file.
        hears_bits: Whether an image is read by as many bits as the data block says.
    """

    digest: str = ""
    fault: str = ""
    kind: str = ""
    hears_bits: bool = False


def _hashed(file: Path) -> tuple[str, bytes, int]:
    """SHA-256 of a file, its first HEAD bytes and its size.

    Raises:
        OSError: As `open_regular`.
        InputError: It is no medical file, of which one may hold many frames, and is too large.
    """
    with open_regular(file) as opened:
        size = os.fstat(opened.fileno()).st_size
        head = opened.read(HEAD)
        said = "" if medical_kind(head, file.name) else too_large(size, IMAGE_MB)
        if said:
            raise InputError(said)
        opened.seek(0)
        return hashlib.file_digest(opened, "sha256").hexdigest(), head, size


def _bits_said(file: Path, bits: int) -> tuple[str, bool]:
    # whole, and one after the other: many threads check files
    with _WHOLE:
        content = read_regular(file)
        return bits_word(content, bits), bool(bits) and hears_bits(content)


def checked_files(folder: Path, paths: Sequence[str], bits: int | None = None) -> list[FileCheck]:
    """Each file hashed, or its fault; an empty path has neither. Nothing is decoded, but images of
    16 bits that say that they use fewer.

    Args:
        bits: Of images: those that files of 16 bits use, 0 if that is not said. None of others.
    """
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
            return FileCheck(fault=UPWARDS_FAULT)
        try:
            file = Path(real, path)
            target = os.path.realpath(file) if file.is_symlink() else str(file)
            if not is_inside(os.path.dirname(target)):  # noqa: PTH120 - a cached string
                return FileCheck(fault="is a link that leaves the manifest's folder")
            digest, head, size = _hashed(file)
        except FileNotFoundError:
            windows = "\\" in path and Path(real, path.replace("\\", "/")).exists()
            return FileCheck(fault=NO_FILE + ("; write / for \\" if windows else ""))
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return FileCheck(fault=f"cannot be read: {reason}")
        except InputError as error:
            return FileCheck(fault=error.problems[0].message)
        if not size:
            return FileCheck(fault="is empty (0 bytes)")
        kind = medical_kind(head, path)
        if not kind and bits is not None and may_be_sixteen_bits(head):
            said, hears = _bits_said(file, bits)
            digest = hashlib.sha256(f"{digest} {said}".encode()).hexdigest() if said else digest
            return FileCheck(digest=digest, hears_bits=hears)
        return FileCheck(digest=digest, kind=kind)

    files = list(dict.fromkeys(paths))  # many rows may name frames of one
    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(files, pool.map(check, files), strict=True))
    return [found[path] for path in paths]
