"""What a file of weights unpacks to, before any of it is unpacked.

`torch.save` writes a zip archive and does not compress: archives that are compressed were made by
something else, and a few MB of zeros may be gigabytes of tensors.
"""

from __future__ import annotations

import mmap
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from abl.spec.limits import MB, MOST_PACKED, PACKED_MB, WEIGHTS_MB, megabytes, too_large

# what makes any number of zero bytes of one number; no state dict holds one
_ZEROS = b"bytearray"
_PICKLE_MB = 256  # names and shapes of tensors


def packed_fault(path: Path) -> str:
    """Why a file that torch is to read unpacks to too much; "" if it does not.

    A file that is broken is told by who reads it. Raises OSError.
    """
    if not path.stat().st_size:
        return ""
    if not zipfile.is_zipfile(path):  # of PyTorch before 1.6: nothing in it is compressed
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _no_tensors() if data.find(_ZEROS) >= 0 else ""
    try:
        with zipfile.ZipFile(path) as archive:
            return _archive_fault(path, archive)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError):
        return ""


def unfolded_fault(state: Mapping[str, Tensor]) -> str:
    """Why tensors are not those of a network: without values, or one value at a billion places; ""
    if they are.
    """
    for name, value in state.items():
        if value.is_meta or value.layout is not torch.strided:
            return f"{name} is a tensor without all of its values (sparse or meta)"
    size = sum(value.numel() * value.element_size() for value in state.values())
    return too_large(size, WEIGHTS_MB, "unfolds to")


def _archive_fault(path: Path, archive: zipfile.ZipFile) -> str:
    members = archive.infolist()
    packed, size = path.stat().st_size, sum(each.file_size for each in members)
    if said := too_large(size, WEIGHTS_MB, "unpacks to"):
        return said
    if size > MOST_PACKED * packed + PACKED_MB * MB:
        return (
            f"unpacks from {megabytes(packed)} to {megabytes(size)}, as no weights do: write it "
            "with torch.save(network.state_dict(), ...), which does not compress"
        )
    for member in members:
        if member.filename.endswith(".pkl"):
            if member.file_size > _PICKLE_MB * MB:
                return f"holds {megabytes(member.file_size)} of names, as no state dict does"
            if _ZEROS in archive.read(member):
                return _no_tensors()
    return ""


def _no_tensors() -> str:
    return (
        "holds byte arrays, which no state dict does; save it with "
        "torch.save(network.state_dict(), ...) or as safetensors"
    )
