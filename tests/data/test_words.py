"""One rule at every door: a word means the same in a manifest, in Parquet, in predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import noise_image, write_png

from abl.data.load import load_dataset
from abl.data.manifest import load_manifest
from abl.data.predictions.prediction_file import read_prediction_table
from abl.data.splits.splits import split_of
from abl.data.tables.words import class_numbers, is_missing, number_words, role_named
from abl.errors import InputError
from abl.spec.data import Data
from abl.spec.splits import Splits

# spellings of benign and of malignant
SPELLINGS = [
    ("benign", "malignant"),
    ("0", "1"),
    ("0.0", "1.0"),
    ("00", "01"),
    ("0.000e+00", "1.000e+00"),
    ("False", "True"),
    ("FALSE", "TRUE"),
    ("Benign ", "MALIGNANT"),
    ("\u00a0benign", "malignant\u200b"),
    ("ｂｅｎｉｇｎ", "１"),
]
TYPED = [
    pd.Series([0, 1], dtype="int64"),
    pd.Series([0.0, 1.0], dtype="float32"),
    pd.Series([False, True]),
    pd.Series([False, True], dtype="boolean"),
    pd.Series(["benign", "Malignant "], dtype="category"),
    pd.Series([0, 1], dtype="category"),
    pd.Series([0.0, 1.0], dtype="category"),
    pd.Series([0, 1], dtype="Int64"),
    pd.Series([b"benign", b"malignant"], dtype=object),
]


def written(folder: Path, labels: pd.Series, suffix: str) -> Path:
    """A table that is a manifest and a file of predictions, of two images."""
    frame = pd.DataFrame({"image": ["0.png", "1.png"], "label": labels, "patient": ["a", "b"]})
    frame["p_0"], frame["p_1"] = 0.25, 0.75
    for number in range(2):
        write_png(folder / f"{number}.png", noise_image(number))
    path = folder / f"table{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


@pytest.mark.parametrize("words", SPELLINGS, ids=ascii)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_label_is_read_alike_at_every_door(tmp_path: Path, words: tuple[str, str], suffix: str):
    path = written(tmp_path, pd.Series(list(words)), suffix)
    assert load_manifest(path).frame["label"].tolist() == [0, 1]
    assert read_prediction_table(path).frame["label"].tolist() == [0, 1]


@pytest.mark.parametrize("labels", TYPED, ids=lambda each: str(each.dtype))
def test_a_label_of_any_type_of_parquet_is_read_alike(tmp_path: Path, labels: pd.Series):
    path = written(tmp_path, labels, ".parquet")
    assert load_manifest(path).frame["label"].tolist() == [0, 1]
    assert read_prediction_table(path).frame["label"].tolist() == [0, 1]


@pytest.mark.parametrize("words", [("Benign", "MALIGNANT"), ("0", "1")])
def test_folders_are_classes_by_the_same_rule(tmp_path: Path, words: tuple[str, str]):
    for number, word in enumerate(words):
        write_png(tmp_path / word / "x.png", noise_image(number))
    frame = load_manifest(tmp_path).frame
    assert frame["label"].tolist() == [0, 1]
    assert frame["image"].tolist() == [f"{word}/x.png" for word in words]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "bеnign",
            "U+0435 cyrillic small letter ie) is not a class; did you mean 'benign'? It",
        ),
        (
            "ben\u00a0ign",
            "U+00A0 no-break space) is not a class; did you mean 'benign'? It",
        ),
        ("bening", "did you mean 'benign'?"),
        ("1.5", "valid: 0..1, benign, malignant"),
        ("2", "valid: 0..1, benign, malignant"),
        ("-1", "valid: 0..1, benign, malignant"),
        ("NA", "label 'NA' is no class"),
        ("nan", "label is empty"),
        ("1_0", "is not a class"),
    ],
)
def test_another_label_is_told_alike_at_every_door(tmp_path: Path, word: str, said: str):
    path = written(tmp_path, pd.Series(["benign", word]), ".csv")
    for read in (load_manifest, read_prediction_table):
        with pytest.raises(InputError) as caught:
            read(path)
        # classes that are empty for want of a label that was not read are no second fault
        (problem,) = caught.value.problems
        assert said in str(problem)
        assert str(problem).startswith(f"{path}:3: ")


def test_names_go_before_numbers_and_a_column_is_read_in_one_way():
    grades = ("2", "3", "4")
    assert class_numbers(["2", "3.0", "4"], grades) == {"2": 0, "3.0": 1, "4": 2}
    assert class_numbers(["0", "1", "2"], grades) == {"0": 0, "1": 1, "2": 2}
    assert class_numbers(["1", "2", "4"], grades) == {"2": 0, "4": 2}  # grade 1 is no class
    assert class_numbers(["0", "1"], ("1", "2", "3")) == {"1": 0}  # a typing error moves no other
    assert class_numbers(["1", "0"], ("1", "0")) == {"1": 0, "0": 1}
    assert class_numbers(["a", "A"], ("a", "A")) == {"a": 0, "A": 1}
    assert class_numbers([" a"], ("a", "A")) == {}  # it could be either
    assert class_numbers(["True", "None"], ("a", "None", "b")) == {"None": 1}
    assert class_numbers(["True", "False"], ("True", "False")) == {"True": 0, "False": 1}


@given(st.text(max_size=20), st.sampled_from([("benign", "malignant"), ("1", "2", "3")]))
def test_whatever_a_label_is_it_is_a_class_or_none(text: str, classes: tuple[str, ...]):
    found = class_numbers([text], classes)
    assert set(found) <= {text}
    assert all(0 <= number < len(classes) for number in found.values())
    for at, name in enumerate(classes):
        assert class_numbers([name, text], classes)[name] == at


PARTS = ["Train", "TRAINING ", "val", "Valid", " Validation", "TEST", "testing", "Test"]


def test_words_of_a_split_are_read_alike(tmp_path: Path):
    roles = ["train", "train", "validation", "validation", "validation", "test", "test", "test"]
    assert [role_named(word) for word in PARTS] == roles
    assert role_named("tset") is None
    count = 2 * len(PARTS)
    frame = pd.DataFrame({"image": [f"{at}.png" for at in range(count)]})
    frame["label"], frame["split"] = [0, 1] * len(PARTS), np.repeat(PARTS, 2)
    frame["p_0"], frame["p_1"] = 0.5, 0.5
    for at in range(count):
        write_png(tmp_path / f"{at}.png", noise_image(at))
    frame.to_csv(tmp_path / "table.csv", index=False)
    table = read_prediction_table(tmp_path / "table.csv").frame
    assert table["split"].tolist() == np.repeat(roles, 2).tolist()
    dataset = load_dataset(Data(manifest="table.csv"), base=tmp_path)
    split = split_of(dataset.frame, Splits(kind="column"), 0, 0)
    for role, positions in split.items():
        assert positions.tolist() == np.flatnonzero(np.repeat(roles, 2) == role).tolist()


@pytest.mark.parametrize("word", ["fold 1", "fold_1", "1.0", "01", " 1", "1e0", "１"])
def test_a_fold_is_known_by_its_number(word: str):
    assert number_words(word) == "1"


@pytest.mark.parametrize(
    "word", ["", "NA", "n/a", "None", "NULL", "NaN", "-", "--", "–", "?", "unknown", "<NA>", "#N/A"]
)
def test_nobody_is_called_so(tmp_path: Path, word: str):
    assert is_missing(word)
    text = f"image,label,patient\n0.png,0,{word}\n1.png,1,b\n"
    for number in range(2):
        write_png(tmp_path / f"{number}.png", noise_image(number))
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(InputError, match=r"manifest.csv:2: patient .*(is empty|is no name): write"):
        load_manifest(tmp_path / "manifest.csv")
    predictions = tmp_path / "predictions.csv"
    predictions.write_text(f"image,label,patient,p_0,p_1\n0,0,{word},0.5,0.5\n1,1,b,0.5,0.5\n")
    with pytest.raises(InputError, match=r"predictions.csv:2: patient .*(is empty|is no name)"):
        read_prediction_table(predictions)


@pytest.mark.parametrize("word", ["P1", "0", "N", "nana", "A-1", "p?", "None-1"])
def test_a_name_is_a_name(word: str):
    assert not is_missing(word)


def test_what_says_that_nothing_is_known_is_no_box_and_no_mask(tmp_path: Path):
    for number in range(2):
        write_png(tmp_path / f"{number}.png", noise_image(number))
    text = "image,label,mask,box_x0,box_y0,box_x1,box_y1\n0.png,0,NA,-,-,-,-\n1.png,1,,1,2,3,4\n"
    (tmp_path / "manifest.csv").write_text(text)
    frame = load_manifest(tmp_path / "manifest.csv").frame
    assert frame["mask"].tolist() == ["", ""]
    assert frame["box_x0"].isna().tolist() == [True, False]


def test_a_centre_that_nobody_wrote_is_no_other_centre(tmp_path: Path):
    for number in range(3):
        write_png(tmp_path / f"{number}.png", noise_image(number))
    text = "image,label,centre\n0.png,0,A\n1.png,1,B\n2.png,1,unknown\n"
    (tmp_path / "manifest.csv").write_text(text)
    asked = Data(manifest="manifest.csv", without={"centre": ["B"]})
    with pytest.raises(InputError) as caught:
        load_dataset(asked, base=tmp_path)
    row, advice = map(str, caught.value.problems)
    assert "manifest.csv:4: '2.png' has no centre but 'unknown'" in row
    assert "without: {centre: ['unknown']}" in advice
    asked = Data(manifest="manifest.csv", without={"centre": ["unknown"]})
    assert len(load_dataset(asked, base=tmp_path)) == 2
