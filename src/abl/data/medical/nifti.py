"""NIfTI: one slice as a picture of 8 bits, or as it is stored.

An array of NIfTI is the picture transposed. Axes that grow to the patient's left, to the back and
upwards (LPS, as ITK has them) are taken as they are, others are turned round, and that is said;
nothing else is: `as_closest_canonical` would turn a slice written by ITK by 180 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from abl.data.medical.kinds import NIFTI, MedicalFileError, library, silence
from abl.data.medical.nifti_size import check_unfolded

UPWARDS = frozenset("LPS")
MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001}
WHOLE = 1e-3  # a value this near a whole number is one that scaling has moved


@dataclass(frozen=True)
class NiftiPlane:
    """The slices of a NIfTI file.

    Attributes:
        axes: The two axes of the array that are a picture's x and y.
        along: The axis of slices; None if there is one slice.
        frames: Number of slices.
        height, width: Of the picture.
        letters: Where x and y grow to in the file: L P, or others that are turned round.
        spacing: Millimetres along x and y; None if the file does not say in which unit.
    """

    axes: tuple[int, int]
    along: int | None
    frames: int
    height: int
    width: int
    letters: str
    spacing: tuple[float, float] | None

    @property
    def flipped(self) -> str:
        """The letters of the axes that are turned round."""
        return "".join(letter for letter in self.letters if letter not in UPWARDS)


def nifti_plane(path: Path) -> NiftiPlane:
    """What the header says.

    Raises:
        MedicalFileError: It is damaged, has no axes of a picture, or does not say where they point.
        InputError: nibabel is not installed.
    """
    return _opened(path)[1]


def _opened(path: Path) -> tuple[Any, NiftiPlane]:
    nibabel = library("nibabel", NIFTI)
    with silence():
        try:
            check_unfolded(path)
            image = nibabel.load(path)
            if not isinstance(image, nibabel.Nifti1Image):
                raise MedicalFileError("is named as NIfTI files are but is none")
            return image, _plane(nibabel, image)
        except MedicalFileError:
            raise
        except OSError as error:
            raise MedicalFileError(f"cannot be read: {error.strerror or 'it is damaged'}") from None
        except Exception:
            raise MedicalFileError("is damaged: its NIfTI header cannot be read") from None


def _plane(nibabel: Any, image: Any) -> NiftiPlane:
    shape = [int(length) for length in image.shape]
    if 0 in shape or len(shape) < 2:
        raise MedicalFileError("has no pixel")
    kept = [axis for axis, length in enumerate(shape) if length > 1]
    for axis in range(len(shape)):  # a line or a point is a picture too
        if len(kept) < 2 and axis not in kept:
            kept = sorted([*kept, axis])
    if len(kept) > 3:
        raise MedicalFileError(
            f"has {len(kept)} axes; save one volume or one slice as a file of its own"
        )
    axes = (kept[0], kept[1])
    if axes[1] > 2:
        raise MedicalFileError("is no picture: one of its two axes is none of space")
    if int(image.header["sform_code"]) == 0 and int(image.header["qform_code"]) == 0:
        raise MedicalFileError(
            "does not say where its axes point (sform_code and qform_code are 0), and programs "
            "read it turned round: set either (ITK does), or save it as PNG"
        )
    letters = nibabel.aff2axcodes(image.affine)
    if None in (letters[axes[0]], letters[axes[1]]):
        raise MedicalFileError("does not say where its axes point: its affine is singular")
    zooms = image.header.get_zooms()
    unit = MILLIMETRES.get(image.header.get_xyzt_units()[0])
    sizes = [float(zooms[axis]) * unit for axis in axes] if unit else []
    return NiftiPlane(
        axes=axes,
        along=kept[2] if len(kept) == 3 else None,
        frames=shape[kept[2]] if len(kept) == 3 else 1,
        height=shape[axes[1]],
        width=shape[axes[0]],
        letters=letters[axes[0]] + letters[axes[1]],
        spacing=(sizes[0], sizes[1]) if sizes and min(sizes) > 0 else None,
    )


def nifti_values(path: Path, frame: int) -> np.ndarray:
    """(H, W): int64 if all are whole numbers, else float64. Scaled as the header says.

    Raises:
        MedicalFileError: As `nifti_plane`; there is no such frame; colours or complex numbers.
    """
    values = _slice(*_opened(path), frame)
    if values.dtype.kind not in "iufb":
        raise MedicalFileError(
            "holds colours or complex numbers, where one number a pixel is wanted"
        )
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise MedicalFileError("holds values that are no finite number")
        whole = np.rint(values)
        # a mask of 0 and 1 saved with scaling comes back as 1.00000006
        if np.abs(values - whole).max() > WHOLE:
            return values.astype(np.float64)
        values = whole
    return values.astype(np.int64)


def nifti_picture(path: Path, frame: int) -> np.ndarray:
    """uint8 (H, W), or (H, W, 3) RGB.

    Bytes are taken as they are. Other numbers are cut to the display range of the header (cal_min,
    cal_max); without one, unsigned 16 bits are scaled as in PNG files, and all others refused, as
    nothing says which of them is black.

    Raises:
        MedicalFileError: As `nifti_values`, or as said.
    """
    image, plane = _opened(path)
    values = _slice(image, plane, frame)
    names = values.dtype.names
    if names is not None and set(names) >= set("RGB"):
        return np.stack([values[name] for name in "RGB"], axis=-1).astype(np.uint8)
    if values.dtype.kind not in "iuf":
        raise MedicalFileError("holds complex numbers; save it with 8 or 16 bits")
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    low, high = (float(image.header[name]) for name in ("cal_min", "cal_max"))
    if np.isfinite([low, high]).all() and high > low:
        if not np.isfinite(values).all():
            raise MedicalFileError("holds values that are no finite number")
        share = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
        return np.floor(share * 255 + 0.5).astype(np.uint8)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    raise MedicalFileError(
        f"holds {values.dtype.newbyteorder('=')} values and no display range: set cal_min and "
        "cal_max of its header, or save it with 8 bits"
    )


def _slice(image: Any, plane: NiftiPlane, frame: int) -> np.ndarray:
    """(H, W) of any type: a slice (counted from 1), transposed, its axes as in LPS."""
    if not 1 <= frame <= plane.frames:
        raise MedicalFileError(f"has frames 1 to {plane.frames}, and no frame {frame}")
    index: list[Any] = [0] * len(image.shape)
    for axis in plane.axes:
        index[axis] = slice(None)
    if plane.along is not None:
        index[plane.along] = frame - 1
    with silence():
        try:
            part = np.asanyarray(image.dataobj[tuple(index)])
        except Exception:
            raise MedicalFileError("is damaged or truncated: its values cannot be read") from None
    for axis, letter in enumerate(plane.letters):
        if letter not in UPWARDS:
            part = np.flip(part, axis)
    return np.ascontiguousarray(part.T)
