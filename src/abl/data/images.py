"""Images in files below a folder: read, measured, known by their bytes and by their names."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from abl.data.image_decoding import decoded_image, grey_if_equal, opened_image, upright_size
from abl.data.medical.kinds import (
    HEAD,
    MEDICAL_SUFFIXES,
    addressed_file,
    medical_kind,
)
from abl.errors import InputError, Problem
from abl.spec.limits import IMAGE_MB, too_large

Result = TypeVar("Result")

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".ppm", ".pgm", ".pbm")
)


@dataclass(frozen=True)
class FileSource:
    """Images in files below a folder.

    Attributes:
        paths: Below the folder; PATH#FRAME for one of several frames (see `addressed_file`).
        digests: SHA-256 (hex) of each file's bytes, and of how it is read if that is not by all
            its bits; of a medical file always.
        bits: Those that files of 16 bits use; 0: what a file says itself, else all. Medical files
            say it.
        may_be_blank: Whether an image of one value is taken, as a mask may be.
    """

    folder: str
    paths: tuple[str, ...]
    digests: tuple[str, ...]
    bits: int = 0
    may_be_blank: bool = False

    def decode(self, position: int) -> np.ndarray:
        """uint8 (H, W) or (H, W, 3); InputError names the file."""
        path = self.paths[position]
        image = decoded_file(self.folder, path, self.bits)
        if not self.may_be_blank and (said := one_value(image)):
            raise InputError(Problem(said, file=path))
        return image

    def fingerprints(self) -> list[str]:
        return list(self.digests)


def one_value(image: np.ndarray) -> str:
    """What is wrong with an image (H, W) or (H, W, 3) whose pixels are all alike; "" if not."""
    first = image[0, 0]
    # a few pixels tell nearly every image
    if (image[::16, ::16] != first).any() or (image != first).any():
        return ""
    if image.ndim == 2:
        return f"has one grey value everywhere ({first})"
    return f"has one colour everywhere ({', '.join(map(str, first))})"


def decoded_file(folder: str, path: str, bits: int = 0) -> np.ndarray:
    """The image of a file below a folder. Raises InputError, which names the file as the manifest
    does, if it cannot be read or is of a kind that is refused.
    """
    return _of_file(folder, path, lambda content: decoded_image(content, bits), _medical_image)


def file_size(folder: str, path: str) -> tuple[int, int]:
    """(height, width) of the image of a file; but for TIFF its header alone is read.

    Raises InputError as `decoded_file`, as far as the header tells.
    """
    return _of_file(
        folder, path, lambda content: opened_image(content, upright_size), _medical_size
    )


def _of_file(
    folder: str,
    path: str,
    read: Callable[[bytes], Result],
    read_medical: Callable[[str, Path, int | None], Result],
) -> Result:
    file, frame = addressed_file(folder, path)
    try:
        with file.open("rb", buffering=0) as opened:
            head = opened.read(HEAD)
            kind = medical_kind(head, file.name)
            # as bytes: by its path Pillow tears a grey TIFF on its side apart
            # (findings/pillow_grey_tiff_on_its_side.sh); of a cine one frame is read
            content = b"" if kind else head + _rest(opened, path)
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", file=path)) from None
    try:
        return read_medical(kind, file, frame) if kind else read(content)
    except ValueError as error:
        raise InputError(Problem(str(error), file=path)) from None


def _rest(opened: io.FileIO, path: str) -> bytes:
    """What follows the head of a file. Raises InputError if that is more than is read."""
    size = os.fstat(opened.fileno()).st_size
    if not (said := too_large(size, IMAGE_MB)):
        return opened.readall()
    raise InputError(Problem(said, file=path))


def _medical_image(kind: str, file: Path, frame: int | None) -> np.ndarray:
    from abl.data.medical.reading import medical_picture  # costs what only such files are worth

    return grey_if_equal(medical_picture(kind, file, frame))


def _medical_size(kind: str, file: Path, frame: int | None) -> tuple[int, int]:
    from abl.data.medical.reading import medical_size

    return medical_size(kind, file, frame)


def reduced(image: np.ndarray, longest_side: int) -> np.ndarray:
    """The image with its longest side at most this many pixels (Lanczos); smaller ones as is."""
    height, width = image.shape[:2]
    if max(height, width) <= longest_side:
        return image
    share = longest_side / max(height, width)
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def is_image_name(name: str) -> bool:
    """Whether a file's name ends as those of images do."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - names, not paths
    return suffix in SUFFIXES or name.lower().endswith(MEDICAL_SUFFIXES)


def image_stem(name: str) -> str:
    """A file's name without folders and without its ending: `x` of `a/x.png` and `a/x.nii.gz`."""
    name = name.rpartition("/")[2]
    if name.lower().endswith(".nii.gz"):
        name = name[: -len(".gz")]
    return name.rpartition(".")[0] or name
