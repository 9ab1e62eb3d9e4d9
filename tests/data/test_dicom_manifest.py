"""DICOM files in manifests and in folders of classes: frames, regions, spacing, what is said."""

from __future__ import annotations

import builtins
import hashlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_folders import noise_image, write_png
from medical_files import (
    region,
    shipped,
    write_dicom,
    write_jpeg_dicom,
    write_manifest,
)

from abl.data.arrays import image_array, windows_of
from abl.data.checks.checking import check_report
from abl.data.load import load_dataset
from abl.data.manifest import load_manifest
from abl.data.medical import dicom_format, facts
from abl.errors import InputError
from abl.spec.data import Crop, Data
from commands import abl
from tiny_sweeps import write_sweep

CLASSES = ("benign", "malignant")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABL_PATIENT_KEY", "a key that only tests have")


def cine(path: Path, frames: int = 3, seed: int = 0, **elements: object) -> Path:
    draw = np.random.default_rng(seed)
    pictures = [draw.integers(0, 256, (32, 40), dtype=np.uint8) for _ in range(frames)]
    return write_jpeg_dicom(path, pictures, PatientID=f"{path.name}{seed}", **elements)


def problems(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_manifest(path)
    return [str(each) for each in caught.value.problems]


def test_frames_of_a_file_are_images_of_their_own(tmp_path: Path) -> None:
    cine(tmp_path / "a")  # a name without an ending
    cine(tmp_path / "b.dcm", seed=1)
    write_png(tmp_path / "c.png", noise_image(5))
    rows = ["a,0,1", "a,0,3.0", "b.dcm,1,2", "c.png,1,7"]
    dataset = load_manifest(write_manifest(tmp_path, rows, "image,label,frame"))
    frame = dataset.frame
    assert frame["image"].tolist() == ["a#1", "a#3", "b.dcm#2", "c.png"]
    assert frame["fingerprint"].nunique() == 4
    assert frame["patient"].nunique() == 3
    assert frame["frame"].tolist() == ["1", "3.0", "2", "7"]  # a PNG file keeps what it has
    pictures = [dataset.source.decode(at) for at in range(4)]
    assert (pictures[0] != pictures[1]).any()
    # the same file with another frame is another image to every network
    again = load_manifest(write_manifest(tmp_path, ["a,0,2", "b.dcm,1,2"], "image,label,frame"))
    assert again.frame["fingerprint"][1] == frame["fingerprint"][2]
    assert again.frame["fingerprint"][0] not in set(frame["fingerprint"])


def test_how_a_file_is_read_is_part_of_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dicom(tmp_path / "a.dcm", noise_image(0), PatientID="1")
    write_png(tmp_path / "b.png", noise_image(1))
    path = write_manifest(tmp_path, ["a.dcm,0", "b.png,1"])
    before = load_manifest(path).frame["fingerprint"]
    monkeypatch.setitem(facts.RULES, "DICOM", 2)
    rules = load_manifest(path).frame["fingerprint"]
    monkeypatch.undo()
    monkeypatch.setenv("ABL_PATIENT_KEY", "a key that only tests have")
    monkeypatch.setitem(dicom_format.DECODERS, dicom_format.EXPLICIT, "another")
    monkeypatch.setattr(facts, "library", lambda *_: None)
    decoder = load_manifest(path).frame["fingerprint"]
    assert len({before[0], rules[0], decoder[0]}) == 3
    assert {before[1], rules[1], decoder[1]} == {
        hashlib.sha256((tmp_path / "b.png").read_bytes()).hexdigest()
    }


def test_frames_that_are_missing_or_wrong_are_told_by_row(tmp_path: Path) -> None:
    cine(tmp_path / "a.dcm")
    write_dicom(tmp_path / "b.dcm", noise_image(1))
    rows = [
        "a.dcm,0,",
        "a.dcm,0,4",
        "a.dcm,0,0",
        "a.dcm,1,x",
        "b.dcm,1,2",
        "a.dcm,1,1",
        "a.dcm,1,1",
    ]
    path = write_manifest(tmp_path, rows, "image,label,frame")
    assert problems(path) == [
        f"{path}:2: image 'a.dcm' has 3 frames; name one in a manifest's column frame, counted "
        "from 1, with a row for each frame that is used",
        f"{path}:3: image 'a.dcm' has frames 1 to 3 (counted from 1), and no frame 4",
        f"{path}:4: frame '0' is no number of a frame; they count from 1",
        f"{path}:5: frame 'x' is no number of a frame; they count from 1",
        f"{path}:6: image 'b.dcm' has 1 frame (counted from 1), and no frame 2",
        f"{path}:8: image 'a.dcm#1' is also in row 7",
    ]
    without = write_manifest(tmp_path, ["a.dcm,0", "b.dcm,1"])
    (said,) = problems(without)
    assert said.startswith(f"{without}:2: image 'a.dcm' has 3 frames; name one")


def test_a_parquet_file_says_frames_as_numbers(tmp_path: Path) -> None:
    cine(tmp_path / "a.dcm")
    write_dicom(tmp_path / "b.dcm", noise_image(1), PatientID="1")
    rows = pd.DataFrame({"image": ["a.dcm", "b.dcm"], "label": [0, 1], "frame": [2, None]})
    rows.to_parquet(tmp_path / "m.parquet")
    dataset = load_manifest(tmp_path / "m.parquet")
    assert dataset.frame["image"].tolist() == ["a.dcm#2", "b.dcm"]
    renamed = rows.rename(columns={"frame": "slice"})
    renamed.to_parquet(tmp_path / "m.parquet")
    dataset = load_manifest(tmp_path / "m.parquet", columns={"frame": "slice"})
    assert dataset.frame["image"].tolist() == ["a.dcm#2", "b.dcm"]


def test_folders_of_classes_take_files_of_one_frame(tmp_path: Path) -> None:
    for number in range(4):
        name = f"{CLASSES[number % 2]}/{number}.{['dcm', 'DCM'][number // 2]}"
        write_dicom(tmp_path / name, noise_image(number), PatientID=str(number))
    dataset = load_manifest(tmp_path)
    assert dataset.frame["patient"].nunique() == 4
    assert dataset.frame["patient"].str.match("P[0-9a-f]{20}$").all()
    cine(tmp_path / "benign" / "film.dcm")
    (said,) = problems(tmp_path)
    assert "'benign/film.dcm' has 3 frames; name one in a manifest's column frame" in said
    (tmp_path / "benign" / "film.dcm").rename(tmp_path / "benign" / "IM0001")
    (said,) = problems(tmp_path)
    assert "1 DICOM files have names without an ending ('benign/IM0001')" in said


def test_regions_become_the_crop_and_spacing_a_column(tmp_path: Path) -> None:
    regions = {"SequenceOfUltrasoundRegions": [region(4, 2, 19, 17)]}
    write_dicom(tmp_path / "a.dcm", noise_image(0), PatientID="1", **regions)
    # the union of two; one past the edge is clipped; what is no tissue does not count
    several = [region(0, 4, 9, 9), region(20, 1, 32, 24), region(0, 0, 99, 99, RegionDataType=3)]
    write_dicom(
        tmp_path / "b.dcm", noise_image(1), PatientID="2", SequenceOfUltrasoundRegions=several
    )
    far = {"SequenceOfUltrasoundRegions": [region(0, 0, 33, 9)]}
    write_dicom(tmp_path / "c.dcm", noise_image(2), PatientID="3", PixelSpacing=[1, 1], **far)
    write_dicom(tmp_path / "d.dcm", noise_image(3), PatientID="4", PixelSpacing=[0.2, 0.3])
    write_dicom(tmp_path / "e.dcm", noise_image(4), PatientID="5", ImagerPixelSpacing=[0.4, 0.5])
    rows = [f"{name}.dcm,{number % 2}" for number, name in enumerate("abcde")]
    frame = load_manifest(write_manifest(tmp_path, rows)).frame
    edges = frame[["roi_x0", "roi_y0", "roi_x1", "roi_y1"]].to_numpy()
    assert edges[:2].tolist() == [[4, 2, 20, 18], [0, 1, 32, 24]]
    assert np.isnan(edges[2:]).all()
    np.testing.assert_allclose(
        frame[["spacing_x", "spacing_y"]].to_numpy(),
        [[0.1, 0.2], [0.1, 0.2], [np.nan, np.nan], [0.3, 0.2], [0.5, 0.4]],
    )
    assert frame["spacing_of"].tolist() == [
        "ultrasound region", "ultrasound region", "", "PixelSpacing", "ImagerPixelSpacing",
    ]  # fmt: skip
    # what the manifest says itself goes before
    header = "image,label,roi_x0,roi_y0,roi_x1,roi_y1,spacing_x"
    given = write_manifest(tmp_path, ["a.dcm,0,1,1,9,9,7", "b.dcm,1,,,,,"], header)
    frame = load_manifest(given).frame
    assert frame["roi_x1"].tolist() == [9, 32]
    assert frame["spacing_x"].tolist() == [7, 0.1]


def test_a_crop_to_the_region_leaves_the_rest_out(tmp_path: Path) -> None:
    picture = np.zeros((24, 32), np.uint8)
    picture[2:18, 4:20] = 200  # tissue; the scanner's text stands elsewhere
    picture[0, :] = picture[20:, :] = 90
    for number in range(12):
        write_dicom(
            tmp_path / f"{number}.dcm", picture + np.uint8(number), PatientID=str(number),
            SequenceOfUltrasoundRegions=[region(4, 2, 19, 17)],
        )  # fmt: skip
    path = write_manifest(tmp_path, [f"{number}.dcm,{number % 2}" for number in range(12)])
    dataset = load_dataset(Data(manifest=path.name), base=tmp_path)
    array = image_array(dataset, tmp_path / "cache", longest_side=1024)
    x0, y0, x1, y1 = windows_of(array, Crop(to="roi"))[0]
    assert set(np.unique(array.image(0)[y0:y1, x0:x1])) == {200}
    write_dicom(tmp_path / "1.dcm", picture, PatientID="1")
    sweep = write_sweep(tmp_path, {"data.manifest": path.name, "image.crop.to": "roi"})
    done = abl(tmp_path, "sweep", sweep.name, "--executor", "local", "--record", "off")
    assert done.exit_code == 2
    assert "'1.dcm' has no roi, which crop.to: roi needs" in done.output
    assert "data: {drop_missing: [roi]} leaves such images out" in done.output


def test_spacings_that_differ_are_none(tmp_path: Path) -> None:
    several = [region(0, 0, 9, 9), region(10, 0, 19, 9, PhysicalDeltaX=0.05)]
    write_dicom(tmp_path / "a.dcm", noise_image(0), SequenceOfUltrasoundRegions=several)
    frame = load_manifest(write_manifest(tmp_path, ["a.dcm,0"]), classes=("one",)).frame
    assert frame["roi_x1"].tolist() == [20]
    assert "spacing_x" not in frame


def test_the_regions_of_shipped_files_are_not_believed(tmp_path: Path) -> None:
    shutil.copy(shipped("examples_palette.dcm"), tmp_path / "a.dcm")
    shutil.copy(shipped("examples_ybr_color.dcm"), tmp_path / "b.dcm")
    path = write_manifest(tmp_path, ["a.dcm,0,", "b.dcm,1,30"], "image,label,frame")
    frame = load_manifest(path).frame
    assert "roi_x0" not in frame
    assert "spacing_x" not in frame
    said = check_report(path, CLASSES)
    assert "neither region nor spacing: an ultrasound region outside its image of 800 x 350" in said


def test_check_says_what_the_files_are(tmp_path: Path) -> None:
    for number in range(6):
        write_dicom(
            tmp_path / f"{number}.dcm", noise_image(number), PatientID=str(number),
            SequenceOfUltrasoundRegions=[region(4, 2, 19, 17)], BurnedInAnnotation="YES",
        )  # fmt: skip
    twelve = noise_image(9).astype(np.uint16) * 16
    write_dicom(tmp_path / "6.dcm", twelve, BitsStored=12, Modality="CT", PatientID="6")
    overlay = shipped("examples_overlay.dcm")
    shutil.copy(overlay, tmp_path / "7.dcm")
    cine(tmp_path / "8.dcm")
    path = tmp_path / "8.dcm"
    content = path.read_bytes()
    path.write_bytes(
        content.replace(b"\x28\x00\x08\x00IS\x02\x003 ", b"\x28\x00\x08\x00IS\x02\x002 ")
    )
    rows = [f"{number}.dcm,{number % 2}," for number in range(8)] + ["8.dcm,0,2"]
    said = check_report(write_manifest(tmp_path, rows, "image,label,frame"), CLASSES)
    for line in (
        "DICOM: 9 images of 9 files",
        "modality: US (7); CT (1); MR (1)",
        "frames a file: 1 (8); 2 (1)",
        "no window, the range of 8 bits (7); no window, the range of 12 bits (1); window 1 of 2",
        "spacing: 0.1 to 0.723 mm a pixel, from ultrasound region (6); PixelSpacing (1); unknown",
        "ultrasound regions: 6; crop: {to: roi} leaves out what is around them",
        "no window: 1 are shown over all that their bits can hold, and may be nearly flat: 6.dcm",
        "text is burnt into the pixels (BurnedInAnnotation), which may be a name: 0.dcm, 1.dcm",
        "more frames than NumberOfFrames says, which are not read: 1 images, as 8.dcm#2 (3, not 2)",
        "Patients are keyed hashes of PatientID",
        "decoded by gdcm and pydicom",
    ):
        assert line in said, said


def test_a_mask_may_be_a_dicom_file(tmp_path: Path) -> None:
    inside = np.zeros((24, 32), np.uint8)
    inside[4:9, 4:9] = 1
    for number in range(2):
        write_dicom(tmp_path / f"{number}.dcm", noise_image(number), PatientID=str(number))
        write_dicom(tmp_path / f"m{number}.dcm", inside)
    path = write_manifest(tmp_path, ["0.dcm,0,m0.dcm", "1.dcm,1,m1.dcm"], "image,label,mask")
    assert "benign: 1 images" in check_report(path, CLASSES)
    write_dicom(tmp_path / "m1.dcm", inside[:9])
    with pytest.raises(InputError, match="is a mask of 32 x 9 pixels, its image has 32 x 24"):
        check_report(path, CLASSES)


def test_a_mask_of_several_frames_is_taken_at_the_frame_of_its_image(tmp_path: Path) -> None:
    cine(tmp_path / "a.dcm")
    masks = np.zeros((3, 32, 40), np.uint8)
    for at in range(3):
        masks[at, at : at + 5] = 1
    write_dicom(tmp_path / "m.dcm", masks, frames=3)
    header = "image,label,frame,mask,mask_frame"
    rows = ["a.dcm,0,1,m.dcm,", "a.dcm,1,2,m.dcm,3", "a.dcm,1,3,,"]
    dataset = load_manifest(write_manifest(tmp_path, rows, header))
    assert dataset.frame["mask"].tolist() == ["m.dcm#1", "m.dcm#3", ""]
    assert dataset.frame["mask_fingerprint"].nunique() == 3
    over = write_manifest(tmp_path, ["a.dcm,0,1,m.dcm,4", "a.dcm,1,2,,"], header)
    assert problems(over) == [
        f"{over}:2: mask 'm.dcm' has frames 1 to 3 (counted from 1), and no frame 4"
    ]


def test_second_images_have_frames_of_their_own(tmp_path: Path) -> None:
    cine(tmp_path / "a.dcm")
    cine(tmp_path / "e.dcm", seed=1)
    rows = ["a.dcm,0,1,e.dcm,2", "a.dcm,1,2,e.dcm,"]
    header = "image,label,frame,image2,image2_frame"
    path = write_manifest(tmp_path, rows, header)
    data = Data(manifest=path.name, modality="second")
    dataset = load_dataset(data, base=tmp_path)
    assert dataset.frame["image2"].tolist() == ["e.dcm#2", "e.dcm#2"]
    assert dataset.source.decode(0).shape == (32, 40)


def test_what_is_refused_is_told_by_row_beside_all_else(tmp_path: Path) -> None:
    shutil.copy(shipped("JPGExtended.dcm"), tmp_path / "a.dcm")
    shutil.copy(shipped("MR_truncated.dcm"), tmp_path / "b.dcm")
    (tmp_path / "c.dcm").write_text("no DICOM at all")
    (tmp_path / "d.png").write_text("no PNG")
    path = write_manifest(tmp_path, ["a.dcm,0", "b.dcm,1", "c.dcm,odd", "d.png,1"])
    said = problems(path)
    assert [line.partition(": ")[0] for line in said] == [
        f"{path}:{row}" for row in (2, 3, 4, 4, 5)
    ]
    assert "JPEG Extended (Process 2 and 4) with 12 bits" in said[0]
    assert "is truncated" in said[1]
    assert "label 'odd' is not a class" in said[2]
    assert "is named as DICOM files are but is none" in said[3]


@pytest.mark.parametrize(
    ("name", "wanted", "kind"), [("a.dcm", "pydicom", "DICOM"), ("a.nii", "nibabel", "NIfTI")]
)
def test_without_the_extra_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wanted: str, kind: str
) -> None:
    write_dicom(tmp_path / "a.dcm", noise_image(0))
    (tmp_path / "a.nii").write_bytes(b"\0" * 400)
    monkeypatch.setitem(sys.modules, wanted, None)
    assert problems(write_manifest(tmp_path, [f"{name},0", f"{name},1"])) == [
        f"reading {kind} files needs {wanted}, which is not here: pip install 'abl[medical]'"
    ]


def test_manifests_of_other_files_import_no_medical_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("pydicom", "nibabel")]:
        monkeypatch.delitem(sys.modules, name)
    plain = builtins.__import__

    def watched(name: str, *rest: object, **more: object) -> object:
        assert name.partition(".")[0] not in ("pydicom", "nibabel", "gdcm")
        return plain(name, *rest, **more)  # type: ignore[arg-type]

    for number in range(2):
        write_png(tmp_path / f"{number}.png", noise_image(number))
    path = write_manifest(tmp_path, ["0.png,0,3", "1.png,1,4"], "image,label,frame")
    monkeypatch.setattr(builtins, "__import__", watched)
    assert load_manifest(path).frame["image"].tolist() == ["0.png", "1.png"]


def test_a_set_cut_to_the_tissue_keeps_frames_and_patients(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    films = []
    for name in "ab":
        frames = np.zeros((2, 64, 80), np.uint8)
        frames[:, 10:50, 12:60] = draw.integers(40, 200, (2, 40, 48))
        elements = {"PatientID": name, "PixelSpacing": [0.2, 0.2]}
        films.append(write_dicom(tmp_path / f"{name}.dcm", frames, frames=2, **elements))
    rows = [
        f"{film.name},{number},{frame}" for number, film in enumerate(films) for frame in (1, 2)
    ]
    path = write_manifest(tmp_path, rows, "image,label,frame")
    before = load_manifest(path).frame
    done = abl(tmp_path, "data", "tissue", path.name, "--out", "cut")
    assert done.exit_code == 0, done.output
    after = load_manifest(tmp_path / "cut" / "manifest.csv").frame
    assert after["image"].tolist() == ["a.dcm#1.png", "a.dcm#2.png", "b.dcm#1.png", "b.dcm#2.png"]
    assert after["patient"].tolist() == before["patient"].tolist()
    assert after["spacing_x"].astype(float).tolist() == [0.2] * 4


def test_a_first_sweep_of_a_folder_knows_the_patients_of_its_files(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for number in range(24):
        name = f"set/{CLASSES[number % 2]}/{number}.dcm"
        picture = draw.integers(0, 256, (32, 40), dtype=np.uint8)
        elements = {"PatientID": f"{number // 4}-{number % 2}"}
        regions = {"SequenceOfUltrasoundRegions": [region(4, 2, 19, 17)]}
        write_dicom(tmp_path / name, picture, **elements, **regions)
    done = abl(tmp_path, "init", "set")
    assert done.exit_code == 0, done.output
    assert "12 patients, by keyed hashes of PatientID" in done.output
    frame = load_manifest(tmp_path / "manifest.csv").frame
    assert frame["patient"].nunique() == 12
    assert frame["patient"].str.match("P[0-9a-f]{20}$").all()
    # the scanner's regions are pixels, and no boxes in another format
    assert "box_format" not in check_report(tmp_path / "manifest.csv", CLASSES)
