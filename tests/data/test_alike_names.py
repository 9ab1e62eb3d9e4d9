"""Names that look alike: which do, in what they differ, and how that is made visible."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import noise_image, write_png

from abl.data.checks.checking import check_report
from abl.data.load import load_dataset
from abl.data.manifest import load_manifest
from abl.data.tables.alike_names import alike_groups, alike_key, nearest_name, shown_name, unlike_in
from abl.errors import InputError
from abl.spec.data import Data

ALIKE = [
    ("007", "7", ["leading zeros"]),
    ("7.0", "7", ["how a number is written"]),
    ("7,0", "7", ["how a number is written"]),
    ("P007", "p007", ["upper and lower case"]),
    ("P007", "p7", ["upper and lower case", "leading zeros"]),
    ("Jose\u0301", "José", ["the Unicode form of letters"]),
    ("１２", "12", ["the Unicode form of letters"]),
    ("P 1", "P\u00a01", ["blanks"]),
    ("P 1", "P1", ["blanks"]),
    ("P\u200b1", "P1", ["invisible characters"]),
    ("\ufeffP1", "P1", ["invisible characters"]),
    ("Р1", "P1", ["letters of another alphabet"]),
    ("P-1", "P_1", ["dashes"]),
    ("P–1", "P-1", ["dashes"]),
    ("A01-002", "a1-2", ["upper and lower case", "leading zeros"]),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "how"), ALIKE, ids=ascii)
def test_names_look_alike_and_it_is_said_in_what_they_differ(one, other, how):
    assert unlike_in(one, other) == how
    assert alike_groups([one, other, "x"]) == [sorted([one, other])]


@pytest.mark.parametrize(
    ("one", "other"),
    [("7", "70"), ("7", "7.5"), ("P1", "P11"), ("100", "1"), ("0", "00x"), ("1-2", "12"),
     ("Müller", "Muller"), ("1" * 30 + "1", "1" * 30 + "2"), ("1e3x", "1000x")],
)  # fmt: skip
def test_other_names_are_other_names(one, other):
    assert unlike_in(one, other) == []
    assert alike_groups([one, other]) == []


names = st.text(alphabet="01.,eEPpр_- ü\u0301\u200b\u00a0", max_size=8)


@given(names, names)
def test_to_look_alike_is_symmetric_and_one_name_says_so_of_itself(one, other):
    assert set(unlike_in(one, other)) == set(unlike_in(other, one))
    assert bool(unlike_in(one, other)) == (one != other and alike_key(one) == alike_key(other))
    assert unlike_in(one, unicodedata.normalize("NFD", one)) in (
        [],
        ["the Unicode form of letters"],
    )


def test_what_does_not_show_is_named():
    assert shown_name("benign") == "'benign'"
    assert shown_name("grün") == "'grün'"
    assert shown_name("benign\u00a0x") == "'benign\u00a0x' (with U+00A0 no-break space)"
    assert shown_name("bеnign") == "'bеnign' (with U+0435 cyrillic small letter ie)"
    assert "U+0301 combining acute accent" in shown_name("e\u0301")
    assert nearest_name("Ф", ["a"]) == "valid: a"


def written(folder: Path, patients: list[str], *more: str, columns: str = "") -> Path:
    for number in range(len(patients)):
        write_png(folder / f"{number}.png", noise_image(number))
    rows = [
        ",".join([f"{at}.png", str(at % 2), name, *(each.split(",")[at] for each in more)])
        for at, name in enumerate(patients)
    ]
    path = folder / "manifest.csv"
    path.write_text("\n".join([f"image,label,patient{columns}", *rows, ""]), encoding="utf-8")
    return path


def warned(manifest: Path) -> list[str]:
    lines = check_report(manifest, ("benign", "malignant")).splitlines()
    return [line for line in lines if "Names that may be one" in line]


@pytest.mark.parametrize(("one", "other", "how"), ALIKE, ids=ascii)
def test_a_check_warns_of_one_person_under_two_names_with_rows(tmp_path, one, other, how):
    one, other = (f'"{name}"' if "," in name else name for name in (one, other))
    path = written(tmp_path, [one, "x", other, "y", one.strip('"') if "," not in one else one])
    (line,) = warned(path)
    assert "warning: Names that may be one patient: '" in line
    assert "[rows 2, 6]" in line
    assert "[row 4]" in line
    assert f"({', '.join(how)})" in line
    dataset = load_dataset(Data(manifest="manifest.csv"), base=tmp_path)
    assert dataset.frame["patient"].nunique() == 4
    assert len(dataset.notes) == 1
    asked = Data(manifest="manifest.csv", patient_names="alike")
    dataset = load_dataset(asked, base=tmp_path)
    assert dataset.frame["patient"].nunique() == 3
    assert dataset.frame["patient"].tolist() == dataset.frame["nodule"].tolist()
    assert dataset.notes == (
        "2 names of patients that look alike were taken as those of 1 person.",
    )


def test_of_names_that_do_not_look_alike_nothing_is_said(tmp_path):
    assert warned(written(tmp_path, ["P1", "P2", "P10", "P11"])) == []


def test_images_without_patients_are_not_taken_for_people(tmp_path):
    for name in ("1.png", "01.png"):
        write_png(tmp_path / name, noise_image(len(name)))
    (tmp_path / "manifest.csv").write_text("image,label\n1.png,0\n01.png,1\n")
    assert warned(tmp_path / "manifest.csv") == []


def test_nodules_and_centres_are_told_too(tmp_path):
    path = written(
        tmp_path, ["a", "a", "b", "b"], "1,01,1,1", "Oslo,oslo,Oslo,Bergen",
        columns=",nodule,centre",
    )  # fmt: skip
    nodule, centre = warned(path)
    assert "may be one nodule: 'a/01' [row 3] and 'a/1' [row 2] (leading zeros)." in nodule
    assert "may be one centre: 'Oslo' [rows 2, 4] and 'oslo' [row 3] (upper and lower" in centre


def test_many_are_counted(tmp_path):
    names = [f"{n:03d}" for n in range(1, 9)] + [str(n) for n in range(1, 9)]
    (line,) = warned(written(tmp_path, names))
    assert line.count("[row ") == 10
    assert "; and 3 more." in line


def test_a_patient_of_an_external_centre_may_be_one_of_those_left(tmp_path):
    written(tmp_path, ["7", "8", "007", "9"], "A,A,B,A", columns=",centre")
    asked = Data(manifest="manifest.csv", without={"centre": ["B"]})
    dataset = load_dataset(asked, base=tmp_path)
    assert any("'007' [row 4] and '7' [row 2]" in note for note in dataset.notes)


def test_a_file_is_found_in_either_form_of_its_letters(tmp_path):
    write_png(tmp_path / unicodedata.normalize("NFD", "é.png"), noise_image(0))
    write_png(tmp_path / unicodedata.normalize("NFC", "ü.png"), noise_image(1))
    composed, decomposed = (unicodedata.normalize(form, "éü") for form in ("NFC", "NFD"))
    for one, two in (composed, (decomposed[:2], decomposed[2:])):
        path = tmp_path / "manifest.csv"
        path.write_text(f"image,label\n{one}.png,0\n{two}.png,1\n", encoding="utf-8")
        dataset = load_manifest(path)
        assert (dataset.source.decode(0) == noise_image(0)).all()
        assert (dataset.source.decode(1) == noise_image(1)).all()
    path.write_text(f"image,label\n{composed[0]}.png,0\n{decomposed[:2]}.png,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="is also in row 2"):
        load_manifest(path)


@pytest.mark.parametrize(
    ("there", "written_as", "said"),
    [
        ("IMG_1.PNG", "img_1.png", "there is 'IMG_1.PNG', which differs in upper and lower case"),
        ("a\u00a0b.png", "a b.png", "U+00A0 no-break space), which differs in blanks"),
        ("001.png", "1.png", "there is '001.png', which differs in leading zeros"),
        ("other.png", "1.png", "1.png' no such file"),
    ],
)
def test_a_file_that_looks_like_one_that_is_not_there_is_named(tmp_path, there, written_as, said):
    write_png(tmp_path / "in" / there, noise_image(0))
    (tmp_path / "manifest.csv").write_text(f"image,label\nin/{written_as},0\n")
    with pytest.raises(InputError) as caught:
        load_manifest(tmp_path / "manifest.csv")
    assert said in caught.value.problems[1].message


def test_long_numbers_that_a_spreadsheet_shortened_are_told(tmp_path):
    path = written(tmp_path, ["1.23457E+11", "1.23457E+11", "P1E5", "4"])
    report = check_report(path, ("benign", "malignant"))
    assert "warning: Names that may be several patients: '1.23457E+11' [rows 2, 3]: long" in report
