"""Where the pixels of a DICOM file begin, and how many frames they make."""

from __future__ import annotations

import os
import struct
import zlib
from typing import Any, BinaryIO

from abl.data.medical.dicom_format import (
    BIG_ENDIAN,
    DEFLATED,
    GDCM,
    IMPLICIT,
    RLE,
    SUBSAMPLED,
    PixelFormat,
)
from abl.data.medical.elements import element
from abl.data.medical.kinds import MedicalFileError
from abl.spec.limits import IMAGE_MB, too_large

UNDEFINED = 0xFFFFFFFF
_PIECE = 1 << 20
PIXEL_DATA = (0x7FE0, 0x0010)


def pixel_element(file: BinaryIO, syntax: str) -> tuple[tuple[int, int], int, bool]:
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


def check_inflated(file: BinaryIO) -> None:
    """Raises MedicalFileError if a deflated file unpacks to more than is read; pydicom would.

    The file is at its start, before and afterwards.
    """
    from pydicom.filereader import read_dataset, read_preamble

    read_preamble(file, force=False)
    meta = read_dataset(
        file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag.group != 2
    )
    if str(element(meta, "TransferSyntaxUID")) == DEFLATED:
        unpacker, size, most = zlib.decompressobj(-zlib.MAX_WBITS), 0, IMAGE_MB.bytes
        while (packed := file.read(_PIECE)) and not unpacker.eof:
            while packed:
                size += len(unpacker.decompress(packed, _PIECE))
                if size > most:
                    raise MedicalFileError(too_large(size, IMAGE_MB, "unpacks to more than"))
                packed = unpacker.unconsumed_tail
    file.seek(0)


def inflated_pixels(file: BinaryIO) -> tuple[tuple[int, int], bytes]:
    """Tag and value of the pixels of a deflated file; it has no others than PixelData."""
    import pydicom

    file.seek(0)
    whole = pydicom.dcmread(file)
    found = element(whole, "PixelData")
    return (PIXEL_DATA, found) if isinstance(found, bytes) else ((0, 0), b"")


def frames_held(
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
