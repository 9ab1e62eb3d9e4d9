"""`abl data check`: what it warns of, and what it is told of by whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_folders import noise_image, write_set

from abl.data.checks.checking import check_report
from abl.errors import InputError
from commands import abl

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


def test_a_manifest_apart_from_its_images_is_checked(tmp_path: Path) -> None:
    path = manifest(tmp_path / "set", 12)
    apart = tmp_path / "apart.csv"
    path.rename(apart)
    done = abl(tmp_path, "data", "check", "apart.csv")
    assert done.exit_code == 2
    assert "--images of `abl data check`" in " ".join(done.output.split())
    done = abl(tmp_path, "data", "check", "apart.csv", "--images", "set")
    assert done.exit_code == 0, done.output
    assert "apart.csv: 12 images of 6 patients" in done.output


@pytest.mark.parametrize(
    ("made", "options", "said"),
    [
        ("sweep.yaml", {}, "is a sweep file: `abl plan "),
        ("set/benign/x.txt", {}, "hold no images; `abl init` says what"),
        ("a.csv", {"images": Path("none")}, "--images none: there is no such folder"),
        ("set/benign/x.txt", {"images": Path()}, "--images is for tables"),
    ],
)
def test_what_is_no_manifest_is_told(
    tmp_path: Path, made: str, options: dict[str, Path], said: str
) -> None:
    file = tmp_path / made
    (tmp_path / "set" / "malignant").mkdir(parents=True)
    file.parent.mkdir(exist_ok=True)
    file.write_text("image,label", encoding="utf-8")
    given = tmp_path / "set" if made.startswith("set/") else file
    with pytest.raises(InputError) as caught:
        check_report(given, CLASSES, **options)  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    assert said in str(problem)
