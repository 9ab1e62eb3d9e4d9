#!/usr/bin/env bash
# SimpleITK 2.5.7 beside pydicom 3.0.2, a DICOM file with PhotometricInterpretation MONOCHROME1.
# pydicom gives the stored values. SimpleITK has turned them round as it reads (highest value of
# BitsStored minus value, before the rescale), but its metadata dictionary still says MONOCHROME1 and
# still has the window of the stored values. So the usual "if MONOCHROME1: invert" turns them back.
# With BitsStored 16 and values of 12 bits the whole picture lies between 61440 and 65535.
# Written again by SimpleITK the file says MONOCHROME2.
# Surprise: one tag, one file, opposite values; nothing in the image tells that it was done already.
# It hurts those who mix readers (training by one, serving by the other) on mammograms and radiographs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" \
  simpleitk==2.5.7 pydicom==3.0.2 numpy==2.4.6
PYTHONPATH="$folder" python3 -W ignore - "$folder" <<'EOP'
import sys

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_modality_lut

assert pydicom.__version__ == "3.0.2"
assert sitk.Version.VersionString().startswith("2.5.7")
path = sys.argv[1] + "/image.dcm"
stored = np.array([[0, 10, 4000, 4095]] * 4, np.uint16)


def both(kind: str, bits: int, slope: str = "1", intercept: str = "0") -> tuple:
    """First row by pydicom (rescaled), by SimpleITK, and SimpleITK's image."""
    data = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    for name in ("SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue"):
        if name in data:
            del data[name]
    data.PhotometricInterpretation = kind
    data.Rows, data.Columns = stored.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, bits, bits - 1, 0
    data.RescaleSlope, data.RescaleIntercept = slope, intercept
    data.WindowCenter, data.WindowWidth = "1000", "500"
    data.PixelData = stored.tobytes()
    data.save_as(path)
    data = pydicom.dcmread(path)
    image = sitk.ReadImage(path)
    return apply_modality_lut(data.pixel_array, data)[0], sitk.GetArrayFromImage(image)[0][0], image


for kind in ("MONOCHROME2", "MONOCHROME1"):
    for bits, slope, intercept in ((12, "1", "0"), (16, "1", "0"), (12, "2", "-1000")):
        plain, itk, image = both(kind, bits, slope, intercept)
        print(f"{kind}, {bits} bits, slope {slope}, intercept {intercept}: "
              f"pydicom {plain.astype(int)}, SimpleITK {itk}")
        turned = (2**bits - 1 - stored[0].astype(int)) * float(slope) + float(intercept)
        assert (plain == stored[0] * float(slope) + float(intercept)).all()
        assert (itk == (plain if kind == "MONOCHROME2" else turned)).all()
        assert image.GetMetaData("0028|0004").strip() == kind
        assert float(image.GetMetaData("0028|1050")) == 1000

plain, itk, image = both("MONOCHROME1", 12)
# who inverts for the tag, as with pydicom, has the stored values again
assert (4095 - itk.astype(int) == plain).all()
sitk.WriteImage(image, path)
again = pydicom.dcmread(path)
print("written again:", again.PhotometricInterpretation, again.pixel_array.ravel()[:4])
assert again.PhotometricInterpretation == "MONOCHROME2"
assert (again.pixel_array.ravel()[:4] == itk).all()
EOP
echo "as stated"
