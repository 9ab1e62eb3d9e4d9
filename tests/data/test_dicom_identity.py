"""No name, date or ID of a DICOM file enters store, cache or record, or is printed."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from medical_files import shipped, write_dicom, write_manifest
from pydicom.datadict import DicomDictionary

from abl.data.manifest import load_manifest
from abl.data.medical.identity import key_file, patient_key, patient_name
from abl.errors import InputError
from commands import abl
from tiny_sweeps import tiny_image, write_sweep

MARKER = "ZQXMARKERXQZ"
WRITTEN = ("PN", "LO", "SH", "LT", "ST", "UT", "UC", "AE", "DA", "TM", "DT", "AS", "UI", "UR", "CS")
GROUPS = (0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040, 0x0088, 0x4008)
KEPT = {"SpecificCharacterSet", "SOPClassUID", "PatientID"}
KEY = "a key that only tests have"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABL_PATIENT_KEY", KEY)


def fill(header: pydicom.Dataset) -> None:
    """Writes the marker into every element of text, date or UID of the groups that name people."""
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        if tag >> 16 in GROUPS and vr in WRITTEN and not retired and keyword not in KEPT:
            header.add_new(tag, vr, MARKER)
    block = header.private_block(0x0029, f"{MARKER} PRIVATE", create=True)
    block.add_new(0x01, "LO", MARKER)
    nested = pydicom.Dataset()
    for keyword in ("PatientID", "PatientName", "AccessionNumber"):
        setattr(nested, keyword, MARKER)
    header.OtherPatientIDsSequence = [nested]
    header.WindowCenterWidthExplanation = MARKER
    header.BurnedInAnnotation = "YES"
    header.file_meta.SourceApplicationEntityTitle = MARKER


def marked_set(folder: Path, patients: int = 12) -> Path:
    """Two files a patient, full of the marker; a last one is refused."""
    draw = np.random.default_rng(0)
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they are full of is not valid
        for patient in range(patients):
            for plane in "ab":
                name = f"{patient:02d}{plane}.dcm"
                path = write_dicom(folder / name, tiny_image(patient % 2, draw))
                header = pydicom.dcmread(path)
                fill(header)
                header.PatientID = f"{MARKER}{patient}"
                header.save_as(path)
                rows.append(f"{name},{patient % 2}")
    return write_manifest(folder, rows)


def holds(folder: Path, *words: str) -> list[str]:
    """Files below a folder that hold a word, as text or in UTF-16, or are named by it."""
    codes = [word.encode(code) for word in words for code in ("utf-8", "utf-16-le")]
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if any(code in content or code in str(path).encode() for code in codes):
            found.append(str(path))
    return found


def test_nothing_that_identifies_a_person_leaves_its_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    manifest = marked_set(tmp_path / "images")
    assert len(holds(tmp_path / "images", MARKER)) == 24
    caplog.clear()
    sweep = write_sweep(tmp_path, {"train.epochs": 2, "train.last_k": 1})
    said = []
    with (
        caplog.at_level(logging.DEBUG, logger="pydicom"),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        for words in (
            ("data", "check", str(manifest)),
            ("data", "tissue", str(manifest)),
            ("plan", sweep.name),
            ("sweep", sweep.name, "--executor", "local"),
            ("table", "tiny", "--format", "html"),
        ):
            done = abl(tmp_path, *words)
            said.append(done.output)
            if words[1] != "tissue":
                assert done.exit_code == 0, done.output
        # and what is said of broken ones
        broken = tmp_path / "images" / "00a.dcm"
        content = broken.read_bytes()
        for at in (len(content) - 300, 2000, 300):
            broken.write_bytes(content[:at])
            done = abl(tmp_path, "data", "check", str(manifest))
            assert done.exit_code == 2
            assert "00a.dcm" in done.output
            said.append(done.output)
        broken.write_bytes(content)
    out, err = capfd.readouterr()
    for text in (*said, out, err, caplog.text, *(str(each.message) for each in warned)):
        assert MARKER not in text
    assert "12 patients" in said[0]
    assert (tmp_path / "mlruns").is_dir()
    places = [path for path in tmp_path.iterdir() if path.name != "images"]
    assert len(places) >= 2  # mlruns and the sweep
    assert [name for place in places for name in holds(place, MARKER)] == []


@pytest.mark.parametrize(
    "keyword",
    ["WindowCenter", "WindowWidth", "RescaleSlope", "NumberOfFrames", "PhotometricInterpretation",
     "Modality", "VOILUTFunction", "PixelSpacing", "PresentationLUTShape", "TransferSyntaxUID"],
)  # fmt: skip
def test_a_name_in_the_wrong_element_is_not_repeated(
    tmp_path: Path,
    keyword: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever stands there, the file is refused without it, or read as if nothing did."""
    spacing = {"PixelSpacing": ["123456", "1234"]}  # 12 characters are the marker's length
    place = spacing if keyword == "PixelSpacing" else {keyword: "123456789012"}
    if keyword == "TransferSyntaxUID":
        place = {}
    window = {"WindowCenter": "9", "WindowWidth": "9"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_dicom(tmp_path / "x.dcm", np.eye(9, dtype=np.uint8), **{**window, **place})
    content = path.read_bytes()
    old = {"PixelSpacing": b"123456\\1234 ", "TransferSyntaxUID": b"1.2.840.10008.1.2.1"}
    word = old.get(keyword, b"123456789012")
    assert content.count(word) == 1
    path.write_bytes(content.replace(word, MARKER.encode().ljust(len(word))))
    caplog.clear()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        done = abl(tmp_path, "data", "check", str(write_manifest(tmp_path, ["x.dcm,0"])))
    out, err = capfd.readouterr()
    assert "Traceback" not in done.output
    for text in (done.output, out, err, caplog.text, *(str(each.message) for each in warned)):
        assert MARKER not in text


def test_the_identifiers_of_a_real_file_stay_in_it(tmp_path: Path) -> None:
    source = shipped("examples_overlay.dcm")
    header = pydicom.dcmread(source)
    (tmp_path / "x.dcm").write_bytes(source.read_bytes())
    dataset = load_manifest(write_manifest(tmp_path, ["x.dcm,0"]), classes=("one",))
    text = dataset.frame.to_csv() + " ".join(dataset.notes) + repr(dataset)
    for keyword in (
        "PatientID", "PatientName", "AccessionNumber", "StudyInstanceUID", "StudyDate",
        "InstitutionName", "OperatorsName", "SOPInstanceUID", "StationName",
    ):  # fmt: skip
        assert str(header[keyword].value) not in text, keyword


def patients(folder: Path, ids: list[object], **elements: object) -> list[str]:
    rows = []
    for number, patient in enumerate(ids):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)
        given = patient if isinstance(patient, dict) else {"PatientID": patient}
        write_dicom(folder / f"{number}.dcm", pixels, **{**elements, **given})
        rows.append(f"{number}.dcm,{number % 2}")
    dataset = load_manifest(write_manifest(folder, rows))
    patients.notes = dataset.notes  # type: ignore[attr-defined]
    return dataset.frame["patient"].tolist()


def test_a_patient_is_a_keyed_hash_of_issuer_and_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = patients(
        tmp_path, ["003", " 003", "004", {"PatientID": "003", "IssuerOfPatientID": "H"}]
    )
    assert names[0] == names[1] == patient_name("", "003", KEY)
    assert names[3] == patient_name("H", "003", KEY)
    assert len(set(names)) == 3
    assert all(name[0] == "P" and len(name) == 21 for name in names)
    (doubt,) = [note for note in patients.notes if "different patients" in note]  # type: ignore[attr-defined]
    assert "'0.dcm' and '3.dcm' have one PatientID, of which one names an issuer" in doubt
    monkeypatch.setenv("ABL_PATIENT_KEY", "another key of theirs")
    assert set(patients(tmp_path, ["003", "004"])).isdisjoint(names)


def test_ids_written_in_two_ways_are_one_patient_or_told(tmp_path: Path) -> None:
    backslash = {"PatientID": ["A", "B"]}  # how pydicom gives and takes A\B
    names = patients(tmp_path / "a", [backslash, backslash])
    assert names[0] == names[1] == patient_name("", "A\\B", KEY)
    composed, decomposed = "J\u00f6rg1", "Jo\u0308rg1"
    names = patients(
        tmp_path / "b",
        [
            {"PatientID": composed, "SpecificCharacterSet": "ISO_IR 192"},
            {"PatientID": decomposed, "SpecificCharacterSet": "ISO_IR 192"},
            {"PatientID": composed, "SpecificCharacterSet": "ISO_IR 100"},
        ],
    )
    assert set(names) == {patient_name("", composed, KEY)}
    names = patients(tmp_path / "c", ["007", "7", "p1", "P1", "q"])
    assert len(set(names)) == 5
    (doubt,) = [note for note in patients.notes if "different patients" in note]  # type: ignore[attr-defined]
    assert "'0.dcm' and '1.dcm'" in doubt
    assert "'2.dcm' and '3.dcm'" in doubt
    assert "007" not in doubt


def test_utf8_that_is_not_declared_is_read_as_such(tmp_path: Path) -> None:
    declared = {"PatientID": "J\u00f6rg", "SpecificCharacterSet": "ISO_IR 192"}
    write_dicom(tmp_path / "1.dcm", np.zeros((8, 8), np.uint8), **declared)
    content = (tmp_path / "1.dcm").read_bytes()
    at = content.index(b"\x08\x00\x05\x00CS")  # SpecificCharacterSet
    length = int.from_bytes(content[at + 6 : at + 8], "little")
    (tmp_path / "0.dcm").write_bytes(content[:at] + content[at + 8 + length :])
    dataset = load_manifest(write_manifest(tmp_path, ["0.dcm,0", "1.dcm,1"]))
    assert set(dataset.frame["patient"]) == {patient_name("", "J\u00f6rg", KEY)}


def test_files_without_an_id_are_refused_beside_others_and_unknown_alone(tmp_path: Path) -> None:
    for nothing in (None, "", "N/A", "-"):
        with pytest.raises(InputError) as caught:
            patients(tmp_path, ["1", nothing, "2"])
        (problem,) = caught.value.problems
        assert problem.line == 3
        assert "'1.dcm' has no PatientID" in problem.message
    names = patients(tmp_path, [None, None])
    assert names == ["0.dcm", "1.dcm"]
    assert any("names no patients" in note for note in patients.notes)  # type: ignore[attr-defined]
    patients(tmp_path, ["same", "same"])
    assert any("All DICOM files have one PatientID" in note for note in patients.notes)  # type: ignore[attr-defined]


def test_a_column_of_the_manifest_goes_before_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ABL_PATIENT_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for number in (0, 1):
        write_dicom(tmp_path / f"{number}.dcm", np.full((8, 8), number, np.uint8), PatientID="9")
    path = write_manifest(tmp_path, ["0.dcm,0,a", "1.dcm,1,b"], "image,label,patient")
    assert load_manifest(path).frame["patient"].tolist() == ["a", "b"]
    assert not (tmp_path / "config").exists()  # no key is made for nothing


def test_a_key_is_made_once_and_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ABL_PATIENT_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = patient_key()
    assert len(made) == 64
    assert patient_key() == made
    assert key_file() == tmp_path / "config" / "abl" / "patient.key"
    assert key_file().stat().st_mode & 0o777 == 0o600
    assert [path.name for path in key_file().parent.iterdir()] == ["patient.key"]
    key_file().chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        patient_key()
    key_file().chmod(0o600)
    key_file().write_text("short\n")
    with pytest.raises(InputError, match="holds no key"):
        patient_key()
    monkeypatch.setenv("ABL_PATIENT_KEY", "short")
    with pytest.raises(InputError, match="16 characters"):
        patient_key()
    monkeypatch.delenv("ABL_PATIENT_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="ABL_PATIENT_KEY"):
        patient_key()


def test_a_manifest_that_contradicts_the_files_about_persons_is_told(tmp_path: Path) -> None:
    for number, patient in enumerate(["1", "1", "2"]):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
        write_dicom(tmp_path / f"{number}.dcm", pixels, PatientID=patient)
    rows = ["0.dcm,0,a,0.dcm", "1.dcm,1,b,2.dcm", "2.dcm,1,c,"]
    path = write_manifest(tmp_path, rows, "image,label,patient,image2")
    notes = " ".join(load_manifest(path).notes)
    assert "one PatientID have different patients in the manifest: '0.dcm' and '1.dcm'" in notes
    assert "The second image has another PatientID than the first: '1.dcm'." in notes
    frames = np.random.default_rng(9).integers(0, 256, (2, 8, 8), dtype=np.uint8)
    write_dicom(tmp_path / "film.dcm", frames, frames=2, PatientID="9")
    rows = ["film.dcm,0,a,1", "film.dcm,1,b,2"]
    path = write_manifest(tmp_path, rows, "image,label,patient,frame")
    with pytest.raises(InputError) as caught:
        load_manifest(path)
    (problem,) = caught.value.problems
    assert str(problem) == (
        f"{path}:3: image 'film.dcm' has another patient in row 2: a file is of one"
    )


def test_a_report_among_images_does_not_hide_whose_they_are(tmp_path: Path) -> None:
    for at in range(12):
        (tmp_path / "set" / "ab"[at % 2]).mkdir(parents=True, exist_ok=True)
        picture = np.random.default_rng(at).integers(0, 255, (24, 24)).astype(np.uint8)
        write_dicom(
            tmp_path / f"set/{'ab'[at % 2]}/{at}.dcm", picture, PatientID=f"{at // 4}0{at % 2}"
        )
    report = pydicom.dcmread(tmp_path / "set/a/0.dcm")
    del report.PixelData
    report.save_as(tmp_path / "set/a/report.dcm")
    done = abl(tmp_path, "init", "set")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "6 patients, by keyed hashes of PatientID" in said
    assert "1 image was left out, as it cannot be read: a/report.dcm" in said
    assert "PATIENTS ARE NOT KNOWN" not in (tmp_path / "sweep.yaml").read_text(encoding="utf-8")
    rows = (tmp_path / "manifest.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 13
    assert len({row.split(",")[2] for row in rows[1:]}) == 6
