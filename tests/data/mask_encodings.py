"""One mask in the ways in which tools write it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from image_folders import grey_tiff
from PIL import Image

BLACK, WHITE, RED, BLUE = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255)
GREEN, MAROON = (0, 255, 0), (128, 0, 0)


def as_bytes(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def grey(values: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    return as_bytes(Image.fromarray(np.ascontiguousarray(values)), kind, **options)


def coloured(mask: np.ndarray, ground: Sequence[int], nodule: Sequence[int]) -> Image.Image:
    """RGB, or RGBA by four numbers."""
    pixels = np.where(mask[..., None], np.array(nodule), np.array(ground))
    return Image.fromarray(pixels.astype(np.uint8))


def indexed(indices: np.ndarray, colours: Sequence[Sequence[int]]) -> Image.Image:
    picture = Image.fromarray(indices.astype(np.uint8), "P")
    picture.putpalette([part for colour in colours for part in colour])
    return picture


def words_png(values: np.ndarray) -> bytes:
    """(H, W, 3) in 16 bits a channel, which Pillow does not write."""
    height, width, _ = values.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def zero_is_white(mask: np.ndarray, bits: int) -> bytes:
    """A TIFF that shows the nodule white."""
    stored = np.where(mask, 0, 2**bits - 1).astype(f"<u{bits // 8}")
    return grey_tiff(stored.tobytes(), *mask.shape[::-1], bits=bits, white_at_zero=True)


Encoding = Callable[[np.ndarray], bytes]

# of a mask bool (H, W), two values in the file
TWO_VALUED: dict[str, Encoding] = {
    "0 and 255": lambda m: grey(m * np.uint8(255)),
    "0 and 1": lambda m: grey(m.astype(np.uint8)),
    "0 and 2": lambda m: grey(m * np.uint8(2)),
    "1 and 2": lambda m: grey(m + np.uint8(1)),
    "128 and 255": lambda m: grey(m * np.uint8(127) + np.uint8(128)),
    "16 bits, 0 and 1": lambda m: grey(m.astype(np.uint16)),
    "16 bits, 0 and 65535": lambda m: grey(m * np.uint16(65535)),
    "16 bits a channel, 0 and 1": lambda m: words_png(np.repeat(m[..., None], 3, axis=2)),
    "1 bit": lambda m: grey(m),
    "1 bit, fax": lambda m: grey(m, "TIFF", compression="group4"),
    "red on black": lambda m: as_bytes(coloured(m, BLACK, RED)),
    "blue on black": lambda m: as_bytes(coloured(m, BLACK, BLUE), "BMP"),
    "blue on white": lambda m: as_bytes(coloured(m, WHITE, BLUE)),
    "palette of VOC": lambda m: as_bytes(indexed(m, [BLACK, MAROON])),
    "palette without colours": lambda m: as_bytes(indexed(m, [BLACK, BLACK])),
    "palette that begins with white": lambda m: as_bytes(indexed(~m, [WHITE, BLACK])),
    "black on clear": lambda m: as_bytes(coloured(m, (0, 0, 0, 0), (0, 0, 0, 255))),
    "half clear red on clear": lambda m: as_bytes(coloured(m, (0, 0, 0, 0), (255, 0, 0, 128))),
    "GIF": lambda m: grey(m * np.uint8(255), "GIF"),
    "PGM, 0 and 1": lambda m: grey(m.astype(np.uint8), "PPM"),
    "WebP": lambda m: as_bytes(coloured(m, BLACK, (1, 1, 1)), "WEBP", lossless=True),
    "8 bits, 0 is white": lambda m: zero_is_white(m, 8),
    "16 bits, 0 is white": lambda m: zero_is_white(m, 16),
    "32 bits": lambda m: grey(m.astype(np.int32), "TIFF"),
    "floating point": lambda m: grey(m * np.float32(1.00000006), "TIFF"),
    "floating point, halves": lambda m: grey(m * np.float32(0.5), "TIFF"),
}

# more values: the edge is blurred
BLURRED: dict[str, Encoding] = {
    "JPEG": lambda m: grey(m * np.uint8(255), "JPEG", quality=90),
    "JPEG saved as PNG": lambda m: grey(
        np.asarray(Image.open(io.BytesIO(grey(m * np.uint8(255), "JPEG"))))
    ),
    "JPEG, red on black": lambda m: as_bytes(coloured(m, BLACK, RED), "JPEG", quality=90),
    "WebP, lossy": lambda m: grey(m * np.uint8(255), "WEBP", quality=80),
}
