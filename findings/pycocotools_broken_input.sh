#!/usr/bin/env bash
# pycocotools 2.0.11 trusts what it is given. Run lengths of another sum than the image are decoded from
# memory that was never written ([5, 5] as 8 x 8 pixels gives values that are neither 0 nor 1, and
# changes from call to call); a damaged compressed text can end the process by a fault of memory. A
# polygon takes memory by the length of its outline, whatever the size of the image: one corner at
# 1e7 takes 1 GB for a mask of 12 x 12. A polygon of two points is taken for a box, and a TypeError.
# What abl does about it: run lengths are decoded in data/annotations/fill.py, which checks their
# sum; outlines that reach far beyond their image are refused before pycocotools sees them.
# Run from the repository's root.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pycocotools==2.0.11
"$folder/venv/bin/python" - <<'EOS'
import resource
import subprocess
import sys

import numpy as np
from pycocotools import mask

# a sum of 10 for 64 pixels: no error, and for some of many calls no mask of 0 and 1
odd = 0
for _ in range(50):
    keep = np.full(64, 9, np.uint8)  # memory that was used before
    del keep
    runs = mask.frPyObjects({"size": [8, 8], "counts": [5, 5]}, 8, 8)
    odd += int(mask.decode(runs).max() > 1)
assert odd, "values are 0 and 1"

# two points
try:
    mask.frPyObjects([[2.0, 2.0, 5.0, 5.0]], 12, 12)
except TypeError:
    pass
else:
    raise AssertionError("two points are read")

# memory by the length of an outline
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
mask.frPyObjects([[0.0, 0.0, 1e7, 0.0, 1e7, 1e7]], 12, 12)
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > 500_000

# damaged text: processes that are ended by a signal
broken = """
import random, sys
from pycocotools import mask
random.seed(int(sys.argv[1]))
for _ in range(300):
    text = bytes(random.randrange(48, 112) for _ in range(random.randrange(30)))
    try:
        mask.decode({"size": [8, 8], "counts": text})
    except Exception:
        pass
"""
codes = [
    subprocess.run([sys.executable, "-c", broken, str(seed)], stderr=subprocess.DEVNULL).returncode
    for seed in range(8)
]
assert min(codes) < 0, codes
print("as described")
EOS
