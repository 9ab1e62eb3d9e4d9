"""Elements of a DICOM header by name: a value, or a fault that names the element and no value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from abl.data.medical.kinds import MedicalFileError


def named(keyword: str) -> str:
    """An element as messages name it: `Rows (0028,0010)`."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword) or 0
    return f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def element(header: Any, keyword: str) -> Any:
    """Its value; None where it is absent or empty.

    Args:
        header: A pydicom Dataset.

    Raises:
        MedicalFileError: It cannot be read.
    """
    try:
        value = header.get(keyword)
        if value is None or (hasattr(value, "__len__") and len(value) == 0):
            return None
    except Exception:  # pydicom converts on access, and says with which value it could not
        raise MedicalFileError(f"has a {named(keyword)} that cannot be read") from None
    return value


def items(header: Any, keyword: str) -> list[Any]:
    """The items of a sequence, [] where there is none; MedicalFileError if it is no sequence."""
    found = element(header, keyword)
    if found is None:
        return []
    if isinstance(found, (str, bytes)) or not isinstance(found, Sequence):
        raise MedicalFileError(f"has a {named(keyword)} that is no sequence")
    if not all(hasattr(item, "get") for item in found):
        raise MedicalFileError(f"has a {named(keyword)} that is no sequence")
    return list(found)


def numbers(header: Any, keyword: str) -> list[float]:
    """All values of an element as numbers, [] where it is absent or empty.

    Raises:
        MedicalFileError: One is no finite number.
    """
    found = element(header, keyword)
    if found is None:
        return []
    several = [found] if isinstance(found, (str, bytes)) or not _is_list(found) else list(found)
    try:
        values = [float(each) for each in several if each is not None and each != ""]
    except (TypeError, ValueError):
        raise MedicalFileError(f"has a {named(keyword)} that is no number") from None
    if not all(map(math.isfinite, values)):
        raise MedicalFileError(f"has a {named(keyword)} that is no number")
    return values


def _is_list(value: Any) -> bool:
    return hasattr(value, "__iter__")


def integer(header: Any, keyword: str) -> int | None:
    """The value of an element of one whole number. Raises MedicalFileError if it is none."""
    found = numbers(header, keyword)
    if not found:
        return None
    if len(found) > 1 or not found[0].is_integer():
        raise MedicalFileError(f"has a {named(keyword)} that is no whole number")
    return int(found[0])


def required(header: Any, keyword: str) -> int:
    """As `integer`, of an element that must be there and not negative."""
    found = integer(header, keyword)
    if found is None:
        raise MedicalFileError(f"has no {named(keyword)}")
    if found < 0:
        raise MedicalFileError(f"has a negative {named(keyword)}")
    return found


def word(header: Any, keyword: str) -> str:
    """A code string in capitals, "" where it is absent. May be anything: never quote it."""
    found = element(header, keyword)
    return found.strip().upper() if isinstance(found, str) else ""
