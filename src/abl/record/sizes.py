"""Sizes as people write them: 5GB is 5,000,000,000 bytes, 1.5GiB is 1,610,612,736."""

from __future__ import annotations

import re
from decimal import Decimal

from abl.errors import InputError

_STEPS = ("K", "M", "G", "T", "P")
UNITS = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate(_STEPS, 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate(_STEPS, 1)},
}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)")


def bytes_of(text: str, option: str) -> int:
    """Bytes of a size such as 5GB, 500MB, 1.5GiB.

    Args:
        option: Where it was written, for the message.

    Raises:
        InputError: It is no such size: a number without a unit, a unit that is none.
    """
    match = _SIZE.fullmatch(text.strip(" "))
    if match is not None and match[2] in UNITS:
        return int(Decimal(match[1]) * UNITS[match[2]])
    meant = "5GB, 500MB or 1.5GiB"
    if match is not None:
        same = {unit.lower(): unit for unit in UNITS}
        letter = match[2].upper()
        unit = same.get(match[2].lower()) or (f"{letter}B" if letter in _STEPS else "GB")
        meant = f"{match[1]}{unit}"
    raise InputError(f"{option} {text}: is no size: write it as {meant}")


def size_text(size: float) -> str:
    """A number of bytes for people, in powers of 1000, as `--keep` takes them."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
