"""The two ways into a medical file: as a picture, and as the values of a mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from abl.data.medical.dicom_header import opened_dicom
from abl.data.medical.dicom_pixels import dicom_picture, dicom_values
from abl.data.medical.kinds import DICOM, HEAD, MedicalFileError, addressed_file, medical_kind
from abl.data.medical.nifti import nifti_picture, nifti_plane, nifti_values
from abl.errors import InputError, Problem
from abl.spec.limits import MAX_PIXELS


def medical_size(kind: str, path: Path, frame: int | None = None) -> tuple[int, int]:
    """(height, width) of a frame, from the header alone.

    Args:
        kind: DICOM or NIfTI.
        frame: Counted from 1; None of a file of one frame.

    Raises:
        MedicalFileError: It is not read, and why; several frames and none named; more than
            MAX_PIXELS.
    """
    if kind == DICOM:
        with opened_dicom(path) as (_, stored):
            frames, size = stored.frames, (stored.height, stored.width)
    else:
        plane = nifti_plane(path)
        frames, size = plane.frames, (plane.height, plane.width)
    if frame is None and frames > 1:
        raise MedicalFileError(several_frames(frames))
    if frame is not None and not 1 <= frame <= frames:
        raise MedicalFileError(f"has frames 1 to {frames}, and no frame {frame}")
    if size[0] * size[1] > MAX_PIXELS:
        raise MedicalFileError(f"has more than {MAX_PIXELS:,} pixels; reduce it first")
    return size


def several_frames(frames: int) -> str:
    """What is wrong with a file of several frames of which none is named."""
    return (
        f"has {frames} frames; name one in a manifest's column frame, counted from 1, "
        "with a row for each frame that is used"
    )


def medical_picture(kind: str, path: Path, frame: int | None) -> np.ndarray:
    """uint8 (H, W) or (H, W, 3); raises as `medical_size`."""
    medical_size(kind, path, frame)
    read = dicom_picture if kind == DICOM else nifti_picture
    return read(path, frame or 1)


def stored_values(folder: str, address: str) -> np.ndarray | None:
    """Values of a mask that is a medical file; None of any other file.

    Nothing is windowed, and no value is given a meaning.

    Args:
        address: As `addressed_file` takes it.

    Returns:
        int64 (H, W), or float64 if some value is no whole number.

    Raises:
        InputError: It cannot be read; the file is named.
    """
    path, frame = addressed_file(folder, address)
    try:
        with path.open("rb") as file:
            kind = medical_kind(file.read(HEAD), path.name)
        if not kind:
            return None
        medical_size(kind, path, frame)
        values = (dicom_values if kind == DICOM else nifti_values)(path, frame or 1)
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", file=address)) from None
    except MedicalFileError as error:
        raise InputError(Problem(str(error), file=address)) from None
    if values.ndim != 2:
        raise InputError(Problem("is a mask in colours; save it with one value a pixel", address))
    return values
