#!/usr/bin/env bash
# pydicom 3.0.2:
# - `apply_windowing` (and so `apply_voi_lut`) takes a negative RescaleSlope for an inversion of the window: values
#   below it come out bright. PS3.3 C.11.2.1.2 has no such case: below the window is the minimum output.
# - `pixel_array(path)` says of a deflated file that it has no pixels; through `dcmread` they are there.
# What abl does about it: it has its own windows (data/medical/dicom_display.py), and reads deflated files whole.
# Run from the repository's root.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" pydicom==3.0.2
PYTHONPATH="$folder${PYTHONPATH:+:$PYTHONPATH}" python3 -W ignore - <<'EOF'
import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing
from pydicom.pixels.utils import pixel_array


def windowed(slope):
    header = Dataset()
    header.PhotometricInterpretation = "MONOCHROME2"
    header.BitsStored, header.PixelRepresentation = 8, 0
    header.RescaleSlope, header.RescaleIntercept = slope, 0 if slope > 0 else 255
    header.WindowCenter, header.WindowWidth = 128, 100
    return apply_windowing(np.array([0.0, 255.0]), header)  # values that are rescaled already


up, down = windowed(1), windowed(-1)
print("below and above one window, slope 1:", up, "slope -1:", down)
assert up[0] < up[1]
assert down[0] > down[1], "changed: a negative slope does not turn a window round any more"

deflated = str(get_testdata_file("image_dfl.dcm", download=False))
whole = dcmread(deflated).pixel_array
try:
    pixel_array(deflated)
    raise SystemExit("changed: a deflated file is read by its path")
except AttributeError as told:
    print("by path:", told)
print("through dcmread:", whole.shape)
EOF
echo "as stated"
