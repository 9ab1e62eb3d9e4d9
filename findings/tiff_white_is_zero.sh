#!/usr/bin/env bash
# Pillow 13.0.0 and tifffile 2026.3.3, a TIFF whose PhotometricInterpretation is 0 (WhiteIsZero), as
# scanners and film digitizers write it. Pillow turns an image of 8 bits round, so that 0 is black;
# an image of 16 bits (and of 32-bit floats) with the same tag it gives as it is stored, so that the
# picture is a negative. If that one is saved again, its tag says BlackIsZero: a negative for good.
# tifffile never turns anything round: it differs from Pillow in 8 bits and agrees in 16.
# Surprise: the same reader treats the same tag in two ways, by the depth of the pixels.
# It hurts those who mix films of 8 and of 16 bits in one data set, and those who change the reader.
# What abl does about it: images and masks of 16 bits are turned round as those of 8 are
# (data/images.py, data/masks/files.py, tests/data/test_bit_depth.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" \
  pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
PYTHONPATH="$folder" python3 - <<'EOP'
import io

import numpy as np
import PIL
import tifffile
from PIL import Image

assert PIL.__version__ == "13.0.0"
assert tifffile.__version__ == "2026.3.3"


def file_of(values: np.ndarray, photometric: str) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, values, photometric=photometric, metadata=None)
    return content.getvalue()


def by_pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def saved_again(content: bytes) -> tuple[int, np.ndarray]:
    """Photometric tag and stored values after Pillow has opened and saved the file."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        image.save(out, "TIFF")
    with tifffile.TiffFile(io.BytesIO(out.getvalue())) as file:
        return int(file.pages[0].photometric), file.pages[0].asarray()


for kind in (np.uint8, np.uint16, np.float32):
    white = 1.0 if kind is np.float32 else np.iinfo(kind).max
    values = np.array([[0, white / 4, white]]).astype(kind)
    content = file_of(values, "miniswhite")
    pillow, other = by_pillow(content), tifffile.imread(io.BytesIO(content))
    print(f"{np.dtype(kind)}: stored {values[0]}, Pillow {pillow[0]}, tifffile {other[0]}")
    assert (other == values).all()
    # with the other tag both give what is stored
    assert (by_pillow(file_of(values, "minisblack")) == values).all()
    if kind is np.uint8:
        assert (pillow == white - values).all()  # 0 is black, as meant
        assert saved_again(content)[0] == 1
        assert (saved_again(content)[1] == white - values).all()
    else:
        assert (pillow == values).all()  # 0 is still white
        tag, again = saved_again(content)
        assert tag == 1
        assert (again == values).all()  # and now said to be black
EOP
echo "as stated"
