#!/usr/bin/env bash
# torchvision 0.29.1 (PyTorch 2.14.1), rgb_to_grayscale, Grayscale and RandomGrayscale of an image that is a
# tensor of 8 bits, v1 and v2. The three shares are 0.2989, 0.587 and 0.114, which add up to 0.9999, and the result
# is cut, not rounded: a grey picture in three channels (r = g = b), as ultrasound and radiographs are
# stored, comes back one level darker in every pixel but 0. Each time again: ten times is ten levels. A mask
# of 0 and 1 kept as RGB is all 0. The same function given the same picture as a PIL image changes nothing, nor does
# Pillow's convert("L"), or OpenCV.
# Expected: grey made grey is what it was. Seen: every value v comes back as v - 1.
# Surprise: of two documented inputs to one transform, one is lossless and the other never is.
# It hurts those who train from PIL images and serve from tensors (decode_image), and RandomGrayscale as an
# augmentation of grey images: it should do nothing, and tells a share of the images apart instead.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.14.1 torchvision==0.29.1 pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOP'
import cv2
import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision import transforms as v1
from torchvision.transforms import v2

assert torchvision.__version__.partition("+")[0] == "0.29.1"
levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
colour = np.dstack([levels] * 3)  # as a grey picture is stored in RGB
picture = Image.fromarray(colour)
tensor = torch.from_numpy(colour).permute(2, 0, 1).contiguous()
darker = np.where(levels > 0, levels - 1, 0)

assert (np.asarray(picture.convert("L")) == levels).all()
assert (cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY) == levels).all()
for name, transforms in (("v1", v1), ("v2", v2)):
    for kind in ("Grayscale", "RandomGrayscale"):
        make = transforms.Grayscale(3) if kind == "Grayscale" else transforms.RandomGrayscale(p=1.0)
        by_pil = np.asarray(make(picture))[..., 0]
        by_tensor = make(tensor)[0].numpy()
        print(f"{name}.{kind}: of a PIL image {np.sum(by_pil != levels)} of 256 levels change, "
              f"of a tensor {np.sum(by_tensor != levels)}, e.g. 255 to {by_tensor[-1, -1]}, 1 to {by_tensor[0, 1]}")
        assert (by_pil == levels).all()
        assert (by_tensor == darker).all()

ten = tensor
for _ in range(10):
    ten = v2.Grayscale(3)(ten)
print("ten times: 255 to", int(ten.max()))
assert (ten[0].numpy() == np.maximum(levels.astype(int) - 10, 0)).all()
mask = (tensor > 100).to(torch.uint8)
print("a mask of 0 and 1 in RGB:", v2.Grayscale()(mask).unique().tolist())
assert not v2.Grayscale()(mask).any()

# saturation mixes with the same grey: without any of it a grey picture should be as before
none = v2.functional.adjust_saturation(tensor, 0.0)[0].numpy()
print(f"saturation 0: {np.sum(none != levels)} levels change")
assert (none == darker).all()
assert (np.asarray(v2.functional.adjust_saturation(picture, 0.0))[..., 0] == levels).all()
# floats lose a ten-thousandth and no more
assert torch.allclose(v2.Grayscale()(tensor / 255)[0], 0.9999 * tensor[0] / 255)
EOP
echo "as stated"
