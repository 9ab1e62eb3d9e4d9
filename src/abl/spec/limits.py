"""How large a file from outside may be before it is read, unpacked or decoded: a limit each.

A file says little of what it unfolds to: 199 KB of Parquet may be 20 million rows. Each limit is
far above what the field's sets and networks need, is checked before memory is asked for, and is
raised by a variable of the environment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from abl.errors import InputError, Problem

MB = 1_000_000
# more than a field of a table holds in any text file that Python's csv reads
LONGEST_FIELD = 131_072
# what compresses weights compresses them little: floats are nearly noise
MOST_PACKED, PACKED_MB = 4, 64
MAX_PIXELS = 89_478_485  # Pillow's own limit: 256 MiB as RGB


@dataclass(frozen=True)
class Limit:
    """The most that is read of something.

    Attributes:
        variable: Of the environment, which sets another.
        default: In units.
        unit: rows or MB (a million bytes).
    """

    variable: str
    default: int
    unit: str

    @property
    def most(self) -> int:
        """In units. Raises InputError if the environment says no whole number above 0."""
        given = os.environ.get(self.variable, "").strip()
        if not given:
            return self.default
        if not (given.isascii() and given.isdecimal() and int(given[:18])):
            raise InputError(f"{self.variable}={given[:40]}: give a whole number of {self.unit}")
        return int(given[:18])

    @property
    def bytes(self) -> int:
        """Of a limit in MB."""
        return self.most * MB

    def refusal(self, what: str) -> str:
        """The line on something that is over it.

        Args:
            what: Such as 'has 20,000,000 rows'.
        """
        most = f"{self.most:,} {self.unit}"
        return f"{what}; at most {most} are read: set {self.variable} higher if it is meant so"


TABLE_ROWS = Limit("ABL_MAX_TABLE_ROWS", 10_000_000, "rows")
TABLE_MB = Limit("ABL_MAX_TABLE_MB", 1_000, "MB")
ANNOTATIONS_MB = Limit("ABL_MAX_ANNOTATIONS_MB", 1_000, "MB")
WEIGHTS_MB = Limit("ABL_MAX_WEIGHTS_MB", 16_000, "MB")
IMAGE_MB = Limit("ABL_MAX_IMAGE_MB", 1_000, "MB")
VOLUME_MB = Limit("ABL_MAX_VOLUME_MB", 8_000, "MB")
# of one training, held in memory while it runs and written with its checkpoints
DYNAMICS_MB = Limit("ABL_MAX_DYNAMICS_MB", 500, "MB")


def megabytes(count: int) -> str:
    """Bytes as people read them: 1,234 MB."""
    return f"{-(-count // MB):,} MB"


def too_large(size: int, limit: Limit, has: str = "has") -> str:
    """The line on what has so many bytes; "" if it is not over the limit."""
    return limit.refusal(f"{has} {megabytes(size)}") if size > limit.bytes else ""


def bounded_bytes(path: Path, limit: Limit) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: There are more than the limit, of which none is kept.
        OSError: It cannot be read.
    """
    most = limit.bytes
    with path.open("rb") as file:
        said = too_large(os.fstat(file.fileno()).st_size, limit)
        data = b"" if said else file.read(most + 1)  # it may grow, or say no size
    if said or len(data) > most:
        raise InputError(Problem(said or too_large(most + 1, limit), file=str(path)))
    return data
