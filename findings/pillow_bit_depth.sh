#!/usr/bin/env bash
# Pillow 13.0.0 and files of 16 bits that use 12. Three kinds of file say so, and it does three things:
# a TIFF of 12 bits a sample comes as 0 to 4095 of 65535 (nearly black where the range is scaled), a PGM
# with the largest value 4095 is scaled to 65535, and the sBIT chunk of a PNG is not shown at all.
# What abl does about it: it reads BitsPerSample and sBIT itself (data/bit_depth.py).
# Run from the repository's root, with abl installed.
set -euo pipefail
python3 - <<'EOF_PYTHON'
import io
import struct
import zlib

import numpy as np
from PIL import Image

white = 4095
data = bytes([0xFF, 0xFF, 0xFF])  # two samples of 12 bits
tags = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 3)]
entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
tiff = struct.pack("<2sHI", b"II", 42, 11) + data
tiff += struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
assert np.asarray(Image.open(io.BytesIO(tiff))).max() == white

pgm = b"P5\n2 1\n4095\n" + struct.pack(">2H", white, white)
assert np.asarray(Image.open(io.BytesIO(pgm))).max() == 65535

buffer = io.BytesIO()
Image.fromarray(np.full((1, 2), white, np.uint16)).save(buffer, "PNG")
content = buffer.getvalue()
chunk = b"sBIT" + bytes([12])
chunk = struct.pack(">I", 1) + chunk + struct.pack(">I", zlib.crc32(chunk))
with Image.open(io.BytesIO(content[:33] + chunk + content[33:])) as image:
    assert np.asarray(image).max() == white
    assert not any("bit" in str(name).lower() for name in image.info)
print("as before: 4095, 65535 and 4095 for the same white")
EOF_PYTHON
