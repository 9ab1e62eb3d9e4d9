#!/usr/bin/env bash
# tifffile 2026.3.3: imread of a plain TIFF of several pages (no ImageJ, OME or other description).
# Pages that differ in compression, rows a strip, or black-and-white tag, though equal in shape and
# type, are put into different "series", and imread gives the first series alone. A stack of six
# slices, two of them stored without compression, comes back as four, closed up: no error, no warning.
# imageio 2.38.1, which reads TIFF with it, gives the same four. Pillow counts all six.
# Surprise: how a page is packed decides whether it is there, and the slices after it move up.
# It hurts those who read scanned stacks: masks and slices are paired by index, and are now apart.
# What abl does about it: a TIFF of several pages is refused (data/images.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" \
  tifffile==2026.3.3 imageio==2.38.1 pillow==13.0.0 numpy==2.4.6
PYTHONPATH="$folder" python3 -W error - "$folder" <<'EOP'
import sys
from collections.abc import Callable

import imageio.v3 as iio
import numpy as np
import tifffile
from PIL import Image

assert tifffile.__version__ == "2026.3.3"
path = sys.argv[1] + "/stack.tif"
SLICES, OTHER = 6, (2, 5)


def write(how: Callable[[int], dict]) -> None:
    """Six pages of 8 x 8 pixels; each has its own number in every pixel."""
    with tifffile.TiffWriter(path) as writer:
        for number in range(SLICES):
            settings = {"photometric": "minisblack", "contiguous": False, **how(number)}
            writer.write(np.full((8, 8), number, np.uint8), metadata=None, **settings)


def by_pillow() -> list[int]:
    found = []
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            pixel = image.getpixel((0, 0))
            found.append(255 - pixel if image.tag_v2[262] == 0 else pixel)
    return found


everything = list(range(SLICES))
first = [number for number in everything if number not in OTHER]
cases = {
    "all alike": lambda n: {},
    "compression": lambda n: {"compression": None if n in OTHER else "zlib"},
    "rows a strip": lambda n: {"rowsperstrip": 2 if n in OTHER else 8},
    "photometric": lambda n: {"photometric": "miniswhite" if n in OTHER else "minisblack"},
}
for name, how in cases.items():
    write(how)
    with tifffile.TiffFile(path) as file:
        pages, series = len(file.pages), len(file.series)
        shapes = {(page.shape, page.dtype.str) for page in file.pages}
    read = tifffile.imread(path)
    print(f"{name}: {pages} pages, {series} series, imread has the slices {read[:, 0, 0].tolist()}, "
          f"Pillow {by_pillow()}")
    assert pages == SLICES
    assert len(shapes) == 1  # one shape and one type in all of them
    assert by_pillow() == everything
    assert read[:, 0, 0].tolist() == (everything if name == "all alike" else first)
    assert series == (1 if name == "all alike" else 2)
    assert np.array_equal(iio.imread(path), read)

# page by page they are all there
write(cases["compression"])
with tifffile.TiffFile(path) as file:
    assert [int(page.asarray()[0, 0]) for page in file.pages] == everything
EOP
echo "as stated"
