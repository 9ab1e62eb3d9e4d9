"""The header of a DICOM file: what its pixels are, who decodes them, and what is refused by name.

Read are the transfer syntaxes of DECODERS, each by the decoder that stands beside it and by no
other, so that a picture does not depend on what else is installed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from abl.data.medical.elements import element, integer, named, required, word
from abl.data.medical.kinds import DICOM, MedicalFileError, library, silence

NATIVE, GDCM = "pydicom", "gdcm"
DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
EXTENDED = "1.2.840.10008.1.2.4.51"  # JPEG of 8 or 12 bits, of which 8 are decoded
JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
DECODERS = {
    IMPLICIT: NATIVE,
    EXPLICIT: NATIVE,
    DEFLATED: NATIVE,
    BIG_ENDIAN: NATIVE,
    RLE: NATIVE,
    "1.2.840.10008.1.2.4.50": GDCM,  # JPEG
    EXTENDED: GDCM,
    "1.2.840.10008.1.2.4.57": GDCM,  # lossless JPEG
    "1.2.840.10008.1.2.4.70": GDCM,
    "1.2.840.10008.1.2.4.80": GDCM,  # JPEG-LS
    "1.2.840.10008.1.2.4.81": GDCM,
    **dict.fromkeys(JPEG_2000, GDCM),
}
GREY, PALETTE = ("MONOCHROME1", "MONOCHROME2"), "PALETTE COLOR"
SUBSAMPLED = "YBR_FULL_422"
COLOUR = ("RGB", "YBR_FULL", SUBSAMPLED)
TRANSFORMED = ("YBR_ICT", "YBR_RCT")  # colours of JPEG 2000
PHOTOMETRIC = (*GREY, PALETTE, *COLOUR, *TRANSFORMED)
NEVER = ("YBR_PARTIAL_422", "YBR_PARTIAL_420", "ARGB", "CMYK", "HSV")
MOST_BITS = 16
UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = (0x7FE0, 0x0010)
FLOATS = ((0x7FE0, 0x0008), (0x7FE0, 0x0009))


@dataclass(frozen=True)
class PixelFormat:
    """How the pixels of a DICOM file are stored.

    Attributes:
        height, width: In pixels.
        samples: 1 or 3 a pixel.
        bits: Stored of each sample, at most 16.
        signed: Two's complement.
        photometric: One of PHOTOMETRIC.
        syntax: UID of the transfer syntax.
        frames: As the header says.
        held: As many as the pixels make; more than `frames`, or the same.
        by_path: Whether pydicom can read one frame from the disk: not of deflated files, nor of
            those in implicit VR whose transfer syntax says explicit, or the other way round.
    """

    height: int
    width: int
    samples: int
    bits: int
    signed: bool
    photometric: str
    syntax: str
    frames: int
    held: int
    by_path: bool

    @property
    def decoder(self) -> str:
        return DECODERS[self.syntax]

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and largest value that a sample can have."""
        if self.signed:
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1


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
                header = pydicom.dcmread(file, stop_before_pixels=True)
                opened = header, _pixel_format(header, file)
        except MedicalFileError:
            raise
        except pydicom.errors.InvalidDicomError:
            raise MedicalFileError(
                "is named as DICOM files are but is none ('DICM' is not in bytes 129 to 132)"
            ) from None
        except OSError as error:
            raise MedicalFileError(f"cannot be read: {error.strerror}") from None
        except Exception:  # whatever a broken header makes of pydicom; its words quote values
            raise MedicalFileError("is damaged: its DICOM header cannot be read") from None
        yield opened


def syntax_name(syntax: str) -> str:
    """Name of a transfer syntax in the standard; that of an unknown one is not repeated."""
    from pydicom.uid import UID

    name = UID(syntax).name
    return "an unknown transfer syntax" if name == syntax else name


def _pixel_format(header: Any, file: BinaryIO) -> PixelFormat:
    """Format of the pixels before which the file is positioned."""
    syntax = element(getattr(header, "file_meta", {}), "TransferSyntaxUID")
    if syntax is None:
        raise MedicalFileError(f"has no {named('TransferSyntaxUID')}")
    syntax = str(syntax)
    if syntax != DEFLATED:
        tag, length, as_stated = _pixel_element(file, syntax)
    else:
        inflated = _inflated(file)
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
    held = _frames_held(header, file, found, length, allocated)
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


def _pixel_element(file: BinaryIO, syntax: str) -> tuple[tuple[int, int], int, bool]:
    """Tag and length of the element at the file's position, which is then at its value.

    The third says whether its VR is written, or is not, as the transfer syntax has it.
    """
    order = ">" if syntax == BIG_ENDIAN else "<"
    head = file.read(8)
    if len(head) < 8:
        return (0, 0), 0, True
    group, number = struct.unpack(f"{order}HH", head[:4])
    # no length that is even has these bytes
    explicit = head[4:6] in (b"OB", b"OW", b"UN") and head[6:] == b"\0\0"
    more = file.read(4) if explicit else head[4:]
    length = struct.unpack(f"{order}L", more)[0] if len(more) == 4 else 0
    return (group, number), length, explicit == (syntax != IMPLICIT)


def _inflated(file: BinaryIO) -> tuple[tuple[int, int], bytes]:
    """Tag and value of the pixels of a deflated file; it has no others than PixelData."""
    import pydicom

    file.seek(0)
    whole = pydicom.dcmread(file)
    found = element(whole, "PixelData")
    return (PIXEL_DATA, found) if isinstance(found, bytes) else ((0, 0), b"")


def _frames_held(
    header: Any, file: BinaryIO, found: PixelFormat, length: int, allocated: int
) -> int:
    """How many frames the pixels make; MedicalFileError if fewer than the header says."""
    if length == UNDEFINED:
        held = _fragments_held(header, file, found)
    elif found.decoder == GDCM or found.syntax == RLE:
        raise MedicalFileError("is damaged: its compressed pixels are not in fragments")
    else:
        if found.syntax != DEFLATED:
            length = min(length, os.fstat(file.fileno()).st_size - file.tell())
        samples = 2 if found.photometric == SUBSAMPLED else found.samples
        bits = found.height * found.width * samples * allocated
        if -(-bits * found.frames // 8) > length:
            raise MedicalFileError(
                f"is truncated: its pixels end within frame {length * 8 // bits + 1} of "
                f"{found.frames}"
            )
        # one byte more makes a length even
        held = (length * 8) // bits if length > -(-bits * found.frames // 8) + 1 else found.frames
    if held < found.frames:
        raise MedicalFileError(f"is truncated: it says {found.frames} frames and holds {held}")
    return held


def _fragments_held(header: Any, file: BinaryIO, found: PixelFormat) -> int:
    from pydicom.encaps import parse_basic_offsets, parse_fragments

    try:
        offsets = parse_basic_offsets(file)
        fragments = parse_fragments(file)[0]
    except Exception:
        raise MedicalFileError(
            "is damaged: its compressed pixels are not in whole fragments"
        ) from None
    extended = element(header, "ExtendedOffsetTable")
    if isinstance(extended, bytes):
        return len(extended) // 8
    # a frame may be of several fragments: without a table, where it ends is the decoder's affair
    return min(len(offsets), fragments) if offsets else min(fragments, found.frames)
