"""Look-up tables of DICOM (PS3.3 C.11.1, C.11.2, C.7.6.3.1.5): modality, VOI, palette.

pydicom's own takes entries of 8 bits in words modulo 256, raises where they are bytes, and in
implicit VR reads a negative first value as one above 32767, which makes every pixel 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from abl.data.medical.elements import element, named
from abl.data.medical.kinds import MedicalFileError

WORD = 1 << 16


@dataclass(frozen=True, eq=False)
class LookupTable:
    """A table from whole numbers to whole numbers.

    Attributes:
        first: The value that the first entry stands for; smaller ones are given that entry too.
        entries: int64 (n,); values beyond the last are given the last.
        bits: Of the entries: they are 0 to 2**bits - 1.
    """

    first: int
    entries: np.ndarray
    bits: int

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """int64, of the values' shape; values with a fraction are rounded."""
        whole = np.rint(values).astype(np.int64) - self.first
        return self.entries[whole.clip(0, len(self.entries) - 1)]

    @property
    def top(self) -> int:
        """The largest value that an entry can have."""
        return (1 << self.bits) - 1


def lookup_table(
    header: Any, descriptor: str, data: str, *, signed: bool, little_endian: bool
) -> LookupTable:
    """The table of two elements.

    Args:
        header: The pydicom Dataset, or item of a sequence, that holds them.
        descriptor: Keyword of (number of entries, first value, bits an entry).
        data: Keyword of the entries: words, or bytes where there are as many of them as entries.
        signed: Whether values that are looked up can be negative, which makes the first value so.

    Raises:
        MedicalFileError: An element is lacking, or they contradict each other.
    """
    count, first, bits = _descriptor(header, descriptor)
    count = count % WORD or WORD  # 0 stands for 65,536
    first %= WORD
    if signed and first >= WORD // 2:
        first -= WORD
    if not 8 <= bits <= 16:
        raise MedicalFileError(f"has a {named(descriptor)} of {bits} bits an entry")
    entries = _entries(header, data, count, little_endian)
    if bits == 16 and entries.max() < 256 and data.endswith("PaletteColorLookupTableData"):
        bits = 8  # of 16 it would be black on every screen
    if entries.max() >= 1 << bits:
        raise MedicalFileError(f"has a {named(data)} with entries of more than its {bits} bits")
    return LookupTable(first, entries, bits)


def _descriptor(header: Any, keyword: str) -> tuple[int, int, int]:
    found = element(header, keyword)
    if found is None:
        raise MedicalFileError(f"has no {named(keyword)}")
    try:
        if isinstance(found, bytes):
            found = np.frombuffer(found, "<u2").tolist()
        count, first, bits = (int(each) for each in found)
    except (TypeError, ValueError):
        raise MedicalFileError(f"has a {named(keyword)} that is not three numbers") from None
    return count, first, bits


def _entries(header: Any, keyword: str, count: int, little_endian: bool) -> np.ndarray:
    """int64 (count,): entries as they stand in words or in bytes."""
    found = element(header, keyword)
    if found is None:
        raise MedicalFileError(f"has no {named(keyword)}")
    if isinstance(found, bytes):
        content = found
        words = np.frombuffer(content[: len(content) // 2 * 2], "<u2" if little_endian else ">u2")
    else:
        try:
            words = np.asarray(found, dtype=np.int64).reshape(-1).astype(np.uint16)
        except (TypeError, ValueError, OverflowError):
            raise MedicalFileError(f"has a {named(keyword)} that holds no numbers") from None
        content = words.astype("<u2").tobytes()
        little_endian = True
    if len(words) in (count, count + 1) and len(content) >= 2 * count:
        return words[:count].astype(np.int64)
    if len(content) in (count, count + 1):  # a byte more makes the length even
        pairs = words if little_endian or not isinstance(found, bytes) else words.byteswap()
        octets = np.frombuffer(pairs.astype("<u2").tobytes() + content[len(words) * 2 :], np.uint8)
        return octets[:count].astype(np.int64)
    raise MedicalFileError(f"has a {named(keyword)} of another length than its descriptor says")
