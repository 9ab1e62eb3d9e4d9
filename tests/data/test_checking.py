"""`abl data check`: what it warns of, and what it is told of by whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_folders import noise_image, write_set

from abl.data.checks.checking import check_report
from abl.data.checks.option_words import as_options
from abl.errors import InputError
from commands import abl
from tiny_sweeps import write_tiny_set

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
    assert "; --images FOLDER names another" in " ".join(done.output.split())
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


def other_columns(folder: Path) -> Path:
    path = manifest(folder, 12)
    text = path.read_text().replace("image,label,patient", "Bild,Diagnose,Person", 1)
    path.write_text(text)
    return path


def test_columns_of_other_names_are_named_with_an_option(tmp_path: Path) -> None:
    path = other_columns(tmp_path)
    said = abl(tmp_path, "data", "check", path.name)
    assert said.exit_code == 2
    image, label = said.output.strip().splitlines()
    assert "no column 'image'; did you mean 'Bild'? (--column image=... names it)" in image
    assert "(--column label=... names it)" in label
    words = ["--column", "image=Bild", "--column", "label=Diagnose", "--column", "patient=Person"]
    said = abl(tmp_path, "data", "check", path.name, *words)
    assert said.exit_code == 0
    assert "12 images of 6 patients" in said.output


def test_a_column_of_words_is_not_taken_for_the_images(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("imag,label\nbig,0\nsmall,1\n")
    said = abl(tmp_path, "data", "check", path.name)
    assert "no column 'image'; no other column holds names of files" in said.output
    assert "did you mean" not in said.output


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["image"], "--column image: write NAME=COLUMN"),
        (["image=a", "image=b"], "--column image=b: image is a already"),
        (["imgae=Bild"], "--column: 'imgae' is not a column abl knows; did you mean 'image'?"),
        (["image=Bld"], "--column: no column 'Bld'; did you mean 'Bild'?"),
    ],
)
def test_columns_that_are_named_wrongly(tmp_path: Path, given: list[str], told: str) -> None:
    path = other_columns(tmp_path)
    words = [word for each in given for word in ("--column", each)]
    said = abl(tmp_path, "data", "check", path.name, *words)
    assert said.exit_code == 2
    assert told in said.output


def test_a_command_without_the_option_asks_for_the_name_in_the_table(tmp_path: Path) -> None:
    path = other_columns(tmp_path)
    said = abl(tmp_path, "data", "group", path.name, "--out", "grouped.csv")
    assert said.exit_code == 2
    assert "did you mean 'Bild'? (--column image=... names it)" in said.output
    setting = "did you mean 'Bild'? (data: {columns: {image: ...}} names it)"
    told = as_options(setting, names=())
    assert told == "did you mean 'Bild'? (call it 'image' in the table)"


def test_images_without_classes_are_told_the_ways_out(tmp_path: Path) -> None:
    write_tiny_set(tmp_path / "set")
    with pytest.raises(InputError) as told:
        check_report(tmp_path / "set" / "png", ("benign", "malignant"))
    assert str(told.value) == (
        f"{tmp_path / 'set' / 'png'}: holds images, but no folder for each class: put them into "
        "benign, malignant, or name a CSV table beside them with the columns image,label in place "
        "of the folder"
    )
