from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abl.data.predictions.prediction_file import read_prediction_table
from abl.data.predictions.prediction_pairs import paired, read_paired
from abl.data.predictions.prediction_rows import write_prediction_table
from abl.errors import InputError

HEAD = "image,label,p_0,p_1"


@pytest.fixture(autouse=True)
def in_its_folder(tmp_path, monkeypatch):
    """Messages show a path as it is given: here a bare name."""
    monkeypatch.chdir(tmp_path)


def written(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path.relative_to(folder)


def told(call, *arguments, **options) -> list[str]:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    return [str(problem) for problem in caught.value.problems]


def test_a_file_is_read_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 50)
    frame = pd.DataFrame({"image": [f"a, {at}.png" for at in range(50)]})
    frame["label"] = rng.integers(0, 3, 50)
    frame["patient"] = [f"{at // 2:03d}" for at in range(50)]
    frame["split"] = ["train", "test"] * 25
    for column in range(3):
        frame[f"p_{column}"] = p[:, column]
    for name in ("p.csv", "p.parquet"):
        write_prediction_table(tmp_path / name, frame)
        table = read_prediction_table(tmp_path / name)
        assert np.array_equal(table.p, p)
        for column in ("image", "label", "patient", "split"):
            assert table.frame[column].tolist() == frame[column].tolist()
        assert table.rows.tolist() == list(range(2, 52))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv", "p.parquet"]


def test_what_other_programs_write_is_understood(tmp_path):
    path = tmp_path / "o.csv"
    path.write_bytes(
        b"\xef\xbb\xbflogit, image ,label,p_0,p_1,fold,split\r\n"
        b'3.1," a.png",malignant,0.25,0.75,1,val\r\n'
        b"\r\n"
        b"x,b.png,0,1,0,1,test\r\n"
    )
    table = read_prediction_table(path)
    assert table.frame["image"].tolist() == ["a.png", "b.png"]
    assert table.frame["label"].tolist() == [1, 0]
    assert table.frame["split"].tolist() == ["validation", "test"]
    assert table.frame["fold"].tolist() == ["1", "1"]
    assert table.rows.tolist() == [2, 4]
    assert table.p.tolist() == [[0.25, 0.75], [1, 0]]
    frame = pd.DataFrame({"image": [7, 8], "label": [True, False], "fold": [0.0, 1.0]})
    frame["p_1"] = np.array([0.75, 0.5], dtype=np.float32)
    frame["p_0"] = 1 - frame["p_1"]
    frame.to_parquet(tmp_path / "o.parquet")
    table = read_prediction_table(tmp_path / "o.parquet")
    assert table.frame["image"].tolist() == ["7", "8"]
    assert table.frame["label"].tolist() == [1, 0]
    assert table.frame["fold"].tolist() == ["0", "1"]
    assert table.p.tolist() == [[0.25, 0.75], [0.5, 0.5]]


def test_every_fault_of_a_file_is_told_with_its_row(tmp_path):
    path = written(
        tmp_path,
        "o.csv",
        "image,label,p_0,p_1,split",
        "a,0,0.5,0.5,test",
        "b,2,0.5,0.5,test",
        "c,unclear,0.5,0.5,test",
        "d,0,1.5,-0.5,test",
        "e,0,nan,0.5,test",
        "f,0,0.5,0.4,test",
        ",0,0.5,0.5,test",
        "a,0,0.5,0.5,test",
        "g,0,0.5,0.5,tset",
    )
    said = told(read_prediction_table, path)
    assert [line.partition(": ")[0] for line in said] == [
        "o.csv:3", "o.csv:4", "o.csv:5", "o.csv:5", "o.csv:6", "o.csv:7", "o.csv:8", "o.csv:9",
        "o.csv:10",
    ]  # fmt: skip
    for line, part in zip(
        said,
        ["'2' is not a class", "'unclear' is not a class", "p_0 is '1.5'", "p_1 is '-0.5'", "p_0",
         "sum to 0.9", "image is empty", "first in row 2", "'tset' is not train"],
        strict=True,
    ):  # fmt: skip
        assert part in line


def test_of_many_faults_ten_are_told_and_the_rest_counted(tmp_path):
    lines = [f"{at},0,0.5,0.9" for at in range(500)]
    said = told(read_prediction_table, written(tmp_path, "o.csv", HEAD, *lines))
    assert len(said) == 11
    assert said[0].startswith("o.csv:2: ")
    assert said[9].startswith("o.csv:11: ")
    assert said[10] == "and 490 more problems"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEAD], "o.csv: has no rows"),
        (["image,label,p_0,p_2", "a,0,0.5,0.5"], "o.csv:1: needs the columns p_0, p_1"),
        (["image,label,p", "a,0,0.5"], "it has none of them"),
        (["name,label,p_0,p_1", "a,0,0.5,0.5"], "o.csv:1: no column 'image'"),
        (["image,image,label,p_0,p_1", "a,a,0,0.5,0.5"], "o.csv:1: column 'image' is there twice"),
        (["image label p_0 p_1", "a 0 0.5 0.5"], "o.csv:1: is not separated by commas, semicolons"),
        ([HEAD, "a,0,0.5,0.5", "b,0,0.5"], "o.csv:3: has 3 fields, the header has 4"),
        ([HEAD, "a,0,0.5,0.5", "b,0,0.5,0.5,9"], "o.csv:3: has 5 fields, the header has 4"),
        ([HEAD, "a,0,half,0.5"], "o.csv:2: p_0 is 'half', not a number in [0, 1]"),
        ([HEAD, "a,0.5,0.5,0.5"], "o.csv:2: label '0.5' is not a class; valid: 0..1, benign"),
    ],
)
def test_what_is_not_a_file_of_predictions_is_told(tmp_path, lines, said):
    assert said in "\n".join(told(read_prediction_table, written(tmp_path, "o.csv", *lines)))


def test_other_files_are_refused(tmp_path):
    assert told(read_prediction_table, Path("o.csv")) == ["o.csv: no such file"]
    assert told(read_prediction_table, Path()) == [".: is a folder, not a file"]
    for name, content in (("o.txt", b"x"), ("o.parquet", b"x"), ("u.csv", b"image,\xff\n")):
        (tmp_path / name).write_bytes(content)
        assert told(read_prediction_table, Path(name))[0].startswith(f"{name}: ")
    for content in (b"", b"\n", b"\xef\xbb\xbf\n"):
        (tmp_path / "o.csv").write_bytes(content)
        assert told(read_prediction_table, Path("o.csv")) == ["o.csv: is empty"]


def test_files_are_paired_by_image_whatever_their_order(tmp_path):
    o = written(tmp_path, "O.csv", HEAD, "a,0,0.9,0.1", "b,1,0.2,0.8", "c,1,0.4,0.6")
    t = written(
        tmp_path, "T.csv", "patient," + HEAD, "P2,c,1,0.3,0.7", "P1,a,0,0.8,0.2", "P1,b,1,0.1,0.9"
    )
    found = read_paired({"original": o, "true": t})
    assert found.frame["image"].tolist() == ["a", "b", "c"]
    assert found.frame["patient"].tolist() == ["P1", "P1", "P2"]
    assert found.predictions["true"][:, 1].tolist() == [0.2, 0.9, 0.7]
    assert list(found.frame.columns) == ["image", "label", "patient"]


def test_an_image_may_be_in_every_fold_once(tmp_path):
    head = f"fold,split,{HEAD}"
    rows = ["1,test,a,0,0.9,0.1", "2,validation,a,0,0.7,0.3", "2,test,b,1,0.5,0.5"]
    o = written(tmp_path, "O.csv", head, *rows)
    t = written(tmp_path, "T.csv", head, *reversed(rows))
    found = read_paired({"original": o, "true": t})
    assert np.array_equal(found.predictions["original"], found.predictions["true"])
    s = written(tmp_path, "S.csv", f"split,{HEAD}", "test,a,0,0.9,0.1")
    assert "S.csv:1: no column 'fold', which O.csv has" in told(
        read_paired, {"original": o, "true": s}
    )


def test_what_files_disagree_on_is_told_with_both_places(tmp_path):
    o = written(tmp_path, "O.csv", HEAD, "a,0,0.9,0.1", "b,1,0.2,0.8", "c,1,0.2,0.8")
    t = written(tmp_path, "T.csv", HEAD, "b,1,0.1,0.9", "a,0,0.8,0.2", "d,1,0.1,0.9")
    assert told(read_paired, {"original": o, "true": t}) == [
        "O.csv:4: image 'c' is not in T.csv",
        "T.csv:4: image 'd' is not in O.csv",
    ]
    t = written(tmp_path, "T.csv", HEAD, "c,1,0.1,0.9", "b,0,0.1,0.9", "a,0,0.8,0.2")
    assert told(read_paired, {"original": o, "true": t}) == ["T.csv:3: label 0, but O.csv:3 has 1"]
    three = written(tmp_path, "three.csv", HEAD + ",p_2", "a,0,0.5,0.5,0")
    assert "three.csv:1: 3 classes, O.csv has 2" in told(
        read_paired, {"original": o, "true": three}
    )


def test_faults_of_all_files_are_told_at_once(tmp_path):
    o = written(tmp_path, "O.csv", HEAD, "a,0,0.9,0.9")
    t = written(tmp_path, "T.csv", HEAD, "a,7,0.5,0.5")
    said = told(read_paired, {"original": o, "true": t, "false": Path("F.csv")})
    assert [line.split(":")[0] for line in said] == ["O.csv", "T.csv", "F.csv"]


def test_patients_of_two_files_must_agree(tmp_path):
    head = f"patient,{HEAD}"
    o = read_prediction_table(written(tmp_path, "O.csv", head, "P1,a,0,0.9,0.1"))
    t = read_prediction_table(written(tmp_path, "T.csv", head, "P2,a,0,0.9,0.1"))
    assert told(paired, {"original": o, "true": t}) == ["T.csv:2: patient P2, but O.csv:2 has P1"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    frame = pd.DataFrame({"image": ["a"], "p_0": [object()]})
    with pytest.raises(Exception, match=r".*"):
        write_prediction_table(tmp_path / "out.csv", frame)
    assert list(tmp_path.iterdir()) == []
    assert told(write_prediction_table, Path("out.txt"), frame) == [
        "out.txt: name it .csv or .parquet"
    ]
    assert "no folder" in told(write_prediction_table, tmp_path / "no" / "out.csv", frame)[0]


def test_two_files_of_one_name_are_told_apart(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a/pred.csv").write_text(f"{HEAD}\nx,0,0.9,0.1\n")
    (tmp_path / "b/pred.csv").write_text(f"{HEAD}\ny,0,0.9,0.1\n")
    assert told(read_paired, {"original": Path("a/pred.csv"), "true": Path("b/pred.csv")}) == [
        "a/pred.csv:2: image 'x' is not in b/pred.csv",
        "b/pred.csv:2: image 'y' is not in a/pred.csv",
    ]
    assert read_prediction_table(Path("a/pred.csv")).file == "pred.csv"


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]])
def test_as_many_names_as_classes(tmp_path, names):
    o = written(tmp_path, "O.csv", HEAD, "x,0,0.9,0.1")
    said = told(read_paired, {"original": o}, classes=names)
    assert said == [f"O.csv:1: 2 classes (p_0, p_1), but --classes names {len(names)}: "
                    + ", ".join(names)]  # fmt: skip
    assert read_paired({"original": o}, classes=["a", "b"]).frame["label"].tolist() == [0]


def test_where_nothing_can_be_written_it_is_told_in_a_line(tmp_path):
    frame = pd.DataFrame({"image": ["a"], "p_0": [0.5]})
    (tmp_path / "folder.csv").mkdir()
    assert told(write_prediction_table, Path("folder.csv"), frame) == [
        "folder.csv: is a folder, not a file"
    ]
    if Path("/proc").is_dir():  # a folder that takes no file, whoever asks
        assert "/proc/x.csv: cannot be written (" in told(
            write_prediction_table, Path("/proc/x.csv"), frame
        )[0]  # fmt: skip


def test_names_that_never_meet_are_told_in_a_line(tmp_path):
    o = written(tmp_path, "O.csv", HEAD, "png/1.png,0,1,0", "png/2.png,1,0,1")
    for names, how in (
        (("1.png", "2.png"), "the folder in front"),
        (("png/1.jpg", "png/2.jpg"), "the ending"),
        (("1", "2"), "folder and ending"),
    ):
        t = written(tmp_path, "T.csv", HEAD, f"{names[0]},0,1,0", f"{names[1]},1,0,1")
        assert told(read_paired, {"original": o, "true": t}) == [
            f"T.csv: has no image of O.csv: here '{names[0]}', there 'png/1.png'; they differ in "
            f"{how}"
        ]
    t = written(tmp_path, "T.csv", HEAD, "PNG/1.png,0,1,0", "png/2.png,1,0,1")
    assert told(read_paired, {"original": o, "true": t}) == [
        "O.csv:2: image 'png/1.png' is not in T.csv; there is 'PNG/1.png', which differs in upper "
        "and lower case",
        "T.csv:2: image 'PNG/1.png' is not in O.csv; there is 'png/1.png', which differs in upper "
        "and lower case",
    ]


def test_a_field_that_is_empty_is_told_once(tmp_path):
    path = written(tmp_path, "o.csv", HEAD, ",0,1,0", ",0,1,0", "NA,1,0,1")
    assert told(read_prediction_table, path) == [
        "o.csv:2: image is empty", "o.csv:3: image is empty", "o.csv:4: image 'NA' is no name",
    ]  # fmt: skip


def test_folds_counted_from_one_meet_those_from_zero(tmp_path):
    head = f"fold,{HEAD}"
    o = written(tmp_path, "O.csv", head, "0,a,0,1,0", "1,b,1,0,1", "1,a,0,1,0")
    t = written(tmp_path, "T.csv", head, "fold 2,a,0,1,0", "1.0,a,0,1,0", "02,b,1,0,1")
    for names in (("O.csv", "T.csv"), ("T.csv", "O.csv")):
        found = read_paired({name: Path(name) for name in names})
        assert found.notes == (
            "T.csv counts fold from 1, O.csv from 0: they were taken as the same.",
        )
    # of other images it is no matter of counting
    t = written(tmp_path, "T.csv", head, "1,b,1,0,1", "2,a,0,1,0", "2,b,1,0,1")
    assert "(fold 0) is not in T.csv" in told(read_paired, {"original": o, "true": t})[0]


def test_labels_of_other_classes_are_one_fault(tmp_path):
    path = written(tmp_path, "o.csv", HEAD, "a,cat,1,0", "b,dog,0,1", "c,cat,0,1")
    assert told(read_prediction_table, path) == [
        "o.csv:2: none of its labels ('cat', 'dog') is a class (benign, malignant)"
    ]
