"""Bytes of image files to arrays: what is read, how each kind becomes 8 bits, what is refused.

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
import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from abl.data.bit_depth import SIXTEEN, bits_read, in_eight_bits
from abl.data.medical.kinds import (
    DICOM,
    NIFTI,
)
from abl.spec.limits import MAX_PIXELS

Result = TypeVar("Result")

# what is wrong with a file is told in a line of ours, which names it. For the whole process, as
# threads decode too, and would undo each other's `warnings.catch_warnings`
warnings.filterwarnings("ignore", module=r"PIL\.")

KINDS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM")

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
_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0


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
    return grey_if_equal(_eight_bits(upright(image), bits))


def upright_size(image: Image.Image) -> tuple[int, int]:
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


def grey_if_equal(image: np.ndarray) -> np.ndarray:
    if image.ndim == 3 and (
        np.array_equal(image[..., 0], image[..., 1])
        and np.array_equal(image[..., 0], image[..., 2])
    ):
        image = image[..., 0]
    return np.ascontiguousarray(image)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
