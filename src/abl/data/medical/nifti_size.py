"""What a NIfTI file unfolds to, by its header alone, before nibabel reads it.

A `.nii.gz` of a few MB may be gigabytes of zeros, and what stands between header and values
("extensions") is read whole.
"""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path
from typing import BinaryIO, cast

from abl.data.medical.kinds import MedicalFileError
from abl.spec.limits import MB, VOLUME_MB, too_large

_FIRST, _SECOND = 348, 540  # bytes of a header of NIfTI-1 and NIfTI-2
EXTENSIONS_MB = 64


def check_unfolded(path: Path) -> None:
    """Raises MedicalFileError if a file says that it is larger than what is read.

    Of one whose header cannot be read nothing is said: who opens it does that.
    """
    packed = path.name.lower().endswith(".gz")
    try:
        with cast(BinaryIO, gzip.open(path)) if packed else path.open("rb") as file:
            head = file.read(_SECOND)
    except (OSError, EOFError, ValueError):
        return
    for order in "<>":
        if len(head) < _FIRST:
            return
        (length,) = struct.unpack_from(f"{order}i", head)
        if length == _FIRST:
            dims = struct.unpack_from(f"{order}8h", head, 40)
            (bits,) = struct.unpack_from(f"{order}h", head, 72)
            (start,) = struct.unpack_from(f"{order}f", head, 108)
        elif length == _SECOND and len(head) >= _SECOND:
            dims = struct.unpack_from(f"{order}8q", head, 16)
            (bits,) = struct.unpack_from(f"{order}h", head, 14)
            (start,) = struct.unpack_from(f"{order}q", head, 168)
        else:
            continue
        _check(dims, bits, float(start), packed, length)
        return


def _check(dims: tuple[int, ...], bits: int, start: float, packed: bool, length: int) -> None:
    if math.isnan(start) or start - length > EXTENSIONS_MB * MB:
        most = f"at most {EXTENSIONS_MB} MB are read"
        raise MedicalFileError(f"has its values far behind its header; {most} between them")
    count = math.prod(max(each, 1) for each in dims[1 : 1 + max(0, min(dims[0], 7))])
    if packed and (said := too_large(count * max(bits, 8) // 8, VOLUME_MB, "unpacks to")):
        raise MedicalFileError(said)
