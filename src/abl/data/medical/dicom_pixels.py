"""One frame of a DICOM file: as a picture of 8 bits, or as it is stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from abl.data.medical.dicom_display import display_of, palette_of
from abl.data.medical.dicom_format import (
    GDCM,
    GREY,
    PALETTE,
    RLE,
    PixelFormat,
    syntax_name,
)
from abl.data.medical.dicom_header import opened_dicom
from abl.data.medical.kinds import DICOM, MedicalFileError, library


def dicom_picture(path: Path, frame: int) -> np.ndarray:
    """uint8 (H, W), or (H, W, 3) RGB.

    Args:
        frame: Counted from 1.

    Raises:
        MedicalFileError: See `opened_dicom`; there is no such frame; its pixels cannot be decoded.
    """
    with opened_dicom(path) as (header, stored):
        values = _stored_frame(path, stored, frame)
        if stored.photometric in GREY:
            return display_of(header, stored, frame).shown(values)
        if stored.photometric == PALETTE:
            tables = palette_of(header, stored)
            planes = [table(values) >> (table.bits - 8) for table in tables]
            return np.stack(planes, axis=-1).astype(np.uint8)
        if stored.bits == 8:
            return values.astype(np.uint8)
        top = (1 << stored.bits) - 1
        return ((values.astype(np.int64) * 255 + top // 2) // top).clip(0, 255).astype(np.uint8)


def dicom_values(path: Path, frame: int) -> np.ndarray:
    """int64 (H, W), or (H, W, 3): the values as they are stored, for masks; raises as above."""
    with opened_dicom(path) as (_, stored):
        return _stored_frame(path, stored, frame).astype(np.int64)


def _stored_frame(path: Path, stored: PixelFormat, frame: int) -> np.ndarray:
    """Values of a frame in the machine's byte order; colour is RGB whatever the header says."""
    import pydicom
    from pydicom.pixels.utils import pixel_array

    if not 1 <= frame <= stored.frames:
        raise MedicalFileError(f"has frames 1 to {stored.frames}, and no frame {frame}")
    library(stored.decoder, DICOM)
    plugin = stored.decoder if stored.decoder == GDCM or stored.syntax == RLE else ""
    try:
        # by path a long file is not read whole
        source: Any = path if stored.by_path else pydicom.dcmread(path)
        with _no_stderr():
            found = pixel_array(source, index=frame - 1, decoding_plugin=plugin)
    except Exception:  # what a decoder says of a broken file may quote it
        raise MedicalFileError(
            f"cannot be decoded ({syntax_name(stored.syntax)}, by {stored.decoder}): "
            "it is damaged or of a kind that this decoder does not read"
        ) from None
    shape = (stored.height, stored.width, *((3,) if stored.samples == 3 else ()))
    if found.shape != shape or found.dtype.kind not in "iu":
        raise MedicalFileError(
            "is damaged: its pixels do not make the picture that its header says"
        )
    return found.astype(found.dtype.newbyteorder("="), copy=False)


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Nothing that C libraries write to the process's standard error: a fault is told in a line."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
