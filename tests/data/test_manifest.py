from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from image_folders import noise_image, write_png, write_set
from PIL import Image

from abl.data.checks.image_checks import check_images
from abl.data.manifest import load_manifest
from abl.data.modalities import second_modality
from abl.errors import InputError


def problems_of(manifest, **options):
    with pytest.raises(InputError) as error:
        load_manifest(manifest, **options)
    return [str(problem) for problem in error.value.problems]


def images(count=4):
    return [noise_image(seed) for seed in range(count)]


def manifest_with(folder, text, encoding="utf-8"):
    for number in range(4):
        write_png(folder / f"{number}.png", noise_image(number))
    manifest = folder / "manifest.csv"
    manifest.write_bytes(text.encode(encoding))
    return manifest


GOOD = "image,label,patient\n0.png,benign,a\n1.png,1,b\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_manifest_becomes_a_frame_with_pixels(tmp_path, encoding):
    dataset = load_manifest(manifest_with(tmp_path, GOOD, encoding))
    assert dataset.frame["image"].tolist() == ["0.png", "1.png"]
    assert dataset.frame["label"].tolist() == dataset.frame["train_label"].tolist() == [0, 1]
    assert dataset.frame["label"].dtype == np.int64
    assert dataset.frame["patient"].tolist() == ["a", "b"]
    assert dataset.source.fingerprints() == dataset.frame["fingerprint"].tolist()
    np.testing.assert_array_equal(dataset.source.decode(1), noise_image(1))
    assert dataset.notes == ()


def test_parquet_and_csv_give_the_same(tmp_path):
    manifest = manifest_with(tmp_path, GOOD)
    frame = pd.DataFrame({"image": ["0.png", "1.png"], "label": [0.0, 1.0], "patient": ["a", "b"]})
    frame.to_parquet(tmp_path / "manifest.parquet")
    pd.testing.assert_frame_equal(
        load_manifest(manifest).frame, load_manifest(tmp_path / "manifest.parquet").frame
    )


def test_a_folder_for_each_class(tmp_path):
    for name in ("benign/b.png", "benign/a.png", "malignant/c.png"):
        write_png(tmp_path / name, noise_image(len(name)))
    (tmp_path / "benign" / "notes.txt").write_text("x")
    dataset = load_manifest(tmp_path)
    assert dataset.frame["image"].tolist() == ["benign/a.png", "benign/b.png", "malignant/c.png"]
    assert dataset.frame["label"].tolist() == [0, 0, 1]
    assert dataset.frame["patient"].is_unique
    assert any("patient" in note for note in dataset.notes)
    assert any(note.startswith("1 file without") for note in dataset.notes)


def test_folders_that_are_no_classes_are_named(tmp_path):
    write_png(tmp_path / "benig" / "a.png", noise_image(0))
    found = problems_of(tmp_path)
    assert any("did you mean 'benign'?" in problem for problem in found)
    assert any("no folder for class 'malignant'" in problem for problem in found)


def test_columns_name_those_of_the_manifest(tmp_path):
    text = "path,diagnosis,id,label\n0.png,malignant,a,x\n1.png,benign,b,y\n"
    columns = {"image": "path", "label": "diagnosis", "patient": "id"}
    dataset = load_manifest(manifest_with(tmp_path, text), columns=columns)
    assert dataset.frame["label"].tolist() == [1, 0]
    assert dataset.frame["patient"].tolist() == ["a", "b"]


def test_where_keeps_rows_and_passes_over_faults_of_the_others(tmp_path):
    text = "image,label,site\n0.png,0,A\n1.png,1,A\nmissing.png,7,B\n2.png,0,C\n"
    manifest = manifest_with(tmp_path, text)
    dataset = load_manifest(manifest, where={"site": ["A", "C"]})
    assert dataset.frame["image"].tolist() == ["0.png", "1.png", "2.png"]
    assert problems_of(manifest, where={"sit": ["A"]}) == [
        f"{manifest}: where: no column 'sit'; did you mean 'site'?"
    ]
    assert "no row has site 'a'" in problems_of(manifest, where={"site": ["a"]})[0]


def test_without_patients_each_image_is_one_and_it_is_said(tmp_path):
    dataset = load_manifest(manifest_with(tmp_path, "image,label\n0.png,0\n1.png,1\n"))
    assert dataset.frame["patient"].tolist() == ["0.png", "1.png"]
    assert len(dataset.notes) == 1


def test_nodules_of_one_name_differ_between_patients(tmp_path):
    text = "image,label,patient,nodule\n0.png,0,a,1\n1.png,1,b,1\n2.png,1,b,1\n"
    nodules = load_manifest(manifest_with(tmp_path, text)).frame["nodule"]
    assert nodules[0] != nodules[1]
    assert nodules[1] == nodules[2]


def test_every_fault_is_told_with_its_row(tmp_path):
    text = (
        "image,label,patient,box_x0,box_y0,box_x1,box_y1\n"
        "0.png,bening,a,,,,\n"
        "gone.png,1,b,,,,\n"
        "1.png,,c,,,,\n"
        "2.png,0,,5,5,3,9\n"
        "2.png,0,d,1,2,,\n"
        "../x.png,0,e,-1,2,5,6\n"
        "/etc/hostname,0,f,1,2,x,4\n"
        "empty.png,0,g,1,2,inf,4\n"
    )
    manifest = manifest_with(tmp_path, text)
    (tmp_path / "empty.png").touch()
    found = problems_of(manifest)
    expected = [
        (2, "did you mean 'benign'?"),
        (3, "image 'gone.png' no such file"),
        (4, "label is empty"),
        (5, "patient is empty"),
        (5, "box is inverted"),
        (6, "also in row 5"),
        (6, "box needs four numbers or none"),
        (7, "leaves the manifest's folder"),
        (7, "x0 or y0 below 0"),
        (8, "is absolute"),
        (8, "box needs four numbers or none"),
        (9, "is empty (0 bytes)"),
        (9, "box needs four numbers or none"),
    ]
    assert len(found) == len(expected)
    for row, words in expected:
        assert any(
            problem.startswith(f"{manifest}:{row}:") and words in problem for problem in found
        ), (row, words)


def test_one_file_under_two_spellings_is_a_duplicate(tmp_path):
    text = "image,label\n0.png,0\n./0.png,1\n"
    assert "also in row 2" in problems_of(manifest_with(tmp_path, text))[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("image,label\n", "has no rows"),
        ("image,lable\n0.png,0\n", "no column 'label'; did you mean 'lable'?"),
        ("image,label,label\n0.png,0,1\n", "column 'label' is there twice"),
        ("image label\n0.png 0\n", "not separated by commas"),
        ("image,label\n0.png,0\n1.png,1,2\n", "manifest.csv:3: has 3 fields, the header has 2"),
        ("image,label\n0.png,0\n1.png,0\n", "class 'malignant' (1) has no image"),
        ('image,label\n"0.png,0\n', "not CSV"),
        ("image,label,box_x0\n0.png,0,1\n", "has box_x0 but no box_y0, box_x1, box_y1"),
        ("image,label,fingerprint\n0.png,0,1\n", "column 'fingerprint' is computed"),
        ("image,label,first_image\n0.png,0,1\n", "column 'first_image' is computed"),
        ("image,label\na\0b.png,0\n1.png,1\n", "manifest.csv:2: image 'a\\x00b.png' has a control"),
        ('image,label,patient\n0.png,0,"a\nb"\n1.png,1,b\n', "patient 'a\\nb' has a control"),
        ("image,label,patient\n0.png,0,NaN\n1.png,1,b\n", "manifest.csv:2: patient is empty"),
        ("image,label,patient,nodule\n0.png,0,a,nan\n1.png,1,b,1\n", ":2: nodule is empty"),
    ],
)
def test_faults_of_the_table_are_one_clear_line(tmp_path, text, words):
    assert any(words in problem for problem in problems_of(manifest_with(tmp_path, text)))


def test_rows_cut_short_hide_no_other_fault_and_make_none(tmp_path):
    text = "image,label\n0.png\ngone.png,0\n2.png,x\n3.png,0,1\n1.png,0\n"
    manifest = manifest_with(tmp_path, text)
    (tmp_path / "1.png").write_text("no image")
    found = problems_of(manifest)
    assert [problem.removeprefix(f"{manifest}:")[:1] for problem in found] == list("23456")
    assert "has 1 field, the header has 2: fill in" in found[0]
    assert "put a text with a comma in double quotes" in found[3]
    assert "not an image of a kind that is read" in found[4]
    # a manifest of nothing else lacks neither rows nor a class
    assert len(problems_of(manifest_with(tmp_path, "image,label\n0.png\n1.png,0,0\n"))) == 2


def test_of_very_many_rows_with_one_fault_the_first_are_shown(tmp_path):
    rows = [f"gone{row}.png,{'benign' if row % 2 else 'wrong'}" for row in range(60)]
    found = problems_of(manifest_with(tmp_path, "\n".join(["image,label", *rows, "0.png,1", ""])))
    assert len(found) == 22
    assert sum("no such file" in problem for problem in found) == 21
    (wrong,) = [problem for problem in found if "label" in problem]
    assert "manifest.csv:2: label 'wrong' is not a class" in wrong
    assert wrong.endswith("(30 rows have it)")
    assert "manifest.csv:21: and 40 more like it: image 'gone19.png' no such" in found[-1]


def test_other_encodings_are_refused_once(tmp_path):
    text = "image,label,ärzte\n0.png,0,ü\n"
    assert problems_of(manifest_with(tmp_path, text, "latin-1")) == [
        f"{tmp_path / 'manifest.csv'}: is not UTF-8 (byte 12); save it as UTF-8"
    ]


def test_what_is_not_parquet_is_said(tmp_path):
    (tmp_path / "m.parquet").write_bytes(b"image,label")
    assert "not Parquet" in problems_of(tmp_path / "m.parquet")[0]
    assert "no such file" in problems_of(tmp_path / "none.csv")[0]


def test_unknown_names_in_columns_are_told(tmp_path):
    manifest = manifest_with(tmp_path, GOOD)
    found = problems_of(manifest, columns={"lable": "label", "patient": "patien"})
    assert any("did you mean 'label'?" in problem for problem in found)
    assert any("did you mean 'patient'?" in problem for problem in found)


def test_links_may_not_leave_the_folder(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    write_png(outside / "x.png", noise_image(0))
    manifest = manifest_with_folder(inside)
    (inside / "file.png").symlink_to(outside / "x.png")
    (inside / "linked").symlink_to(outside)
    (inside / "again.png").symlink_to(inside / "0.png")
    manifest.write_text("image,label\nfile.png,0\nlinked/x.png,1\nagain.png,1\n")
    found = problems_of(manifest)
    assert [problem.split(" is ")[0] for problem in found] == [
        f"{manifest}:2: image 'file.png'",
        f"{manifest}:3: image 'linked/x.png'",
    ]


def manifest_with_folder(folder):
    folder.mkdir()
    return manifest_with(folder, GOOD)


def test_a_fingerprint_changes_with_the_file_alone(tmp_path):
    manifest = manifest_with(tmp_path, GOOD)
    before = load_manifest(manifest).frame["fingerprint"].tolist()
    write_png(tmp_path / "1.png", noise_image(9))
    after = load_manifest(manifest).frame["fingerprint"].tolist()
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_second_modality_reads_the_other_images(tmp_path):
    columns = {"elasticity": [f"e{number}.png" for number in range(4)]}
    for number, name in enumerate(columns["elasticity"]):
        write_png(tmp_path / name, noise_image(100 + number))
    dataset = load_manifest(write_set(tmp_path, images(), columns))
    other = second_modality(dataset)
    np.testing.assert_array_equal(other.source.decode(2), noise_image(102))
    assert other.frame["label"].tolist() == dataset.frame["label"].tolist()
    assert set(other.frame["fingerprint"]).isdisjoint(dataset.frame["fingerprint"])
    with pytest.raises(InputError, match="no second modality"):
        second_modality(load_manifest(write_set(tmp_path / "plain", images())))


def test_check_images_names_what_does_not_decode_or_fit(tmp_path):
    boxes = {"box_x0": [0] * 4, "box_y0": [0] * 4, "box_x1": [9, 33, 9, 9], "box_y1": [9] * 4}
    masks = {"mask": ["m0.png", "", "m2.png", ""]}
    Image.new("L", (32, 24)).save(tmp_path / "m0.png")
    Image.new("L", (24, 32)).save(tmp_path / "m2.png")
    manifest = write_set(tmp_path, images(), boxes | masks)
    broken = tmp_path / "images" / "3.png"
    broken.write_bytes(broken.read_bytes()[:300])
    found = [str(problem) for problem in check_images(load_manifest(manifest))]
    assert len(found) == 3
    assert found == [
        f"{manifest}:3: 'images/1.png' has box (0, 0, 33, 9), which leaves the image, 32 pixels "
        "wide and 24 high",
        f"{manifest}:4: 'm2.png' is a mask of 24 x 32 pixels, its image has 32 x 24: save it in "
        "the size of its image",
        f"{manifest}:5: 'images/3.png' is damaged or truncated (image file is truncated)",
    ]


def test_a_cause_hides_what_follows_from_it(tmp_path):
    manifest = manifest_with(tmp_path, "image,label\npng/0.png,tumour\npng/1.png,cyst\n")
    assert problems_of(manifest) == [
        f"{manifest}: none of its labels ('cyst', 'tumour') is a class (benign, malignant); name "
        "the classes there are with data: {classes: [...]}",
        f"{manifest}: none of its 2 images is there: paths start from the manifest's folder, "
        f"{tmp_path}; data: {{images: FOLDER}}, or --images of `abl data check`, names another",
        f"{manifest}:2: image 'png/0.png' no such file",
    ]
    write_png(tmp_path / "set" / "bening" / "0.png", noise_image(0))
    write_png(tmp_path / "set" / "malignant" / "0.png", noise_image(1))
    assert problems_of(tmp_path / "set") == [
        f"{tmp_path / 'set'}: folder 'bening' is not a class; did you mean 'benign'?"
    ]
