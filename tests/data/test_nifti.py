"""NIfTI masks and images: transposed, never turned to a canonical order, refused without axes."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from image_folders import noise_image, write_png
from medical_files import write_manifest

from abl.data.checks.checking import check_report
from abl.data.images import decoded_file, file_size
from abl.data.manifest import load_manifest
from abl.data.masks.mask_sets import open_masks, prepare_masks
from abl.data.masks.masks_read import masks_read
from abl.data.medical.reading import stored_values
from abl.errors import InputError
from abl.spec.data import Image

CLASSES = ("benign", "malignant")
LPS = np.diag([-0.2, -0.3, 1.0, 1.0])  # nibabel counts to the right, to the front and upwards
RAS = np.diag([0.2, 0.3, 1.0, 1.0])


def write_nifti(
    path: Path,
    array: np.ndarray,
    affine: np.ndarray | None = LPS,
    *,
    unit: str = "mm",
    scaled: bool = False,
    window: tuple[float, float] | None = None,
) -> Path:
    """A NIfTI file of an array as NIfTI orders it: x first."""
    image = nib.Nifti1Image(array, affine, dtype=None if scaled else array.dtype)
    if scaled:
        image.set_data_dtype(np.uint8)
    if affine is not None:
        image.set_sform(affine, code="scanner")
    image.header.set_xyzt_units(unit)
    if window is not None:
        image.header["cal_min"], image.header["cal_max"] = window
    nib.save(image, path)
    return path


def fault(path: Path, address: str = "") -> str:
    with pytest.raises(InputError) as caught:
        decoded_file(str(path.parent), address or path.name)
    (problem,) = caught.value.problems
    return problem.message


def values(path: Path, address: str = "") -> np.ndarray:
    found = stored_values(str(path.parent), address or path.name)
    assert found is not None
    return found


CORNER = np.zeros((24, 32), np.uint8)  # of a picture: high and to the left, wider than high
CORNER[2:5, 3:11] = 1


@pytest.mark.parametrize("name", ["m.nii", "m.nii.gz"])
@pytest.mark.parametrize("shape", [(32, 24), (32, 24, 1), (32, 24, 1, 1)])
def test_a_slice_is_the_picture_transposed(
    tmp_path: Path, name: str, shape: tuple[int, ...]
) -> None:
    path = write_nifti(tmp_path / name, CORNER.T.reshape(shape))
    np.testing.assert_array_equal(values(path), CORNER)
    assert file_size(str(tmp_path), name) == (24, 32)


@settings(max_examples=25)
@given(
    mask=hnp.arrays(np.uint8, (5, 7), elements=st.integers(0, 1)),
    signs=st.tuples(st.sampled_from([-1, 1]), st.sampled_from([-1, 1])),
)
def test_the_picture_is_the_same_however_its_axes_are_stored(
    tmp_path_factory: pytest.TempPathFactory, mask: np.ndarray, signs: tuple[int, int]
) -> None:
    stored = mask.T[:: -signs[0], :: -signs[1]]  # a sign of +1 grows to the right: the other way
    affine = np.diag([signs[0] * 0.2, signs[1] * 0.3, 1, 1])
    path = write_nifti(tmp_path_factory.mktemp("n") / "m.nii", np.ascontiguousarray(stored), affine)
    np.testing.assert_array_equal(values(path), mask)


def test_axes_that_are_turned_round_are_told(tmp_path: Path) -> None:
    for number in range(2):
        write_png(tmp_path / f"{number}.png", noise_image(number))
        affine = RAS if number else LPS
        write_nifti(tmp_path / f"m{number}.nii.gz", CORNER.T, affine)
    path = write_manifest(tmp_path, ["0.png,0,m0.nii.gz", "1.png,1,m1.nii.gz"], "image,label,mask")
    said = check_report(path, CLASSES)
    assert "NIfTI: 2 masks of 2 files" in said
    assert "turned round to LPS: m1.nii.gz" in said


def test_a_file_that_does_not_say_where_its_axes_point_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "m.nii", CORNER.T, None)
    assert "sform_code and qform_code are 0" in fault(path)
    # as ITK writes one slice: qform, and no sform
    image = nib.Nifti1Image(CORNER.T, None)
    image.set_qform(LPS, code="scanner")
    nib.save(image, path)
    np.testing.assert_array_equal(values(path), CORNER)


def test_a_float_mask_saved_as_bytes_is_whole_again(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "m.nii.gz", CORNER.T.astype(np.float32), scaled=True)
    stored = np.asanyarray(nib.load(path).dataobj)
    assert stored.max() != 1  # what nibabel gives
    found = values(path)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, CORNER)
    soft = write_nifti(tmp_path / "s.nii", CORNER.T.astype(np.float32) / 3)
    assert values(soft).dtype == np.float64


def test_masks_of_a_network_are_those_of_png_files(tmp_path: Path) -> None:
    """The same set with masks as PNG and as NIfTI, 0 and 1, 8 and 16 bits."""
    rows = {"png": [], "nii": []}
    for number in range(4):
        write_png(tmp_path / f"{number}.png", noise_image(number))
        mask = np.roll(CORNER, number, axis=0)
        write_png(tmp_path / f"m{number}.png", mask * 255)
        kind = np.int16 if number % 2 else np.uint8
        write_nifti(tmp_path / f"m{number}.nii.gz", mask.T.astype(kind))
        rows["png"].append(f"{number}.png,{number % 2},m{number}.png")
        rows["nii"].append(f"{number}.png,{number % 2},m{number}.nii.gz")
    found = []
    for name, lines in rows.items():
        dataset = load_manifest(write_manifest(tmp_path, lines, "image,label,mask"))
        made = prepare_masks(
            dataset,
            masks_read(dataset),
            name,
            longest_side=64,
            image=Image(size=16),
            cache=tmp_path / "cache",
        )
        found.append(open_masks(made).true)
    np.testing.assert_array_equal(*found)


def test_a_mask_of_another_shape_than_its_image_is_told(tmp_path: Path) -> None:
    for number in range(2):
        write_png(tmp_path / f"{number}.png", noise_image(number))
        write_nifti(tmp_path / f"m{number}.nii", CORNER if number else CORNER.T)
    path = write_manifest(tmp_path, ["0.png,0,m0.nii", "1.png,1,m1.nii"], "image,label,mask")
    with pytest.raises(InputError, match="is a mask of 24 x 32 pixels, its image has 32 x 24"):
        check_report(path, CLASSES)


def test_a_volume_wants_a_frame(tmp_path: Path) -> None:
    volume = np.stack([np.roll(CORNER.T, at, axis=0) for at in range(4)], axis=2)
    path = write_nifti(tmp_path / "v.nii.gz", volume)
    assert fault(path).startswith("has 4 frames; name one in a manifest's column frame")
    np.testing.assert_array_equal(values(path, "v.nii.gz#3"), volume[:, :, 2].T)
    with pytest.raises(InputError, match="frames 1 to 4, and no frame 5"):
        values(path, "v.nii.gz#5")
    write_nifti(tmp_path / "i.nii", (volume * 200).astype(np.uint8))
    rows = ["i.nii,0,1,v.nii.gz", "i.nii,1,4,v.nii.gz"]
    dataset = load_manifest(write_manifest(tmp_path, rows, "image,label,frame,mask"))
    assert dataset.frame["image"].tolist() == ["i.nii#1", "i.nii#4"]
    assert dataset.frame["mask"].tolist() == ["v.nii.gz#1", "v.nii.gz#4"]
    assert dataset.frame["spacing_x"].tolist() == pytest.approx([0.2, 0.2])
    assert dataset.frame["spacing_y"].tolist() == pytest.approx([0.3, 0.3])
    np.testing.assert_array_equal(dataset.source.decode(1), volume[:, :, 3].T * 200)
    write_nifti(tmp_path / "t.nii", np.zeros((8, 8, 2, 3), np.uint8))
    assert fault(tmp_path / "t.nii").startswith("has 4 axes")


def test_images_need_bytes_or_a_display_range(tmp_path: Path) -> None:
    ramp = np.arange(0, 1000, 10, dtype=np.int16).reshape(10, 10)
    bare = write_nifti(tmp_path / "a.nii", ramp)
    assert fault(bare).startswith("holds int16 values and no display range: set cal_min")
    windowed = write_nifti(tmp_path / "a.nii", ramp, window=(100, 500))
    shown = decoded_file(str(tmp_path), windowed.name)
    wanted = np.floor(np.clip((ramp.T - 100.0) / 400, 0, 1) * 255 + 0.5)
    np.testing.assert_array_equal(shown, wanted)
    words = (np.arange(100, dtype=np.uint16) * 257).reshape(10, 10)
    found = decoded_file(str(tmp_path), write_nifti(tmp_path / "b.nii", words).name)
    np.testing.assert_array_equal(found, words.T // 257)
    floats = write_nifti(tmp_path / "c.nii", ramp.astype(np.float32))
    assert fault(floats).startswith("holds float32 values and no display range")


def test_colours_are_read_as_images_and_refused_as_masks(tmp_path: Path) -> None:
    colours = np.zeros((4, 5), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = 9
    image = nib.Nifti1Image(colours, None)
    image.set_sform(LPS, code="scanner")
    nib.save(image, tmp_path / "c.nii")
    assert decoded_file(str(tmp_path), "c.nii")[0, 0].tolist() == [0, 9, 0]
    with pytest.raises(InputError, match="holds colours"):
        stored_values(str(tmp_path), "c.nii")


def test_units_of_spacing_are_those_of_the_file(tmp_path: Path) -> None:
    for unit, spacing in (("micron", 0.0002), ("mm", 0.2), ("unknown", None)):
        write_nifti(tmp_path / "a.nii", CORNER.T * 9, unit=unit)
        frame = load_manifest(write_manifest(tmp_path, ["a.nii,0"]), classes=("one",)).frame
        assert ("spacing_x" in frame) == (spacing is not None)
        if spacing is not None:
            assert frame["spacing_x"].tolist() == pytest.approx([spacing])
            assert frame["spacing_of"].tolist() == ["NIfTI"]


def test_what_a_header_says_in_words_is_not_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        write_png(tmp_path / f"{number}.png", noise_image(number))
        image = nib.Nifti1Image(CORNER.T, LPS)
        image.set_sform(LPS, code="scanner")
        for name, most in (("descrip", 79), ("aux_file", 23), ("db_name", 17), ("intent_name", 15)):
            image.header[name] = b"JANE DOE 1970"[:most]
        image.header["pixdim"][0] = 7  # which nibabel complains of
        nib.save(image, tmp_path / f"M{number}.NII")
    path = write_manifest(tmp_path, ["0.png,0,M0.NII", "1.png,1,M1.NII"], "image,label,mask")
    said = check_report(path, CLASSES)
    assert "NIfTI: 2 masks of 2 files" in said
    assert "JANE" not in said
    assert capfd.readouterr() == ("", "")


def test_broken_files_are_told_in_a_line(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", noise_image(0).T)
    content = path.read_bytes()
    for broken in (content[:40], content[:-60], b"no NIfTI", gzip.compress(b"no NIfTI")):
        path.write_bytes(broken)
        assert "damaged" in fault(path)
    plain = write_nifti(tmp_path / "a.nii", CORNER.T)
    plain.write_bytes(plain.read_bytes()[:-9])
    assert "damaged" in fault(plain)
    (tmp_path / "a.nii").write_bytes(content)  # compressed, and named as if it were not
    assert fault(tmp_path / "a.nii")
