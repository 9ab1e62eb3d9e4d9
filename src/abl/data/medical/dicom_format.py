"""How the pixels of a DICOM file are stored, and who decodes them.

Read are the transfer syntaxes of DECODERS, each by the decoder that stands beside it and by no
other, so that a picture does not depend on what else is installed.
"""

from __future__ import annotations

from dataclasses import dataclass

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


def syntax_name(syntax: str) -> str:
    """Name of a transfer syntax in the standard; that of an unknown one is not repeated."""
    from pydicom.uid import UID

    name = UID(syntax).name
    return "an unknown transfer syntax" if name == syntax else name
