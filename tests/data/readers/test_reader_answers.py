"""Readers' answers as people write them: what is read, and what is told with its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abl.data.readers.answer_files import read_reader_answers
from abl.errors import InputError

READERS = Path(__file__).parents[3] / ".." / "shared" / "data" / "readers"


def written(folder: Path, text: str, name: str = "answers.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def faults(path: Path, **options: object) -> list[str]:
    with pytest.raises(InputError) as error:
        read_reader_answers([path], **options)  # type: ignore[arg-type]
    return [f"{each.line}: {each.message}" for each in error.value.problems]


def test_columns_and_classes_are_read_as_people_write_them(tmp_path: Path) -> None:
    text = "Image;Rater; Label;Answer;Patient\na.png;Kim;Malignant;benign ;P1\nb.png;Kim;0;;P2\n"
    read = read_reader_answers([written(tmp_path, text)])
    assert read.classes == ("benign", "Malignant")
    rows = read.frame[["case", "reader", "patient", "truth"]].to_numpy().tolist()
    assert rows == [["a.png", "Kim", "P1", 1.0], ["b.png", "Kim", "P2", 0.0]]
    assert read.frame["answer"].iloc[0] == 0
    assert np.isnan(read.frame["answer"].iloc[1])  # no answer is none of the classes
    assert not read.has_ratings


def test_all_faults_are_told_at_once_with_their_rows(tmp_path: Path) -> None:
    text = """case,reader,truth,rating,patient
1,A,0,3,x
1,A,0,4,x
2,A,1,high,y
3,A,1,2,z
3,B,0,2,other
,B,1,2,z
4,B,2,2,z
"""
    assert faults(written(tmp_path, text)) == [
        "3: reader 'A' answered case '1' before (row 2); a second reading needs a column session",
        "4: rating 'high' is no number",
        "6: case '3': truth '0' here, '1' in an earlier row",
        "6: case '3': patient 'other' here, 'z' in an earlier row",
        "7: case is empty",
        "8: truth: label '2' is not a class; valid: 0..1",
    ]


def test_truth_of_one_class_alone_is_refused(tmp_path: Path) -> None:
    text = "case,reader,truth,rating\n1,A,0,3\n2,A,0,4\n"
    assert faults(written(tmp_path, text)) == [
        "None: no case is 1: readers are compared on cases of both classes"
    ]


def test_missing_columns_are_named_with_what_may_stand_there(tmp_path: Path) -> None:
    text = "pictures,reader,truth\n1,A,0\n"
    found = faults(written(tmp_path, text))
    assert [each.split(";")[0] for each in found] == [
        "1: no column case or image",
        "1: no column rating or answer: what did the readers say?",
    ]


def test_which_of_two_unknown_classes_is_positive_is_asked(tmp_path: Path) -> None:
    path = written(tmp_path, "case,reader,truth,answer\n1,A,cyst,fibroma\n2,A,fibroma,cyst\n")
    assert faults(path) == [
        "None: which of cyst and fibroma is positive? Write it last: --classes cyst,fibroma"
    ]
    read = read_reader_answers([path], classes=["fibroma", "cyst"])
    assert read.frame["truth"].tolist() == [1.0, 0.0]


def test_what_a_column_holds_decides_whether_it_is_a_rating(tmp_path: Path) -> None:
    scale = written(tmp_path, "case,reader,truth,answer\n1,A,0,1\n2,A,1,5\n3,A,1,4\n")
    assert read_reader_answers([scale]).frame["rating"].tolist() == [1, 5, 4]
    binary = written(tmp_path, "case,reader,truth,rating\n1,A,0,0\n2,A,1,1\n3,A,1,NA\n")
    read = read_reader_answers([binary])
    assert not read.has_ratings
    assert read.frame["answer"].tolist()[:2] == [0, 1]


def test_files_of_several_readers_and_a_truth_from_elsewhere(tmp_path: Path) -> None:
    one = written(tmp_path, "image,answer\na,1\nb,0\n", "Kim.csv")
    other = written(tmp_path, "image,reader,answer\na,Lee,0\nb,Lee,NA\n", "more.csv")
    read = read_reader_answers([one, other], labels={"a": 1, "b": 0}, patients={"a": "P"})
    assert read.readers == ("Kim", "Lee")
    assert read.truth_of().to_numpy().tolist() == [[1.0, "P"], [0.0, "b"]]
    unknown = written(tmp_path, "image,reader,answer\nA,Lee,0\n", "odd.csv")
    assert faults(unknown, labels={"a": 1}) == [
        "2: case 'A' has no known truth; there is 'a', which differs in upper and lower case"
    ]


def test_answers_without_a_truth_are_read_for_agreement(tmp_path: Path) -> None:
    path = written(tmp_path, "image,reader,answer\na,K,yes\na,L,no\nb,K,no\nb,L,no\n")
    read = read_reader_answers([path])
    assert not read.has_truth
    assert read.classes == ("no", "yes")


def test_parquet_and_csv_are_one(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"case": [1, 2, 3], "reader": "A", "truth": [0, 1, 1], "rating": [0.5, np.nan, 2.0]}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    read = [read_reader_answers([tmp_path / f"a.{end}"]).frame for end in ("parquet", "csv")]
    pd.testing.assert_frame_equal(*read)


def test_the_first_session_is_the_one_that_is_compared(tmp_path: Path) -> None:
    text = "case,reader,truth,rating,session\n1,A,0,1,2\n1,A,0,3,1\n2,A,1,4,1\n2,A,1,2,2\n"
    read = read_reader_answers([written(tmp_path, text)])
    assert read.table("rating", "").to_numpy().tolist() == [[3.0], [4.0]]


@pytest.mark.skipif(not READERS.is_dir(), reason="the published reader data are not here")
def test_published_files_are_read_whole() -> None:
    van_dyke = read_reader_answers([READERS / "vandyke.csv"])
    assert (len(van_dyke.cases), van_dyke.readers) == (114, tuple("12345"))
    assert van_dyke.truth_of()["truth"].sum() == 45
    assert van_dyke.table("rating", "2").notna().all(axis=None)
