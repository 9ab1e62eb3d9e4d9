#!/usr/bin/env bash
# Pillow 13.0.0 opens a PNG of 16 bits a channel with the high byte of each value alone, and says so
# nowhere: the mode is RGB. A mask with the values 0 and 1 (or 0 and 255 of 65535) comes out black.
# With the other byte order in the tile's arguments it gives the low bytes.
# What abl does about it: data/masks/files.py reads the low bytes where the high ones are all the same.
# Run from the repository's root, with abl installed.
set -euo pipefail
python3 - <<'EOF'
import io
import struct
import zlib

import numpy as np
from PIL import Image

values = np.zeros((4, 5, 3), np.uint16)
values[1:3, 1:4] = 1
lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
header = struct.pack(">IIBBBBB", 5, 4, 16, 2, 0, 0, 0)
content = b"\x89PNG\r\n\x1a\n"
for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
    content += struct.pack(">I", len(data)) + name + data
    content += struct.pack(">I", zlib.crc32(name + data))

with Image.open(io.BytesIO(content)) as image:
    assert image.mode == "RGB"
    assert image.tile[0].args == "RGB;16B"
    assert not np.asarray(image).any(), "the low bytes are kept now: simplify data/masks/files.py"
with Image.open(io.BytesIO(content)) as image:
    image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
    assert (np.asarray(image) == values).all()
print("0 and 1 in 16-bit colour open as black; the low bytes hold them")
EOF
