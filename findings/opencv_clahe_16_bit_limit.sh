#!/usr/bin/env bash
# OpenCV 5.0.0 (opencv-python-headless 5.0.0.93), cv2.createCLAHE on images of 16 bits.
# The histogram has 65536 bins then, and the limit of a bin is clipLimit * pixels of a tile / 65536,
# rounded down, but at least 1. With 512 x 512 pixels and the default 8 x 8 tiles a tile has 4096, so
# every clipLimit below 32 is the same limit: 1. All of them give one and the same image, to the bit.
# In 8 bits (256 bins) each of them gives another image.
# Surprise: the one parameter that people tune is without any effect, and nothing says so.
# It hurts those who tune clipLimit on radiographs of 12 or 16 bits, or carry the usual 2 or 3 or 40
# over from 8 bits: their sweep compares one image with itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" \
  opencv-python-headless==5.0.0.93 numpy==2.4.6
PYTHONPATH="$folder" python3 - <<'EOP'
import cv2
import numpy as np

assert cv2.__version__ == "5.0.0"
rng = np.random.default_rng(0)
smooth = cv2.GaussianBlur(rng.normal(size=(512, 512)), (0, 0), 3)
smooth = (smooth - smooth.min()) / np.ptp(smooth)
deep = (1500 + 1000 * smooth).astype(np.uint16)  # 12 bits, as a radiograph
shallow = np.round(deep / 4095 * 255).astype(np.uint8)  # the same picture in 8 bits


def results(image: np.ndarray, limits: list, grid: int) -> int:
    """How many different images a list of limits gives."""
    return len({cv2.createCLAHE(limit, (grid, grid)).apply(image).tobytes() for limit in limits})


def bin_limit(limit: float, grid: int, bins: int) -> int:
    return max(int(limit * (512 // grid) ** 2 / bins), 1)


limits = [1, 2, 3, 4, 8, 16, 31]
for grid in (4, 8, 16):
    seen16, seen8 = results(deep, limits, grid), results(shallow, limits, grid)
    told16 = len({bin_limit(each, grid, 65536) for each in limits})
    print(f"{grid} x {grid} tiles, {len(limits)} clip limits: {seen8} images in 8 bits, "
          f"{seen16} in 16 bits")
    assert seen16 == told16
    assert seen8 >= 6
assert results(deep, limits, 8) == results(deep, limits, 16) == 1
# the first limit that does something is 2 * 65536 / 4096
assert results(deep, [31.99, 32], 8) == 2
assert results(deep, [32, 40, 47.99], 8) == 1
print("8 x 8 tiles: 1 to 31.99 are one image, 32 to 47.99 another")
# 256 bins over the same 12 bits, as one would guess from the 8 bits: the limit works again
scaled = (deep // 16).astype(np.uint8)
assert results(scaled, limits, 8) == len(limits)
EOP
echo "as stated"
