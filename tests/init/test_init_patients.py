"""Who the images are of."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_folders import LAPTOP, of_classes, refusal, started, write_pictures

from abl.app.init.command import InitOptions, init_sweep
from abl.data.manifest import load_manifest

NAMES = [f"{'ab'[case % 2]}/P{case:02d}_{shot}.png" for case in range(8) for shot in range(2)]
FOLDERS = [
    f"{'ab'[case % 2]}/P{case:02d}/day {shot}/1.png" for case in range(8) for shot in range(2)
]


def test_a_pattern_reads_patients_off_names(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", NAMES)
    said, rows = started(tmp_path, patient_from=r"/(P\d+)_")
    assert {row["patient"] for row in rows} == {f"P{case:02d}" for case in range(8)}
    assert "8 test patients (4 positive)" in said
    dataset = load_manifest(tmp_path / "manifest.csv", classes=("a", "b"))
    assert dataset.patients_known


def test_several_groups_of_a_pattern_are_one_name(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", NAMES)
    _, rows = started(tmp_path, patient_from=r"(\w)/P(\d+)")
    assert rows[0]["patient"] == "a-00"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(P\d+", "is no regular expression"),
        (r"P\d+", "has no group ( ) that is the patient"),
        (r"(P0\d)_1", "does not match 8 of 16 images, such as 'a/P00_0.png'"),
        (r"(x?)", "does not match 16 of 16 images"),
    ],
)
def test_a_pattern_that_does_not_tell_all_is_refused(
    tmp_path: Path, pattern: str, said: str
) -> None:
    write_pictures(tmp_path / "set", NAMES)
    (line,) = refusal(tmp_path, patient_from=pattern)
    assert said in line


def test_folders_within_classes_may_be_patients(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", FOLDERS)
    said, rows = started(tmp_path, patients="folder")
    assert {row["patient"] for row in rows} == {f"P{case:02d}" for case in range(8)}
    said, rows = started(tmp_path, force=True)
    assert "patient" not in rows[0]
    assert "if folders such as 'P00/day 0' are patients: --patients folder" in said


def test_without_such_folders_it_is_told(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", NAMES)
    (line,) = refusal(tmp_path, patients="folder")
    assert "16 of 16 images lie in no folder of a patient" in line


def test_numbers_that_start_anew_in_each_class_are_told(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", of_classes("a", "b"))
    said, _ = started(tmp_path, patient_from=r"(\d+)\.png")
    assert "5 patients (such as '0') have images of several classes" in said


def test_copies_of_one_patient_need_no_group(tmp_path: Path) -> None:
    import shutil

    write_pictures(tmp_path / "set", NAMES)
    shutil.copy(tmp_path / "set/a/P00_0.png", tmp_path / "set/a/P00_9.png")
    shutil.copy(tmp_path / "set/a/P02_0.png", tmp_path / "set/a/P04_9.png")
    _, rows = started(tmp_path, patient_from=r"/(P\d+)_")
    grouped = {row["image"]: row["group"] for row in rows if row["group"]}
    assert set(grouped) == {"set/a/P02_0.png", "set/a/P04_9.png"}


@pytest.mark.parametrize(("answer", "patients"), [(r"/(P\d+)_", 8), ("", 0), ("unknown", 0)])
def test_on_a_terminal_it_is_asked(tmp_path: Path, answer: str, patients: int) -> None:
    write_pictures(tmp_path / "set", NAMES)
    said = init_sweep(tmp_path / "set", InitOptions(tmp_path), lambda question: answer, LAPTOP)
    assert (f"{patients} patients" in said) == bool(patients)
    assert ("patients unknown" in said) == (not patients)
    sweep = (tmp_path / "sweep.yaml").read_text(encoding="utf-8")
    assert ("PATIENTS ARE NOT KNOWN" in sweep) == (not patients)
