#!/usr/bin/env bash
# OpenCV 5.0.0 (opencv-python-headless 5.0.0.93) beside 4.14.0: warpAffine, warpPerspective and remap.
# Up to 4 all three round a place to 1/32 pixel: a move of 0.01 pixel does nothing, one of 0.02 moves
# by 0.031. Version 5 takes the place as it is for INTER_LINEAR and INTER_CUBIC, so that most pixels
# of a rotated image of 16 bits or of floats are other ones. INTER_LANCZOS4 still rounds to 1/32.
# Surprise: the same call gives another image, and the best kernel is now the one with coarse places.
# It hurts those who compare augmented or registered images across the two versions, pin results by a
# digest, or choose Lanczos for accuracy: a move of 0.01 pixel is lost in it, and in no other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/moves.py" <<'EOP'
import sys

import cv2
import numpy as np

ramp = np.tile(np.arange(64, dtype=np.float32), (32, 1))  # each pixel is its own column
KERNELS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
size = (64, 32)
x, y = np.meshgrid(np.arange(64, dtype=np.float32), np.arange(32, dtype=np.float32))


def moved(by: float, kernel: int) -> list[float]:
    """How far each of the three functions moves the ramp."""
    affine = np.array([[1, 0, -by], [0, 1, 0]], float)
    results = (
        cv2.warpAffine(ramp, affine, size, flags=kernel),
        cv2.warpPerspective(ramp, np.vstack([affine, [0, 0, 1]]), size, flags=kernel),
        cv2.remap(ramp, x + np.float32(by), y, kernel),
    )
    return [float((each - ramp)[10:20, 20:40].mean()) for each in results]


seen = {name: {by: moved(by, kernel) for by in (0.01, 0.02)} for name, kernel in KERNELS.items()}
for name, moves in seen.items():
    print(cv2.__version__, name, {by: np.round(each, 4).tolist() for by, each in moves.items()})
old = cv2.__version__ == "4.14.0"
assert old or cv2.__version__ == "5.0.0"
for name, moves in seen.items():
    coarse = old or name == "lanczos"
    assert np.allclose(moves[0.01], 0, atol=1e-6) == coarse  # lost
    if name == "linear":
        assert np.allclose(moves[0.02], 1 / 32 if old else 0.02, atol=1e-5)
        assert np.allclose(moves[0.01], 0 if old else 0.01, atol=1e-5)
    else:
        # a ramp is not kept exactly by these kernels, but the step of 1/32 shows
        assert all((each > 1 / 32) == coarse for each in moves[0.02])

rng = np.random.default_rng(0)
image = cv2.GaussianBlur(rng.integers(0, 4096, (97, 131)).astype(np.uint16), (5, 5), 1.2)
turn = cv2.getRotationMatrix2D((60, 40), 17, 0.9)
turned = [cv2.warpAffine(image, turn, (131, 97), flags=kernel) for kernel in KERNELS.values()]
np.savez(sys.argv[1], **dict(zip(KERNELS, turned)))
EOP
for version in 4.14.0.94 5.0.0.93; do
  python3 -m pip install --quiet --disable-pip-version-check --target "$folder/$version" \
    opencv-python-headless=="$version" numpy==2.4.6
  PYTHONPATH="$folder/$version" python3 "$folder/moves.py" "$folder/$version.npz"
done
PYTHONPATH="$folder/5.0.0.93" python3 - "$folder/4.14.0.94.npz" "$folder/5.0.0.93.npz" <<'EOP'
import sys

import numpy as np

old, new = (np.load(each) for each in sys.argv[1:])
for name in old:
    apart = np.abs(old[name].astype(int) - new[name])
    print(f"12 bits turned by 17 degrees, {name}: {np.mean(apart > 0):.0%} of the pixels differ, "
          f"by up to {apart.max()}")
    if name == "lanczos":
        assert apart.max() <= 1
        assert np.mean(apart > 0) < 0.01
    else:
        assert apart.max() > 20
        assert np.mean(apart > 0) > 0.5
EOP
echo "as stated"
