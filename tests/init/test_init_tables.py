"""Labels from a table beside images, and from annotations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_folders import refusal, started, write_pictures

from abl.app.init.label_table import Columns
from abl.data.annotations.importing import ImportOptions, import_annotations
from abl.data.manifest import load_manifest
from abl.data.masks.masks_read import has_mask


def write_bus_bra(folder: Path) -> None:
    """Images/bus_0001-l.png, Masks/mask_0001-l.png and bus_data.csv, as BUS-BRA has them."""
    lines = ["ID,Case,Histology,Pathology,BIRADS"]
    names = []
    for case in range(1, 9):
        for side in "lr":
            names += [f"Images/bus_{case:04d}-{side}.png", f"Masks/mask_{case:04d}-{side}.png"]
            kind = "malignant" if case % 2 else "benign"
            lines.append(f"bus_{case:04d}-{side},{case},cyst,{kind},{2 + case % 3}")
    write_pictures(folder, names)
    (folder / "bus_data.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_columns_are_found_by_what_they_hold_and_are_called(tmp_path: Path) -> None:
    write_bus_bra(tmp_path / "set")
    said, rows = started(tmp_path)
    assert (
        "bus_data.csv (image: ID, label: Pathology, patient: Case): benign 8, malignant 8" in said
    )
    assert rows[0] == {
        "image": "set/Images/bus_0001-l.png",
        "label": "malignant",
        "patient": "1",
        "mask": "set/Masks/mask_0001-l.png",
    }
    assert "8 patients, from the table" in said


def test_columns_that_are_named_go_first(tmp_path: Path) -> None:
    write_bus_bra(tmp_path / "set")
    _, rows = started(tmp_path, columns=Columns(label="BIRADS"), patients="unknown")
    assert {row["label"] for row in rows} == {"2", "3", "4"}
    assert "patient" not in rows[0]
    (line,) = refusal(tmp_path, columns=Columns(label="Patology"), force=True)
    assert "--label: no column 'Patology'; did you mean 'Pathology'?" in line


def write_flat(folder: Path, lines: list[str]) -> None:
    write_pictures(folder, [f"{number}.png" for number in range(10)])
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_rows_and_images_without_each_other_are_counted(tmp_path: Path) -> None:
    lines = [f"{number}.png,{number % 2}" for number in range(9)]
    write_flat(tmp_path / "set", ["file,y", *lines, "99.png,1", "0.png,0", "9.png,NA"])
    said, rows = started(tmp_path)
    assert len(rows) == 9
    for each in (
        "1 row of t.csv, the first '99.png'",
        "without y: 1 row",
        "1 image without a class",
    ):
        assert each in said


def test_an_image_with_two_labels_is_refused_with_both_rows(tmp_path: Path) -> None:
    lines = [f"{number}.png,{number % 2}" for number in range(10)]
    write_flat(tmp_path / "set", ["file,y", *lines, "3.png,0"])
    (line,) = refusal(tmp_path)
    assert line.endswith("t.csv:12: image '3.png' has y '0', in row 5 '1'")


def test_which_column_is_the_class_is_asked(tmp_path: Path) -> None:
    lines = [f"{number}.png,{number % 2},{'MF'[number // 5]}" for number in range(10)]
    write_flat(tmp_path / "set", ["file,grade,sex", *lines])
    (line,) = refusal(tmp_path)
    assert "Say it with --label, one of: grade, sex" in line


def test_a_spreadsheet_is_to_be_saved_as_csv(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", [f"{number}.png" for number in range(4)])
    (tmp_path / "set/labels.xlsx").write_bytes(b"PK")
    assert "save labels.xlsx as CSV (UTF-8)" in refusal(tmp_path)[0]


def write_coco(folder: Path, categories: int) -> None:
    names = [f"images/{number}.png" for number in range(8)]
    write_pictures(folder, names)
    content = {
        "images": [
            {"id": at, "file_name": Path(name).name, "width": 28, "height": 24}
            for at, name in enumerate(names)
        ],
        "categories": [{"id": at, "name": f"kind {at}"} for at in range(categories)],
        "annotations": [
            {"id": at, "image_id": at, "category_id": at % categories, "iscrowd": 0,
             "segmentation": [[4, 4, 20, 4, 20, 15, 4, 15]], "bbox": [4, 4, 16, 11]}
            for at in range(8)
        ],
    }  # fmt: skip
    (folder / "annotations.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_table_names_cases_of_nnu_net(tmp_path: Path) -> None:
    cases = [f"case_{at}" for at in range(12)]
    names = [
        name for case in cases for name in (f"imagesTr/{case}_0000.png", f"labelsTr/{case}.png")
    ]
    write_pictures(tmp_path / "set", names)
    lines = ["id,diagnosis", *(f"{case},{'ab'[at % 2]}" for at, case in enumerate(cases))]
    (tmp_path / "set" / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    said, rows = started(tmp_path)
    assert "12 files are taken as masks of 12 images by name" in said
    assert {row["image"] for row in rows} == {f"set/imagesTr/{case}_0000.png" for case in cases}


def test_annotations_are_imported_on_the_way(tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 2)
    said, rows = started(tmp_path)
    assert "classes from coco annotations: kind 0 4, kind 1 4" in said
    assert "--patient-from" in said
    assert "--patient names" not in said  # an option of `abl data import` alone
    assert all((tmp_path / row["mask"]).is_file() for row in rows)
    assert float(rows[0]["box_x1"]) == 20


def test_annotations_that_need_an_answer_leave_nothing_behind(tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 1)
    assert "abl data import" in refusal(tmp_path)[-1]


def test_what_an_import_was_told_is_taken_over(tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 3)
    options = ImportOptions(classes=("low=kind 0", "high=kind 1,kind 2"))
    import_annotations(tmp_path / "set", tmp_path / "set/annotated.csv", options)
    _, rows = started(tmp_path, table="annotated.csv", classes=("low", "high"))
    assert {row["label"] for row in rows} == {"low", "high"}
    assert {float(row["box_x1"]) for row in rows} == {20}
    dataset = load_manifest(tmp_path / "manifest.csv", classes=("low", "high"))
    assert has_mask(dataset).all()


def test_numbers_of_classes_are_one_however_they_are_written(tmp_path: Path) -> None:
    lines = [f"{number}.png,{number % 2}{'.0' if number > 4 else ''}" for number in range(10)]
    write_flat(tmp_path / "set", ["file,y", *lines])
    said, _ = started(tmp_path)
    assert "0 5, 1 5" in said


@pytest.mark.parametrize("answer", ["grade", " grade "])
def test_on_a_terminal_the_column_is_asked_for(tmp_path: Path, answer: str) -> None:
    from made_folders import LAPTOP

    from abl.app.init.command import InitOptions, init_sweep

    lines = [f"{number}.png,{number % 2},{'MF'[number // 5]}" for number in range(10)]
    write_flat(tmp_path / "set", ["file,grade,sex", *lines])
    asked = []

    def ask(question: str) -> str:
        asked.append(question)
        return answer if "column" in question else "unknown"

    said = init_sweep(tmp_path / "set", InitOptions(tmp_path), ask, LAPTOP)
    assert "label: grade" in said
    assert "grade, sex" in asked[0]
    assert "Whose images" in asked[1]


@pytest.mark.parametrize(
    "column",
    ["Pat ID", "PatientID", "patient_id", "pid", "Patient-Nr", "PATIENT NO", "Pat-Nr.", "pat"],
)
def test_columns_of_patients_are_known_however_they_are_written(
    tmp_path: Path, column: str
) -> None:
    lines = [f"{number}.png,{number % 2},P{number}" for number in range(10)]
    write_flat(tmp_path / "set", [f"image,label,{column}", *lines])
    said, rows = started(tmp_path)
    assert f"patient: {column})" in said
    assert rows[0]["patient"] == "P0"


def test_a_column_that_may_be_patients_is_named(tmp_path: Path) -> None:
    lines = [f"{number}.png,{number % 2},P{number},3" for number in range(10)]
    write_flat(tmp_path / "set", ["image,label,Patient code,image id", *lines])
    said, _ = started(tmp_path)
    assert "may be patients: column 'Patient code'; --patient 'Patient code' takes it" in said


def test_images_of_a_class_that_was_not_asked_for_are_told_as_that(tmp_path: Path) -> None:
    kinds = ["benign"] * 4 + ["malignant"] * 4 + ["rare"] * 2
    lines = [f"{number}.png,{kind}" for number, kind in enumerate(kinds)]
    write_flat(tmp_path / "set", ["image,label", *lines])
    said, _ = started(tmp_path, classes=("benign", "malignant"))
    assert "left out, as --classes does not name their class: 2 images (rare 2)" in said
    assert "without a class" not in said


def test_a_table_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", ["benign/a.png", "malignant/b.png"])
    (line,) = refusal(tmp_path, table="x.csv")
    assert line.endswith("it holds no CSV or Parquet file")


def test_a_column_for_each_class_is_read(tmp_path: Path) -> None:
    lines = ["image,MEL,NV,UNK"]
    lines += [f"{at},{float(at % 2)},{float(1 - at % 2)},0.0" for at in range(10)]
    write_flat(tmp_path / "set", lines)
    said, rows = started(tmp_path)
    assert "label: the one of MEL, NV, UNK that is 1): MEL 5, NV 5" in said
    assert [row["label"] for row in rows[:2]] == ["NV", "MEL"]


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("image,female,male,stage", "{at},{odd},{even},{third}"),
        ("image,effusion,nodule", "{at},1,{odd}"),
    ],
)
def test_columns_of_0_and_1_that_need_not_be_classes_are_asked_about(
    tmp_path: Path, head: str, row: str
) -> None:
    lines = [
        head,
        *(row.format(at=at, odd=at % 2, even=1 - at % 2, third=at % 3) for at in range(10)),
    ]
    write_flat(tmp_path / "set", lines)
    if "stage" in head:
        (line,) = refusal(tmp_path)
        assert "say it with --label" in line.lower()
    else:
        said, _ = started(tmp_path)  # the one column that differs is the class
        assert "label: nodule" in said


def test_the_table_itself_is_no_file_that_was_left_out(tmp_path: Path) -> None:
    write_flat(tmp_path / "set", ["image,label", *(f"{at},{at % 2}" for at in range(10))])
    said, _ = started(tmp_path)
    assert "left out" not in said


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("benign malignant", "positive class (of SEN, F1): malignant"),
        ("bösartig gutartig", "positive class (of SEN, F1): bösartig"),
        ("melanoma nevus", "positive class (of SEN, F1): melanoma"),
        ("covid influenza", "POSITIVE CLASS (of SEN, F1): influenza, as the last by name"),
    ],
)
def test_the_positive_class_is_told(tmp_path: Path, names: str, said: str) -> None:
    one, other = names.split()
    lines = ["image,label", *(f"{at},{other if at % 2 else one}" for at in range(10))]
    write_flat(tmp_path / "set", lines)
    told, _ = started(tmp_path)
    assert said in told
    if "POSITIVE" in said:
        assert "--classes influenza,covid turns them round" in told
        turned, _ = started(tmp_path, classes=("influenza", "covid"), force=True)
        assert "positive class (of SEN, F1): covid" in turned


def test_a_table_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    write_flat(tmp_path / "set", ["image,label", "0.png,0,x", "1.png,1"])
    broken, ways = refusal(tmp_path)
    assert broken.startswith(f"{tmp_path / 'set' / 't.csv'}:2: ")
    assert "3 fields" in broken
    assert "put images into a folder for each class" in ways
    assert "a CSV table beside them with the columns image,label" in ways
    rows = [f"{number}.png,{number % 2}" for number in range(10)]
    (tmp_path / "set" / "u.csv").write_text("\n".join(["image,label", *rows]), encoding="utf-8")
    said, _ = started(tmp_path)
    assert f"table passed over: {broken}" in said
