#!/usr/bin/env bash
# MONAI 1.6.1, PersistentDataset, which keeps what deterministic transforms give on the disk. Its
# `hash_transform` is there so that changed transforms are not answered from the old files. MONAI ships two functions
# for it, pickle_hashing and json_hashing. Transforms cannot be written as JSON, ever; the TypeError is caught, and
# the *names* of the classes are hashed in their place. So Resize to 32 and Resize to 16, or two windows of
# ScaleIntensityRange, are one transform: whichever arm runs second is given the images of the first.
# With pickle_hashing each has its own. Adding or leaving out a transform is noticed by both.
# Expected: a hash of the transforms holds their settings. Seen: it holds their class names.
# Surprise: the safety that was asked for is off exactly for what an ablation varies, and no warning says so.
# It hurts ablations of preprocessing with one cache_dir: the arms differ in name alone, and so "make no difference".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.14.1 pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" -W error::UserWarning - "$folder" 2>&1 <<'EOP'
import sys
from pathlib import Path

import monai
import numpy as np
from monai.data import PersistentDataset, json_hashing, pickle_hashing
from monai.transforms import Compose, LoadImage, Resize, ScaleIntensity, ScaleIntensityRange
from PIL import Image

assert monai.__version__ == "1.6.1"
folder = Path(sys.argv[1])
image = str(folder / "image.png")
Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)).save(image)


def steps(*more) -> Compose:
    return Compose([LoadImage(image_only=True, ensure_channel_first=True), *more])


def window(low: int, high: int) -> ScaleIntensityRange:
    return ScaleIntensityRange(low, high, 0.0, 1.0, clip=True)


ARMS = {
    "size": [steps(Resize((32, 32))), steps(Resize((16, 16)))],
    "window": [steps(window(0, 255)), steps(window(100, 150))],
    "one step more": [steps(Resize((32, 32))), steps(Resize((32, 32)), ScaleIntensity())],
}
for axis, arms in ARMS.items():
    truth = [np.asarray(arm(image)) for arm in arms]
    assert not np.array_equal(*truth)
    for hashing in (json_hashing, pickle_hashing):
        cache = folder / f"{axis} {hashing.__name__}"
        seen = []
        for arm in arms:
            data = PersistentDataset([image], arm, cache_dir=cache, hash_transform=hashing)
            seen.append(np.asarray(data[0]))
        files = len(list(cache.glob("*.pt")))
        right = [np.allclose(got, told) if got.shape == told.shape else False for got, told in zip(seen, truth)]
        print(f"{axis}, {hashing.__name__}: {files} files, first arm right {right[0]}, second arm right {right[1]}")
        shared = hashing is json_hashing and axis != "one step more"
        assert files == (1 if shared else 2)
        assert right == [True, not shared]
        assert np.array_equal(seen[0], seen[1]) == shared
EOP
echo "as stated"
