"""How many of 16 bits a file uses: as it says itself, or as the data block says of all files.

- PNG: chunk sBIT, "significant bits" (PNG specification, third edition, section 11.3.2.2). By the
  specification values are scaled to 16 bits all the same; files that keep 12 bits as they were are
  told from these by their values: none passes 12 bits, and some need the lowest four.
- TIFF: BitsPerSample 12, which Pillow reads as 16 bits without scaling.
- PPM: its header has the largest value, and Pillow scales by it.
"""

from __future__ import annotations

import io
import re

import numpy as np
from PIL import Image

from abl.spec.limits import MAX_PIXELS

SIXTEEN = 16
FULL = 0xFFFF
_PNG = b"\x89PNG\r\n\x1a\n"
_GREY = 0  # colour type of a PNG
_TIFF = (b"II*\0", b"MM\0*")
_BITS_PER_SAMPLE = 258
_PPM = re.compile(
    rb"P([2356])(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s"
)


def is_sixteen_bits(content: bytes) -> bool:
    """Whether the image in the bytes of a file has samples of more than 8 bits, by its header."""
    if content[:8] == _PNG:
        return len(content) > 25 and content[24] == SIXTEEN
    if content[:4] in _TIFF:
        return any(bits > 8 for bits in _tiff_bits(content))
    header = _PPM.match(content)
    return header is not None and int(header[4]) > 0xFF


def may_be_sixteen_bits(head: bytes) -> bool:
    """Whether the first 26 bytes of a file, or more, may be those of an image of 16 bits."""
    if head[:8] == _PNG:
        return len(head) > 25 and head[24] == SIXTEEN
    return head[:4] in _TIFF or head[:1] == b"P"


def bits_read(content: bytes, bits: int = 0) -> int:
    """By how many bits an image of 16 is read; 0 of all others, and where it is by all 16.

    Args:
        bits: Those of the data block, 0 if it says nothing.
    """
    if content[:8] == _PNG:
        if len(content) < 26 or content[24] != SIXTEEN:
            return 0
        own = _png_bits(content)
        used = bits or (own if own and _is_unscaled(content, own) else 0)
    elif content[:4] in _TIFF:
        found = _tiff_bits(content)
        if not any(each > 8 for each in found):
            return 0
        used = bits or (found[0] if found[0] < SIXTEEN else 0)
    else:
        header = _PPM.match(content)
        used = bits if header is not None and int(header[4]) == FULL else 0
    return used if used < SIXTEEN else 0


def hears_bits(content: bytes) -> bool:
    """Whether an image is read otherwise where the data block says how many bits it uses."""
    return bits_read(content, SIXTEEN - 1) > 0


def bits_word(content: bytes, bits: int = 0) -> str:
    """In a word how an image is read that is not read by all its bits; "" of all others."""
    used = bits_read(content, bits)
    return f"{used} bits" if used else ""


def in_eight_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Grey values (H, W) of 0 to 65535 as uint8: the largest that so many bits hold is 255.

    Raises:
        ValueError: A value is larger.
    """
    values = values.astype(np.uint32)
    most, top = int(values.max(initial=0)), (1 << bits) - 1
    if most > top:
        raise ValueError(
            f"has values up to {most}, and {bits} bits hold {top}; write data: "
            f"{{bits: {most.bit_length()}}}, or leave it out"
        )
    return ((values * 255 + top // 2) // top).astype(np.uint8)


def largest_value(content: bytes) -> int:
    """Of an image of 16 bits that can be read, as it stands in the file; of colour the high byte's
    range is told.
    """
    with Image.open(io.BytesIO(content)) as image:
        most = int(np.asarray(image).max(initial=0))
        return most if image.mode.startswith("I") else 256 * most + 255


def _png_bits(content: bytes) -> int:
    """What sBIT says of a grey PNG of 16 bits; 0 without one, or if it says 16."""
    at = 8
    while at + 8 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if kind in (b"IDAT", b"IEND"):
            return 0
        if kind == b"sBIT" and length:
            # of colour the largest of three; alpha comes after the colours
            colours = content[at + 8 : at + 8 + (1 if content[25] in (_GREY, 4) else 3)]
            bits = max(colours, default=0)
            return bits if 0 < bits < SIXTEEN else 0
        at += 12 + length
    return 0


def _is_unscaled(content: bytes, bits: int) -> bool:
    """Whether the values of a PNG that declares so many bits are still those of so many bits."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if not image.mode.startswith("I") or image.width * image.height > MAX_PIXELS:
                return False
            values = np.asarray(image)
    except Exception:  # a damaged file is told where it is decoded
        return False
    low = values & ((1 << (SIXTEEN - bits)) - 1)
    # scaled by 65535 / 4095 and rounded, a dark value may end in 1
    return bool(values.max(initial=0) < 1 << bits and low.max(initial=0) > 1)


def _tiff_bits(content: bytes) -> tuple[int, ...]:
    try:
        with Image.open(io.BytesIO(content), formats=["TIFF"]) as image:
            given = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (1,))
    except Exception:  # told where it is decoded
        return (1,)
    return tuple(given) if isinstance(given, tuple) else (int(given),)
