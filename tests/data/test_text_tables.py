"""Tables as spreadsheets export them: read as plain CSV is, and what was odd counted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_folders import noise_image, write_png

from abl.data.manifest import load_manifest
from abl.data.predictions.prediction_file import read_prediction_table
from abl.errors import InputError

HEADER = ["image", "label", "patient", "box_x0", "box_y0", "box_x1", "box_y1", "p_0", "p_1"]
ROWS = [
    ["0.png", "benign", "003", "1.5", "2", "9", "10", "0.75", "0.25"],
    ["1.png", "malignant", "a, b", "", "", "", "", "0.5", "0.5"],
    ["2.png", "benign", "c;d", "1", "2.25", "9", "10", "0.125", "0.875"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    for number in range(3):
        write_png(folder / f"{number}.png", noise_image(number))
    return folder


def line(fields: list[str], separator: str, *, comma: bool) -> str:
    """A row as a spreadsheet writes it."""
    if comma:
        fields = [each.replace(".", ",") if each[:1].isdigit() and "png" not in each else each
                  for each in fields]  # fmt: skip
    quoted = [f'"{each}"' if {",", ";", "\t"} & set(each) and separator in each else each
              for each in fields]  # fmt: skip
    return separator.join(quoted)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    separator=st.sampled_from([",", ";", "\t"]),
    says_so=st.booleans(),
    comma=st.booleans(),
    columns=st.integers(0, 3),
    rows=st.lists(st.integers(0, 3), max_size=3),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_an_export_is_read_as_the_table_that_was_saved(
    folder, separator, says_so, comma, columns, rows, end, encoding
):
    comma = comma and separator != ","
    tail = [""] * columns
    lines = [line([*HEADER, *tail], separator, comma=False)]
    lines += [line([*row, *tail], separator, comma=comma) for row in ROWS]
    empty = separator * (len(HEADER) + columns - 1)
    for at in rows:
        lines.insert(at + 1, empty)
    said = [f"sep={separator}"] if says_so else []
    path = folder / "export.csv"
    path.write_bytes(end.join([*said, *lines, ""]).encode(encoding))
    dataset = load_manifest(path)
    frame = dataset.frame
    assert frame["image"].tolist() == [row[0] for row in ROWS]
    assert frame["label"].tolist() == [0, 1, 0]
    assert frame["patient"].tolist() == [row[2] for row in ROWS]
    assert frame["box_x0"].fillna(-1).tolist() == [1.5, -1, 1]
    assert frame["box_y0"].fillna(-1).tolist() == [2, -1, 2.25]
    assert [str(name) for name in frame.columns if name == ""] == []
    table = read_prediction_table(path)
    assert table.p.tolist() == [[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]]
    assert table.frame["patient"].tolist() == [row[2] for row in ROWS]
    # a row is known by its place in the file
    places = [at + 1 + len(said) for at, each in enumerate(lines) if "png" in each]
    assert table.rows.tolist() == list(dataset.rows.values()) == places
    odd = bool(columns or rows or said or separator != ",")
    assert len(dataset.notes) == len(table.notes) == odd


def test_what_was_odd_is_counted(folder):
    lines = ["sep=;", "image;label;;", "0.png;benign;;", ";;;", "1.png;1,0;;", ";;;"]
    (folder / "x.csv").write_text("\n".join(lines))
    assert load_manifest(folder / "x.csv").notes[0] == (
        "x.csv: fields separated by semicolons, a first line 'sep=;', 2 columns without names and "
        "2 rows of empty fields passed over, 1 decimal comma read as points."
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,label,,\n0.png,0,x,y\n1.png,1,,\n", "x.csv:1: columns 3, 4 have values and no"),
        ("sep=;\nimage;label\n0.png;0;1\n1.png;1\n", "x.csv:3: has 3 fields, the header has 2"),
        ("sep=;\nimage;lable\n0.png;0\n", "x.csv:2: no column 'label'; did you mean 'lable'?"),
        ("image,label\n,\n , \n", "x.csv: has no rows"),
        (",,,\n,,,\n", "x.csv: is empty"),
        ("im\u200bage,label\n0.png,0\n", "(with U+200B zero width space)? It differs in invisible"),
        ("Image,label\n0.png,0\n", "did you mean 'Image'? It differs in upper and lower case"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_at_its_row(folder, text, said):
    (folder / "x.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        load_manifest(folder / "x.csv")
    assert said in str(caught.value.problems[0]).replace(f"{folder}/", "")


def test_columns_of_a_row_number_and_rows_longer_by_empty_fields_are_read(folder):
    (folder / "x.csv").write_text(",image,label\n0,0.png,0\n1,1.png,1,,\n")
    dataset = load_manifest(folder / "x.csv")
    assert dataset.frame["image"].tolist() == ["0.png", "1.png"]


def test_a_workbook_is_called_one(folder):
    for start in (b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest"):
        (folder / "x.csv").write_bytes(start)
        for read in (load_manifest, read_prediction_table):
            with pytest.raises(InputError, match="is a workbook of a spreadsheet"):
                read(folder / "x.csv")


def test_rows_of_parquet_without_a_value_are_passed_over_too(folder):
    frame = pd.DataFrame(
        {"image": ["0.png", None, "1.png"], "label": [0, None, 1], "p_0": [0.5, None, 0.25]}
    )
    frame["p_1"] = 1 - frame["p_0"]
    frame.to_parquet(folder / "x.parquet")
    dataset = load_manifest(folder / "x.parquet")
    table = read_prediction_table(folder / "x.parquet")
    assert dataset.frame["label"].tolist() == table.frame["label"].tolist() == [0, 1]
    assert list(dataset.rows.values()) == table.rows.tolist() == [2, 4]
    assert dataset.notes[0] == table.notes[0] == "x.parquet: 1 row without a value passed over."
