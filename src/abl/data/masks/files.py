"""Mask files as they were saved: the value of each pixel, nothing scaled, reduced or made grey.

What the values mean is for mask_reading.py to say. Free of pandas and torch, as pixels.py is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from abl.data.image_decoding import has_white_at_zero, opened_image, upright
from abl.data.images import decoded_file
from abl.errors import InputError, Problem
from abl.spec.limits import IMAGE_MB, bounded_bytes

TRANSPARENT = -(1 << 40)  # the code of a pixel of which nothing is seen, whatever its colour
BYTE, WORD = 255, 65535
WHOLE = 1e-4  # 1.00000006 in floating point was a 1


@dataclass(frozen=True, eq=False)
class MaskValues:
    """The pixels of a mask file.

    Attributes:
        codes: int64 (H, W): grey value, index into the palette, or colour (red, green,
            blue, alpha: a byte each, red the highest); TRANSPARENT where alpha is 0.
        kind: What the codes are.
        top: Of grey values, the end of their range: 1, 255 or 65535.
        palette: uint8 (256, 3), colours of the indices; None unless kind is index.
        alpha: uint8 (H, W) where some pixel is half transparent; else None.
        lossy: Whether the file's compression changes values.
    """

    codes: np.ndarray
    kind: Literal["grey", "index", "colour"]
    top: int = BYTE
    palette: np.ndarray | None = None
    alpha: np.ndarray | None = None
    lossy: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        height, width = self.codes.shape
        return height, width


def rgb_of(values: MaskValues, code: int) -> tuple[int, int, int]:
    """Colour of a code that is not TRANSPARENT, 8 bits a channel."""
    if values.kind == "grey":
        level = round(code * BYTE / max(values.top, 1))
        return level, level, level
    if values.palette is not None:
        red, green, blue = (int(each) for each in values.palette[code])
        return red, green, blue
    return code >> 24 & BYTE, code >> 16 & BYTE, code >> 8 & BYTE


def value_word(values: MaskValues, code: int) -> str:
    """A value as people write it: 2, #ff0000, transparent."""
    if code == TRANSPARENT:
        return "transparent"
    if values.kind != "colour":
        return str(code)
    alpha = code & BYTE
    return "#{:02x}{:02x}{:02x}".format(*rgb_of(values, code)) + (
        "" if alpha == BYTE else f"{alpha:02x}"
    )


def mask_values(folder: str, path: str) -> MaskValues:
    """The values of a mask file below a folder. Raises InputError, which names the file.

    Of DICOM and NIfTI files as they are stored, without a window.
    """
    from abl.data.medical.reading import stored_values

    stored = stored_values(folder, path)
    if stored is not None:
        try:
            return values_of_numbers(stored)
        except ValueError as error:
            raise InputError(Problem(str(error), file=path)) from None
    try:
        content = bounded_bytes(Path(folder, path), IMAGE_MB)
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", file=path)) from None
    except InputError as error:
        raise InputError(Problem(error.problems[0].message, file=path)) from None
    try:
        return mask_values_of(content)
    except ValueError:
        # files of other kinds are those that images may be
        return _of_levels(decoded_file(folder, path))


def mask_values_of(content: bytes) -> MaskValues:
    """The values in the bytes of a file. Raises ValueError as `decoded_image`."""
    is_lossy = content[:4] == b"RIFF" and content[8:12] == b"WEBP" and b"VP8L" not in content

    def read(image: Image.Image) -> MaskValues:
        found = _values(image, content)
        lossy = is_lossy or image.format in ("JPEG", "MPO") or _has_jpeg_inside(image)
        return replace(found, lossy=lossy)

    return opened_image(content, read, any_range=True)


def _has_jpeg_inside(image: Image.Image) -> bool:
    return image.format == "TIFF" and str(image.info.get("compression")) in ("jpeg", "webp")


def _values(image: Image.Image, content: bytes) -> MaskValues:
    tiles = getattr(image, "tile", ())
    image.load()
    image = upright(image)
    if image.mode == "F":
        return values_of_numbers(np.asarray(image))
    if image.mode.startswith("I"):
        codes = np.asarray(image).astype(np.int64)
        return _of_integers(WORD - codes if has_white_at_zero(image) else codes)
    if image.mode == "P":
        return _of_palette(image)
    if image.mode in ("1", "L") and not image.has_transparency_data:
        top = 1 if image.mode == "1" else BYTE
        return MaskValues(np.asarray(image).astype(np.int64), "grey", top)
    has_alpha = image.has_transparency_data or image.mode in ("La", "RGBa")
    found = _of_colours(np.asarray(image.convert("RGBA" if has_alpha else "RGB")))
    # Pillow keeps the high bytes of 16-bit colour: those of 0 and 1 are the same
    has_words = any(order in str(tiles) for order in ("16B", "16L", "16N"))
    is_flat = (found.codes == found.codes[0, 0]).all()
    return _of_low_bytes(content) if has_words and is_flat else found


def _of_low_bytes(content: bytes) -> MaskValues:
    def read(image: Image.Image) -> MaskValues:
        swap = {"16B": "16L", "16L": "16B"}
        tiles = []
        for tile in image.tile:  # type: ignore[attr-defined]
            words, rest = tile.args, ()
            if isinstance(words, tuple):
                words, *others = words
                rest = tuple(others)
            mode, _, order = str(words).partition(";")
            if order not in swap or mode not in ("RGB", "RGBA"):
                raise ValueError(
                    "has 16 bits a channel and one value in their high bytes: save it with 8 bits"
                )
            words = f"{mode};{swap[order]}"
            tiles.append(tile._replace(args=(words, *rest) if rest else words))
        image.tile = tiles  # type: ignore[attr-defined]
        image.load()
        # alpha too is of low bytes now, and says nothing
        found = _of_colours(np.asarray(upright(image).convert("RGB")))
        return replace(found, top=WORD)

    return opened_image(content, read)


def values_of_numbers(numbers: np.ndarray) -> MaskValues:
    """Of numbers (H, W): whole ones, two values whatever they are, or shares of 1.

    Raises:
        ValueError: Why it is no mask.
    """
    if not np.isfinite(numbers).all():
        raise ValueError("holds values that are not finite")
    whole = np.rint(numbers)
    if (np.abs(numbers - whole) <= WHOLE).all():
        return _of_integers(whole.astype(np.int64))
    found = np.unique(numbers)
    if len(found) == 2:
        return MaskValues((numbers == found[1]).astype(np.int64) + (found[0] != 0), "grey", BYTE)
    if numbers.min() < 0 or numbers.max() > 1:
        raise ValueError("holds fractions outside 0 to 1; save it with 8 or 16 bits")
    return MaskValues(np.rint(numbers * WORD).astype(np.int64), "grey", WORD)


def _of_integers(codes: np.ndarray) -> MaskValues:
    return MaskValues(codes, "grey", BYTE if codes.max(initial=0) <= BYTE else WORD)


def _of_palette(image: Image.Image) -> MaskValues:
    image.apply_transparency()
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = BYTE
    entries = np.array(image.getpalette("RGBA") or [], np.uint8).reshape(-1, 4)[:256]
    table[: len(entries)] = entries
    codes = np.asarray(image).astype(np.int64)
    codes[table[codes, 3] == 0] = TRANSPARENT
    return MaskValues(codes, "index", palette=np.ascontiguousarray(table[:, :3]))


def _of_levels(image: np.ndarray) -> MaskValues:
    """Of an image that is 8 bits by now: uint8 (H, W) or (H, W, 3)."""
    if image.ndim == 2:
        return MaskValues(image.astype(np.int64), "grey")
    return _of_colours(image)


def _of_colours(image: np.ndarray) -> MaskValues:
    """Of uint8 (H, W, 3 or 4)."""
    planes = image.astype(np.int64)
    red, green, blue = (planes[..., at] for at in range(3))
    alpha = planes[..., 3] if image.shape[2] == 4 else None
    if alpha is None or (alpha == BYTE).all():
        if (red == green).all() and (red == blue).all():
            return MaskValues(red, "grey")
        alpha = None
    codes = (red << 24) | (green << 16) | (blue << 8) | (BYTE if alpha is None else alpha)
    if alpha is None:
        return MaskValues(codes, "colour")
    codes[alpha == 0] = TRANSPARENT
    is_half = ((alpha > 0) & (alpha < BYTE)).any()
    return MaskValues(codes, "colour", alpha=image[..., 3].copy() if is_half else None)
