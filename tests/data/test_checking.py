"""`abl data check`: what it warns of, and what it is told of by whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_folders import noise_image, write_set

from abl.data.checks.checking import check_report
from abl.errors import InputError

CLASSES = ("benign", "malignant")


def manifest(folder: Path, images: int, **extra: list[str]) -> Path:
    return write_set(folder, [noise_image(seed) for seed in range(images)], extra)


def warnings(report: str) -> list[str]:
    start = "  warning: "
    return [line.removeprefix(start) for line in report.splitlines() if line.startswith(start)]


def test_a_class_of_few_patients_is_warned_of(tmp_path: Path) -> None:
    # two images a patient, labels by patient in turn: p0 p2 p4 benign, p1 p3 malignant
    assert warnings(check_report(manifest(tmp_path / "five", 10), CLASSES)) == [
        "class 'malignant' has 2 patients: training, validation and test need one each"
    ]
    assert warnings(check_report(manifest(tmp_path / "six", 12), CLASSES)) == []


def test_a_split_column_without_a_test_part_is_warned_of(tmp_path: Path) -> None:
    parts = ["train"] * 6 + ["val"] * 6
    (said,) = warnings(check_report(manifest(tmp_path / "none", 12, split=parts), CLASSES))
    assert said.startswith("column split names no test part (train, val)")
    parts = ["train"] * 6 + ["Test"] * 6
    assert warnings(check_report(manifest(tmp_path / "some", 12, split=parts), CLASSES)) == []


def test_the_manifest_within_a_folder_is_named(tmp_path: Path) -> None:
    path = manifest(tmp_path / "set", 12)
    with pytest.raises(InputError) as caught:
        check_report(path.parent, CLASSES)
    (problem,) = caught.value.problems
    assert str(problem).endswith(f"check its manifest: {path}")


@pytest.mark.parametrize(
    ("names", "said"), [(("a", "a"), "'a' is there twice"), (("a", ""), "empty")]
)
def test_names_of_classes_are_checked(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_report(manifest(tmp_path, 12), names)
