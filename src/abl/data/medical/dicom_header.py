"""The header of a DICOM file: what its pixels are, and what is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from abl.data.medical.dicom_format import (
    DECODERS,
    DEFLATED,
    EXTENDED,
    GREY,
    JPEG_2000,
    NEVER,
    PALETTE,
    PHOTOMETRIC,
    TRANSFORMED,
    PixelFormat,
    syntax_name,
)
from abl.data.medical.dicom_frames import (
    PIXEL_DATA,
    check_inflated,
    frames_held,
    inflated_pixels,
    pixel_element,
)
from abl.data.medical.elements import element, integer, named, required, word
from abl.data.medical.kinds import DICOM, MedicalFileError, library, silence

FLOATS = ((0x7FE0, 0x0008), (0x7FE0, 0x0009))


@contextmanager
def opened_dicom(path: Path) -> Iterator[tuple[Any, PixelFormat]]:
    """The header (a pydicom Dataset without pixels) and the format of a DICOM file.

    Within, pydicom is silent: values are converted, and complained of, when they are asked for.

    Raises:
        MedicalFileError: It is damaged, lacks what a picture needs, or is of a kind that is
            not read.
        InputError: pydicom is not installed.
    """
    pydicom = library("pydicom", DICOM)
    with silence():
        try:
            with path.open("rb") as file:
                check_inflated(file)
                header = pydicom.dcmread(file, stop_before_pixels=True)
                opened = header, _pixel_format(header, file)
        except MedicalFileError:
            raise
        except pydicom.errors.InvalidDicomError:
            raise MedicalFileError(
                "is named as DICOM files are but is none ('DICM' is not in bytes 129 to 132)"
            ) from None
        except (
            Exception
        ) as error:  # whatever a broken header makes of pydicom; its words quote values
            reason = error.strerror if isinstance(error, OSError) else None
            said = f"cannot be read: {reason}" if reason else "is damaged: its header is no DICOM"
            raise MedicalFileError(said) from None
        yield opened


def _pixel_format(header: Any, file: BinaryIO) -> PixelFormat:
    """Format of the pixels before which the file is positioned."""
    syntax = element(getattr(header, "file_meta", {}), "TransferSyntaxUID")
    if syntax is None:
        raise MedicalFileError(f"has no {named('TransferSyntaxUID')}")
    syntax = str(syntax)
    if syntax != DEFLATED:
        tag, length, as_stated = pixel_element(file, syntax)
    else:
        inflated = inflated_pixels(file)
        tag, length, as_stated = inflated[0], len(inflated[1]), False
    if tag in FLOATS:
        raise MedicalFileError("holds floating-point pixels; save it with 8 or 16 bits")
    if tag != PIXEL_DATA:
        raise MedicalFileError(
            "holds no image: it has no PixelData (7FE0,0010), or is cut short before it"
        )
    if syntax not in DECODERS:
        raise MedicalFileError(f"is compressed as {syntax_name(syntax)}, which is not decoded")
    found = PixelFormat(
        height=required(header, "Rows"),
        width=required(header, "Columns"),
        samples=required(header, "SamplesPerPixel"),
        bits=required(header, "BitsStored"),
        signed=required(header, "PixelRepresentation") == 1,
        photometric=_photometric(header, syntax),
        syntax=syntax,
        frames=_frames(header),
        held=0,
        by_path=as_stated,
    )
    allocated = _checked_bits(header, found)
    held = frames_held(header, file, found, length, allocated)
    return PixelFormat(**{**vars(found), "held": held})


def _photometric(header: Any, syntax: str) -> str:
    found = word(header, "PhotometricInterpretation")
    if not found:
        raise MedicalFileError(f"has no {named('PhotometricInterpretation')}")
    if found not in PHOTOMETRIC:
        what = found if found in NEVER else "an unknown kind of colours"
        raise MedicalFileError(f"is in {what}; save it as RGB or grey")
    if found in TRANSFORMED and syntax not in JPEG_2000:
        raise MedicalFileError(f"is in {found} without being JPEG 2000; save it as RGB")
    return found


def _frames(header: Any) -> int:
    found = integer(header, "NumberOfFrames")
    if found is not None and found < 1:
        raise MedicalFileError(f"has a {named('NumberOfFrames')} below 1")
    return 1 if found is None else found


def _checked_bits(header: Any, found: PixelFormat) -> int:
    """Bits allocated a sample; raises where the numbers of a header contradict each other."""
    if found.height == 0 or found.width == 0:
        raise MedicalFileError("has no pixel (Rows or Columns is 0)")
    wanted = 1 if found.photometric in (*GREY, PALETTE) else 3
    if found.samples != wanted:
        raise MedicalFileError(
            f"has {found.samples} samples a pixel, but {found.photometric} needs {wanted}"
        )
    if wanted == 3 and required(header, "PlanarConfiguration") > 1:
        raise MedicalFileError(f"has a {named('PlanarConfiguration')} that is neither 0 nor 1")
    allocated, high = required(header, "BitsAllocated"), integer(header, "HighBit")
    if allocated not in (1, 8, 16):
        raise MedicalFileError(f"has {allocated} bits a sample; save it with 8 or 16")
    if not 1 <= found.bits <= allocated:
        raise MedicalFileError(f"stores {found.bits} of {allocated} bits a sample, which cannot be")
    if high not in (None, found.bits - 1):
        raise MedicalFileError(f"has a {named('HighBit')} that is not BitsStored - 1")
    if found.syntax == EXTENDED and found.bits != 8:
        raise MedicalFileError(
            f"is compressed as {syntax_name(EXTENDED)} with {found.bits} bits, which is not decoded"
        )
    return allocated
