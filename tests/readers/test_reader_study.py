"""A sweep with readers: the page to read on, their answers beside the arms, tables and figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abl.data.image_codes import image_code
from abl.spec.yaml_file import yaml_text
from commands import abl
from tiny_sweeps import TWO_NETWORKS, changed, write_tiny_set

SWEEP = changed(TWO_NETWORKS, {"study": "readers", "margin": 0.1})
CLASSES = ("benign", "malignant")


def write_readers(folder: Path, changes: Mapping[str, object] | None = None) -> None:
    if not (folder / "images").exists():
        write_tiny_set(folder / "images")
    text = yaml_text(changed(SWEEP, changes or {}))
    (folder / "tiny.yaml").write_text(text, encoding="utf-8")


def ran(folder: Path) -> str:
    result = abl(folder, "sweep", "tiny.yaml", "--executor", "local", "--record", "off")
    assert result.exit_code == 0, result.output
    return result.output


def truth_in(folder: Path) -> pd.Series:
    manifest = pd.read_csv(folder / "images/manifest.csv", dtype=str)
    return manifest.set_index("image")["label"]


def page_in(folder: Path, name: str = "reading.html") -> str:
    return (folder / "page" / name).read_text(encoding="utf-8")


def codes_in(page: str) -> list[str]:
    found = re.search(r'id="table">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return [each["code"] for each in json.loads(found[1])["images"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep without answers, with its page."""
    folder = tmp_path_factory.mktemp("readers")
    write_readers(folder)
    said = ran(folder)
    assert "pooled6" in said
    page = abl(folder, "readers", "page", "tiny", "--out", "page")
    assert page.exit_code == 0, page.output
    assert "48 test images" in page.output
    return folder


def answers(folder: Path, name: str, wrong: Mapping[str, list[int]], **more: str) -> Path:
    """Answers as the page saves them, by code; of each reader some images (positions) are wrong,
    and the last one has no answer.
    """
    truth, rows = truth_in(folder), []
    for reader, places in wrong.items():
        for at, (image, label) in enumerate(truth.items()):
            other = CLASSES[1 - CLASSES.index(str(label))]
            said = other if at in places else str(label)
            sure = at % 5 + 1
            rating = 5 + sure if said == CLASSES[1] else 6 - sure
            last = at == len(truth) - 1
            row = {
                "image": image_code(str(image)), "reader": reader, "session": "1", **more,
                "answer": "" if last else said, "confidence": "" if last else sure,
                "rating": "" if last else rating, "comment": "", "sweep": "tiny",
            }  # fmt: skip
            rows.append(row)
    path = folder / name
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_the_page_holds_no_label_and_no_name(folder: Path, tmp_path: Path) -> None:
    page = page_in(folder)
    assert not [name for name in truth_in(folder).index if name in page or Path(name).stem in page]
    assert sorted(codes_in(page)) == sorted(map(image_code, truth_in(folder).index))
    # nothing comes from elsewhere
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    # with every label turned around it is the same page to the last byte
    write_tiny_set(tmp_path / "images")
    manifest = pd.read_csv(tmp_path / "images/manifest.csv", dtype=str)
    manifest["label"] = manifest["label"].map(dict(zip(CLASSES, CLASSES[::-1], strict=True)))
    manifest.to_csv(tmp_path / "images/manifest.csv", index=False)
    write_readers(tmp_path)
    ran(tmp_path)
    assert abl(tmp_path, "readers", "page", "tiny", "--out", "page").exit_code == 0
    assert page_in(tmp_path) == page


def test_a_second_session_has_the_same_images_in_another_order(folder: Path) -> None:
    for session in ("1", "2"):
        words = ["--out", "page", "--images", "11", "--session", session]
        said = abl(folder, "readers", "page", "tiny", *words)
        assert "Drawn from 48, each class with its share: --images 48 shows all" in said.output
    first, second = codes_in(page_in(folder)), codes_in(page_in(folder, "reading_2.html"))
    assert len(first) == 11
    assert sorted(first) == sorted(second)
    assert first != second
    name_of = {image_code(name): label for name, label in truth_in(folder).items()}
    counts = pd.Series([name_of[code] for code in first]).value_counts()
    assert sorted(counts) == [5, 6]
    abl(folder, "readers", "page", "tiny", "--out", "page", "--images", "11", "--seed", "1")
    assert sorted(codes_in(page_in(folder))) != sorted(first)
    assert abl(folder, "readers", "page", "tiny", "--out", "page").exit_code == 0


def test_each_treatment_has_a_page_of_its_own(folder: Path) -> None:
    for treatment in ("unaided", "with aid"):
        words = ["--out", "page", "--treatment", treatment]
        assert abl(folder, "readers", "page", "tiny", *words).exit_code == 0
    first = page_in(folder, "reading_unaided.html")
    second = page_in(folder, "reading_with_aid.html")
    assert '"treatment": "with aid"' in second
    assert codes_in(first) != codes_in(second)
    assert sorted(codes_in(first)) == sorted(codes_in(second))


def test_answers_stand_beside_the_arms(folder: Path) -> None:
    answers(folder, "ann.csv", {"Ann": [0, 1, 3]}, experience="resident")
    answers(folder, "bo.csv", {"Bo": [1, 2], "Cy": [0, 2]}, experience="faculty")
    write_readers(folder, {"options": {"answers": ["ann.csv", "bo.csv"]}})
    plan = abl(folder, "plan", "tiny.yaml")
    assert "in the store 4, to compute 0" in plan.output  # answers train nothing
    said = ran(folder)
    assert "3 readers on 48 images, 3 answers missing." in said
    shown = abl(folder, "table", "tiny", "--show", "readers", "--format", "csv")
    table = pd.read_csv(pd.io.common.StringIO(shown.output)).set_index("rater")
    assert list(table.index) == ["Ann", "Bo", "Cy", "pooled3", "pooled6"]
    # images in turn: 0 and 1 are benign, 2 and 3 malignant; the last, malignant, is not answered
    counts = table.loc[["Ann", "Bo", "Cy"], ["tp", "fn", "fp", "tn", "missing"]]
    assert counts.to_numpy().tolist() == [[22, 1, 2, 22, 1], [22, 1, 1, 23, 1], [22, 1, 1, 23, 1]]
    assert table["sen"]["Ann"] == pytest.approx(22 / 23)
    assert (table["sen_low"] < table["sen"]).all()
    assert table["tp"]["pooled3"] + table["fn"]["pooled3"] == 24
    (kept,) = [
        path
        for path in (folder / "mlruns/store/sweeps/tiny").glob("*/readers_roc.png")
        if path.exists()
    ]
    names = {path.stem for path in kept.parent.glob("readers_*.png")}
    assert {"readers_roc", "readers_ratings", "readers_differences", "readers_agreement"} <= names

    against = pd.read_parquet(kept.parent / "against.parquet")
    # readers are hardly ever wrong; groups of one experience are those with several readers
    assert set(against["group"]) == {"all readers", "faculty"}
    tested = against[against["p"].notna()]
    assert len(tested)
    assert (tested["holm"] >= tested["p"]).all()  # within the arms
    assert (against["readers_value"] > 0.9).all()
    differences = pd.read_parquet(kept.parent / "differences.parquet")
    ann = differences[(differences["first"] == "Ann") & (differences["second"] == "Bo")]
    share = ann.set_index("statistic")["difference"]
    assert share["spe"] == pytest.approx(-1 / 24)
    assert set(differences["kinds"]) == {"reader - reader", "reader - arm", "arm - arm"}
    shown = abl(folder, "table", "tiny", "--show", "agreement").output
    assert "Fleiss' kappa" in shown
    assert "Gwet's AC1" in shown

    # the command says the same of the same answers
    words = ["ann.csv", "bo.csv", "--sweep", "tiny", "--json"]
    found = json.loads(abl(folder, "readers", *words).output)
    raters = {each["reader"]: each for each in found["raters"]}
    assert raters["Ann"]["sen"]["estimate"] == pytest.approx(table["sen"]["Ann"])
    assert raters["pooled6"]["auc"]["low"] == pytest.approx(table["auc_low"]["pooled6"])


def test_arms_are_no_treatment(folder: Path) -> None:
    frames = []
    for treatment in ("unaided", "aided"):
        file = answers(folder, f"{treatment}.csv", {"Ann": [0, 1], "Bo": [2]})
        frames.append(pd.read_csv(file, dtype=str, keep_default_na=False))
        frames[-1]["treatment"] = treatment
    pd.concat(frames).to_csv(folder / "both.csv", index=False)
    said = abl(folder, "readers", "both.csv", "--sweep", "tiny").output
    opening = " ".join(said.split())
    assert opening.startswith("2 readers, ")
    assert "2 treatments (" in opening
    assert "(, " not in opening


def test_a_second_session_says_how_far_readers_agree_with_themselves(folder: Path) -> None:
    answers(folder, "1.csv", {"Ann": [0, 1], "Bo": [2]})
    second = answers(folder, "2.csv", {"Ann": [0, 1, 2, 3, 4], "Bo": [2]})
    frame = pd.read_csv(second, dtype=str, keep_default_na=False).assign(session="2")
    frame.to_csv(second, index=False)
    write_readers(folder, {"options": {"answers": ["1.csv", "2.csv"]}})
    ran(folder)
    shown = abl(folder, "table", "tiny", "--show", "agreement", "--format", "csv").output
    table = pd.read_csv(pd.io.common.StringIO(shown))
    own = table[(table["first"] == "Ann") & (table["second"] == "1 and 2")]
    assert own[own["statistic"] == "Cohen's kappa"]["same"].tolist() == [44]
    bo = table[(table["first"] == "Bo") & (table["second"] == "1 and 2")]
    assert bo[bo["statistic"] == "Cohen's kappa"]["value"].tolist() == [1.0]


@pytest.mark.parametrize(
    "called",
    [lambda name: name, lambda name: name.rpartition("/")[2], lambda name: name.replace("/", "\\")],
)
def test_images_may_be_called_by_their_names(folder: Path, called: object) -> None:
    path = answers(folder, "named.csv", {"Ann": [0], "Bo": [5]})
    names = {image_code(str(name)): called(str(name)) for name in truth_in(folder).index}  # type: ignore[operator]
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.assign(image=frame["image"].map(names)).to_csv(path, index=False)
    write_readers(folder, {"options": {"answers": "named.csv"}})
    assert "2 readers on 48 images, 2 answers missing." in ran(folder)


def test_images_without_answers_are_said(folder: Path) -> None:
    path = answers(folder, "few.csv", {"Ann": [0], "Bo": [5]})
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame[frame.index % 48 < 30].to_csv(path, index=False)
    write_readers(folder, {"options": {"answers": "few.csv"}})
    assert "18 test images without a reader's answer: left out." in ran(folder)


def test_a_design_that_is_not_crossed_is_named(folder: Path) -> None:
    path = answers(folder, "parts.csv", {"Ann": [0], "Bo": [5]})
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    at = frame.index % 48
    ann = frame["reader"] == "Ann"
    frame[(ann & (at < 30)) | (~ann & (at >= 20))].to_csv(path, index=False)
    write_readers(folder, {"options": {"answers": "parts.csv"}})
    said = " ".join(ran(folder).split())
    # the last image has an answer of nobody
    assert said.count("not crossed: only 10 of 47 cases have an answer of every reader") == 1
    # each by itself is told all the same
    shown = abl(folder, "table", "tiny", "--show", "readers").output
    assert "Ann" in shown
    assert "pooled6" in shown


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda frame: frame.assign(image="png/none.png"),
            "case 'png/none.png' has no known truth",
        ),
        (lambda frame: frame.assign(answer="malignent"), "did you mean 'malignant'?"),
        (lambda frame: frame.drop(columns="image"), "no column case or image"),
        (lambda frame: pd.concat([frame, frame.tail(1)]), "answered case"),
    ],
)
def test_bad_answers_are_told_with_their_row_before_anything_runs(
    folder: Path, tmp_path: Path, change: object, told: str
) -> None:
    path = answers(folder, "bad.csv", {"Ann": [0]})
    change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)  # type: ignore[operator]
    write_readers(folder, {"options": {"answers": "bad.csv"}})
    said = abl(folder, "plan", "tiny.yaml")
    assert said.exit_code == 2
    assert told in said.output
    assert re.match(r"abl: \S*bad\.csv:\d+: ", said.output.splitlines()[0]), said.output


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"options": {"answers": "none.csv"}}, "options.answers: no file 'none.csv'"),
        ({"options": {"answers": "a.csv", "simulated": [
            {"name": "x", "sensitivity": 0.9, "specificity": 0.9}]}},
         "answers and simulated: give one of them"),
        ({"options": {"simulated": [{"name": "x", "sensitivity": 1, "specificity": 0.9}]}},
         "less than 1"),
        ({"data.unit": "patient", "data.patient_label": "majority"}, "write unit: image"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_told(
    folder: Path, changes: Mapping[str, object], told: str
) -> None:
    write_readers(folder, changes)
    said = abl(folder, "plan", "tiny.yaml")
    assert said.exit_code == 2
    assert told in said.output
    assert said.output.startswith("abl: tiny.yaml:")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["page", "tini"], "no sweep 'tini' was run here: did you mean 'tiny'?"),
        (["page", "tiny", "--data", "elsewhere"], ""),
        (["none.csv", "--sweep", "tiny"], "none.csv: no such file"),
        (["1.csv", "--sweep", "tiny", "--classes", "a,b"], "leave it out"),
    ],
)
def test_what_the_command_cannot_do_is_one_line(folder: Path, words: list[str], told: str) -> None:
    said = abl(folder, "readers", *words)
    if not told:
        assert said.exit_code == 0
        return
    assert said.exit_code == 2
    assert told in said.output
    assert len(said.output.strip().splitlines()) == 1


def test_simulated_readers_need_no_file_and_say_so(tmp_path: Path) -> None:
    readers = [
        {"name": f"r{at}", "sensitivity": 0.8, "specificity": 0.9, "missing": 0.05,
         "aided": {"sensitivity": 0.95, "specificity": 0.95}}
        for at in range(3)
    ]  # fmt: skip
    write_readers(tmp_path, {"options": {"simulated": readers}})
    said = ran(tmp_path)
    assert "3 simulated readers on 48 images" in said
    assert "Treatments: aided, unaided. Which was read first is not stated" in said
    (report,) = (tmp_path / "mlruns/store/sweeps/tiny").glob("*/report.html")
    page = report.read_text(encoding="utf-8")
    assert "The readers are simulated: their answers say nothing of people." in page
    assert "readers may remember images" in page
    treatments = pd.read_parquet(report.with_name("treatments.parquet"))
    assert set(treatments["first"] + treatments["second"]) == {"aidedunaided"}
    assert np.isfinite(treatments["difference"]).all()


def test_where_no_patients_are_known_images_are_what_is_resampled(tmp_path: Path) -> None:
    write_tiny_set(tmp_path / "images")
    manifest = tmp_path / "images/manifest.csv"
    pd.read_csv(manifest, dtype=str).drop(columns=["patient", "nodule"]).to_csv(
        manifest, index=False
    )
    readers = [{"name": f"r{at}", "sensitivity": 0.8, "specificity": 0.9} for at in range(5)]
    write_readers(tmp_path, {"options": {"simulated": readers}})
    ran(tmp_path)
    said = " ".join(abl(tmp_path, "table", "tiny", "--show", "readers").output.split())
    assert "clusters are images" in said
    (report,) = (tmp_path / "mlruns/store/sweeps/tiny").glob("*/report.html")
    page = " ".join(report.read_text(encoding="utf-8").split())
    assert "with 95 % intervals by images" in page
    assert "bootstrap resamples of images" in page
    # 40 rows and more scroll in themselves: 7 raters are 21 pairs, of 4 statistics
    long = [part[:200] for part in page.split('class="scroll')[1:] if part.startswith(" long")]
    assert [re.search(r'aria-label="[^"]*: ([^":]*)"', part)[1] for part in long] == [
        "pairs of raters"
    ]
