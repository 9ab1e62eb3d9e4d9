"""What is a medical file, which frame of it is meant, and the libraries that read it.

Free of numpy and of those libraries: every manifest asks this module about each of its files.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from abl.errors import InputError

DICOM, NIFTI = "DICOM", "NIfTI"
DICOM_SUFFIXES = (".dcm", ".dicom")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
MEDICAL_SUFFIXES = (*DICOM_SUFFIXES, *NIFTI_SUFFIXES)
LONGEST_SUFFIX = max(map(len, MEDICAL_SUFFIXES))
HEAD = 132  # bytes in which a DICOM file says that it is one
EXTRA = "pip install 'abl[medical]'"
FRAME_MARK = "#"
LOGGERS = ("pydicom", "nibabel", "nibabel.global")


class MedicalFileError(ValueError):
    """Why a file is not read, in words to put behind its name; never a value of the file."""


def medical_kind(head: bytes, name: str) -> str:
    """DICOM, NIfTI or "" for any other file.

    Args:
        head: The first HEAD bytes, or more.
        name: A file that is named as DICOM files are is one, or is refused as a bad one.
    """
    if head[HEAD - 4 : HEAD] == b"DICM":
        return DICOM
    ending = name[-LONGEST_SUFFIX:].lower()
    if not ending.endswith(MEDICAL_SUFFIXES):
        return ""
    return DICOM if ending.endswith(DICOM_SUFFIXES) else NIFTI


def nameless_dicom(folder: Path) -> list[str]:
    """DICOM files one folder down whose names have no ending, which nobody takes for images."""
    return [
        f"{file.parent.name}/{file.name}"
        for file in sorted(folder.glob("*/*"))
        if not file.suffix
        and not file.name.startswith(".")
        and file.is_file()
        and _says_dicom(file)
    ]


def _says_dicom(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return medical_kind(opened.read(HEAD), "") == DICOM
    except OSError:
        return False


def frame_address(path: str, frame: int) -> str:
    """What names one frame (counted from 1) of a file that has several: PATH#FRAME."""
    return f"{path}{FRAME_MARK}{frame}"


def addressed_file(folder: str, address: str) -> tuple[Path, int | None]:
    """The file that an address names, and which of its frames, from 1; None if it does not say."""
    path = Path(folder, address)
    if FRAME_MARK not in address:
        return path, None
    stem, _, number = address.rpartition(FRAME_MARK)
    if number.isascii() and number.isdecimal() and not path.exists():
        return Path(folder, stem), int(number)
    return path, None


def library(name: str, kind: str) -> ModuleType:
    """An imported library of the extra `medical`.

    Raises:
        InputError: It is not installed; one line says what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(f"reading {kind} files needs {name}, which is not here: {EXTRA}") from None


@contextmanager
def silence() -> Iterator[None]:
    """Nothing that pydicom, nibabel or GDCM have to say: their warnings quote values of a file."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.disabled for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.disabled = True
        try:
            yield
        finally:
            for logger, was in zip(loggers, before, strict=True):
                logger.disabled = was
