#!/usr/bin/env bash
# Pillow 13.0.0, a grey TIFF of 8 or 16 bits, stored without compression in one strip, whose
# Orientation says that it lies on its side (5 to 8). Pillow turns TIFF files as it loads them. Opened
# by its path the file is mapped into memory with the width of the *turned* image, so that rows are
# cut at the wrong places; then that is turned. What comes is a sheared picture of the old shape, of
# which the usual look at the shape tells nothing. Opened from the same bytes, with compression, or in
# colour, it is right. Orientations 1 to 4 are right, but by luck: they keep the width.
# Expected: a file and its bytes give one picture. Seen: by path, noise in the shape of the stored one.
# Surprise: nothing is raised or said, and a test with BytesIO or of a square image passes.
# It hurts those who train on scanned films from paths and serve from uploaded bytes, or whose masks are
# compressed and images not: one arm of a comparison sees noise.
# What abl does about it: images and masks are decoded from bytes (data/images.py, data/masks/files.py,
# tests/data/test_image_files.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'EOP'
import io
import sys
from pathlib import Path

import numpy as np
import PIL
import tifffile
from PIL import Image

assert PIL.__version__ == "13.0.0"
path = Path(sys.argv[1], "film.tif")
UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: np.rot90,
}


def both(stored: np.ndarray, orientation: int, **how) -> tuple[np.ndarray, np.ndarray]:
    """The picture by its path, and by its bytes."""
    tag = (274, "H", 1, orientation, True)
    kind = "minisblack" if stored.ndim == 2 else "rgb"
    tifffile.imwrite(path, stored, photometric=kind, metadata=None, extratags=[tag], **how)
    assert np.array_equal(tifffile.imread(path), stored)  # a valid file, which is not turned by this reader
    with Image.open(path) as by_path, Image.open(io.BytesIO(path.read_bytes())) as by_bytes:
        return np.asarray(by_path), np.asarray(by_bytes)


small = np.arange(12, dtype=np.uint8).reshape(3, 4)
by_path, by_bytes = both(small, 6)
print("stored", small.tolist())
print("orientation 6 from bytes", by_bytes.tolist())
print("orientation 6 by path   ", by_path.tolist())
assert by_path.shape == small.shape != by_bytes.shape
assert by_path.tolist() == np.rot90(small.reshape(4, 3), -1).tolist()  # rows of 3, not of 4

rng = np.random.default_rng(0)
for depth in (np.uint8, np.uint16):
    for shape in ((60, 80), (80, 60), (60, 60), (60, 80, 3)):
        stored = rng.integers(0, 256, shape).astype(depth)
        if stored.ndim == 3 and depth is np.uint16:
            continue  # Pillow reads no colour of 16 bits from TIFF as it is
        for compression in (None, "zlib"):
            wrong = []
            for orientation, turn in UPRIGHT.items():
                by_path, by_bytes = both(stored, orientation, compression=compression)
                assert np.array_equal(by_bytes, turn(stored))
                if not np.array_equal(by_path, by_bytes):
                    assert by_path.shape == stored.shape
                    wrong.append(orientation)
            print(f"{np.dtype(depth)}, {shape}, {compression}: by its path wrong with orientations {wrong}")
            uneven = stored.ndim == 2 and shape[0] != shape[1]
            assert wrong == ([5, 6, 7, 8] if uneven and compression is None else [])
EOP
echo "as stated"
