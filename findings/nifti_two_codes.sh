#!/usr/bin/env bash
# nibabel 5.4.2 beside SimpleITK 2.5.7, a NIfTI file with both of its matrices, qform and sform, that
# are not the same (a scan that was moved afterwards by SPM, FSL or a script: sform code 2, 3 or 4).
# nibabel takes the sform whenever its code is above 0. SimpleITK takes the sform only if its code is
# 1 (scanner) or the qform has none; with code 2, 3 or 4 it takes the qform. No warning by either.
# Surprise: the usual word is that ITK prefers the sform since 2021; it holds for one code of four.
# SimpleITK writes both matrices from the one that it took, so that the other position is lost.
# It hurts those who draw masks in an ITK program and train with nibabel: mask and image are apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" \
  simpleitk==2.5.7 nibabel==5.4.2 numpy==2.4.6
PYTHONPATH="$folder" python3 - "$folder" <<'EOP'
import sys

import nibabel
import numpy as np
import SimpleITK as sitk

assert nibabel.__version__ == "5.4.2"
assert sitk.Version.VersionString().startswith("2.5.7")
path = sys.argv[1] + "/scan.nii"
scanner = np.diag([2.0, 2, 2, 1])
moved = scanner.copy()
moved[:3, 3] = (30, -20, 10)  # a registration of some centimetres
mark = np.zeros((8, 9, 10), np.uint8)
mark[3, 4, 5] = 1


def where(sform_code: int, qform_code: int) -> tuple[np.ndarray, np.ndarray]:
    """The marked voxel in millimetres (right, anterior, superior) by nibabel and by SimpleITK."""
    image = nibabel.Nifti1Image(mark, scanner)
    image.set_qform(scanner, qform_code)
    image.set_sform(moved, sform_code)
    nibabel.save(image, path)
    image = nibabel.load(path)
    point = sitk.ReadImage(path).TransformIndexToPhysicalPoint((3, 4, 5))
    return (image.affine @ [3, 4, 5, 1])[:3], np.array(point) * (-1, -1, 1)


in_scanner, in_moved = scanner @ [3, 4, 5, 1], moved @ [3, 4, 5, 1]
for sform_code in (1, 2, 3, 4):
    for qform_code in (0, 1, 2):
        by_nibabel, by_itk = where(sform_code, qform_code)
        print(f"sform code {sform_code}, qform code {qform_code}: nibabel {by_nibabel}, "
              f"SimpleITK {by_itk}, {np.linalg.norm(by_nibabel - by_itk):.0f} mm apart")
        assert np.allclose(by_nibabel, in_moved[:3])
        same = sform_code == 1 or qform_code == 0
        assert np.allclose(by_itk, (in_moved if same else in_scanner)[:3])

where(2, 1)
sitk.WriteImage(sitk.ReadImage(path), path)
after = nibabel.load(path)
print("read and written by SimpleITK, nibabel:", (after.affine @ [3, 4, 5, 1])[:3])
assert np.allclose(after.affine, scanner)
assert np.allclose(after.get_sform(), after.get_qform())
EOP
echo "as stated"
