"""Image files to arrays: what is read, how each kind becomes 8 bits, and what is refused by name.

Read: PNG, JPEG, BMP, TIFF, GIF (first frame), WebP, PPM; DICOM and NIfTI (see `medical/`). Every
image becomes uint8, (H, W) if it is grey and (H, W, 3) if not; a colour file whose three channels
are equal is grey.

- 16 bits: the full range is scaled, 65535 to 255, so that no image decides its own contrast; of
  files that use fewer bits (see bit_depth.py) the range of these. Grey is rounded (v / 257); colour
  keeps the high byte, as Pillow reads it.
- 1 bit becomes 0 and 255; palettes are looked up; CMYK is converted without a colour profile.
- Transparency is composited on black, which is what surrounds an ultrasound fan; an image of which
  nothing is seen then is refused, and so is one of one value.
- EXIF orientation is applied. Boxes are in the pixels of the image after that.
- Refused: floating point and 32 bits (no range is agreed), files of several pages or animation
  frames other than GIF, more than MAX_PIXELS pixels, and whatever is truncated.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from abl.data.bit_depth import SIXTEEN, bits_read, in_eight_bits
from abl.data.medical.kinds import (
    DICOM,
    HEAD,
    MEDICAL_SUFFIXES,
    NIFTI,
    addressed_file,
    medical_kind,
)
from abl.errors import InputError, Problem
from abl.spec.limits import IMAGE_MB, MAX_PIXELS, too_large

Result = TypeVar("Result")

# what is wrong with a file is told in a line of ours, which names it. For the whole process, as
# threads decode too, and would undo each other's `warnings.catch_warnings`
warnings.filterwarnings("ignore", module=r"PIL\.")

KINDS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".ppm", ".pgm", ".pbm")
)

_ORIENTATION = 0x0112
_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_THEIR_SIDE = {_TRANSPOSED[orientation] for orientation in (5, 6, 7, 8)}
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


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
        folder, path, lambda content: opened_image(content, _upright_size), _medical_size
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
            content = b"" if kind else head + _rest(opened, path)  # of a cine one frame is read
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

    return _grey_if_equal(medical_picture(kind, file, frame))


def _medical_size(kind: str, file: Path, frame: int | None) -> tuple[int, int]:
    from abl.data.medical.reading import medical_size

    return medical_size(kind, file, frame)


def decoded_image(content: bytes, bits: int = 0) -> np.ndarray:
    """The image in the bytes of a file that is not medical: uint8 (H, W) if grey, else (H, W, 3).

    Args:
        bits: Those that a file of 16 bits uses; 0: what it says itself, else all.

    Raises:
        ValueError: Why it is refused, in words to put behind a file name.
    """
    used = bits_read(content, bits)
    return opened_image(content, lambda image: _pixels(image, used))


def _pixels(image: Image.Image, bits: int = 0) -> np.ndarray:
    image.load()
    return _grey_if_equal(_eight_bits(upright(image), bits))


def _upright_size(image: Image.Image) -> tuple[int, int]:
    if image.format == "TIFF":  # whether its size is that before the rotation is Pillow's affair
        height, width = _pixels(image).shape[:2]
        return height, width
    turned = _TRANSPOSED.get(_orientation(image)) in _ON_THEIR_SIDE
    return (image.width, image.height) if turned else (image.height, image.width)


def opened_image(
    content: bytes, read: Callable[[Image.Image], Result], *, any_range: bool = False
) -> Result:
    """What `read` makes of the image in the bytes of a file; ValueError as `decoded_image`.

    Args:
        any_range: Lets floating-point and 32-bit values pass, of which no range is agreed.
    """
    if not content:
        raise ValueError("is empty (0 bytes)")
    if content[128:132] == b"DICM":
        raise ValueError("is a DICOM file, which is read from the disk alone")
    try:
        with Image.open(io.BytesIO(content), formats=KINDS) as image:
            reason = _refusal(image, any_range=any_range)
            if reason is None:
                return read(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(_too_large()) from None
    except UnidentifiedImageError:
        kinds = ", ".join((*KINDS, DICOM, NIFTI))
        raise ValueError(f"is not an image of a kind that is read ({kinds})") from None
    except MemoryError:
        raise ValueError("does not fit into memory") from None
    except _RefusedError as error:
        raise ValueError(str(error)) from None
    except Exception as error:
        # a broken file makes Pillow raise OSError, SyntaxError, struct.error, IndexError, ...
        raise ValueError(f"is damaged or truncated ({_one_line(error)})") from None
    raise ValueError(reason)


def reduced(image: np.ndarray, longest_side: int) -> np.ndarray:
    """The image with its longest side at most this many pixels (Lanczos); smaller ones as is."""
    height, width = image.shape[:2]
    if max(height, width) <= longest_side:
        return image
    share = longest_side / max(height, width)
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _refusal(image: Image.Image, *, any_range: bool) -> str | None:
    """Why an image is refused, from its header; None if it is not."""
    if image.width * image.height > MAX_PIXELS:
        return _too_large()
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format in ("TIFF", "WEBP", "PNG"):
        return f"has {frames} pages or frames; save the one to use as a file of its own"
    if image.mode == "F" and not any_range:
        return "holds floating-point values; save it with 8 or 16 bits"
    if image.mode == "I" and image.format not in ("PNG", "PPM") and not any_range:
        return "holds 32-bit or signed values; save it with 8 or 16 bits"
    if image.mode == "LAB":
        return "is in CIELAB colours; save it as RGB"
    return None


def _too_large() -> str:
    return f"has more than {MAX_PIXELS:,} pixels; reduce it first"


def upright(image: Image.Image) -> Image.Image:
    """The image with its EXIF orientation applied (TIFF: Pillow has done so on loading)."""
    if image.format == "TIFF":
        return image
    method = _TRANSPOSED.get(_orientation(image))
    return image if method is None else image.transpose(method)


def has_white_at_zero(image: Image.Image) -> bool:
    """Whether 0 of a grey TIFF of 16 bits is white: Pillow turns round those of up to 8 bits alone
    (findings/tiff_white_is_zero.sh).
    """
    tags = getattr(image, "tag_v2", {})
    return image.mode.startswith("I;16") and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # unreadable metadata say nothing about the pixels
        return 1


def _eight_bits(image: Image.Image, bits: int) -> np.ndarray:
    """uint8 (H, W) or (H, W, 3) from any mode that is not refused; `bits` 0 are all."""
    if image.mode.startswith("I"):  # 16 bits, or a PNG or PGM of 16 bits read as 32
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("values outside 16 bits")
        try:
            grey = in_eight_bits(values, bits or SIXTEEN)
        except ValueError as error:
            raise _RefusedError(str(error)) from None
        return 255 - grey if has_white_at_zero(image) else grey
    if bits:
        raise _RefusedError(
            f"is a colour image of 16 bits of which {bits} are used; save it with 8 bits"
        )
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        # to RGBA first: the transparency of a palette or of one key colour becomes alpha
        rgba = np.asarray(image.convert("RGBA"), dtype=np.uint16)
        if not rgba[..., 3].any():
            raise _RefusedError("has no visible pixel (alpha is 0 everywhere)")
        seen = ((rgba[..., :3] * rgba[..., 3:] + 127) // 255).astype(np.uint8)
        if not seen.any() and not rgba[..., 3].all():
            raise _RefusedError(
                "is black on a transparent ground, which is read as black too; save it without "
                "transparency"
            )
        return seen
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    return np.asarray(image.convert("RGB"))


class _RefusedError(Exception):
    """Pixels that are read and make no image; the reason stands behind a file's name."""


def _grey_if_equal(image: np.ndarray) -> np.ndarray:
    if image.ndim == 3 and (
        np.array_equal(image[..., 0], image[..., 1])
        and np.array_equal(image[..., 0], image[..., 2])
    ):
        image = image[..., 0]
    return np.ascontiguousarray(image)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


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
