"""`abl readers page`: pages of pairs, and the two pages of a study with and without an aid."""

from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from abl.data.image_codes import image_code
from abl.spec.yaml_file import yaml_text
from commands import abl
from tiny_sweeps import TWO_NETWORKS, changed, write_tiny_set

FIRST, SECOND = 60, 200  # grey levels of the second images of the two classes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep whose manifest names a second image of each row; networks see both."""
    folder = tmp_path_factory.mktemp("pairs")
    manifest = write_tiny_set(folder / "images")
    table = pd.read_csv(manifest, dtype=str)
    (folder / "images/second").mkdir()
    table["image2"] = [f"second/{Path(name).name}" for name in table["image"]]
    for at, name in enumerate(table["image2"]):
        grey = np.full((24, 36), FIRST + at, np.uint8)
        grey[0, :12] = 0  # no two alike
        Image.fromarray(grey).save(folder / "images" / name)
    table.to_csv(manifest, index=False)
    sweep = changed(TWO_NETWORKS, {"data.modality": "both", "train.fusion": "early"})
    (folder / "tiny.yaml").write_text(yaml_text(sweep), encoding="utf-8")
    alone = changed(sweep, {"name": "alone", "data.modality": None, "train.fusion": None})
    (folder / "alone.yaml").write_text(yaml_text(alone), encoding="utf-8")
    for file in ("tiny.yaml", "alone.yaml"):
        ran = abl(folder, "sweep", file, "--executor", "local", "--record", "off")
        assert ran.exit_code == 0, ran.output
    return folder


def shown(page: Path) -> list[dict[str, Any]]:
    found = re.search(r'id="table">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    images: list[dict[str, Any]] = json.loads(found[1])["images"]
    return images


def pixels(picture: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(b64decode(picture["source"].partition(",")[2]))))


def test_a_pair_is_shown_with_both_of_its_images(folder: Path) -> None:
    said = abl(folder, "readers", "page", "tiny", "--out", "page")
    assert said.exit_code == 0, said.output
    table = pd.read_csv(folder / "images/manifest.csv", dtype=str)
    row_of = {image_code(name): at for at, name in enumerate(table["image"])}
    images = shown(folder / "page/reading.html")
    assert len(images) == len(table)
    for image in images:
        first, second = image["pictures"]
        assert (first["width"], first["height"]) == (24, 24)
        assert (second["width"], second["height"]) == (36, 24)
        grey = FIRST + row_of[image["code"]]
        assert abs(float(np.median(pixels(second))) - grey) < 3


def test_second_images_of_single_ones_are_shown_where_that_is_asked_for(folder: Path) -> None:
    for words, count in (((), 1), (("--pairs",), 2)):
        said = abl(folder, "readers", "page", "alone", "--out", "alone", *words)
        assert said.exit_code == 0, said.output
        images = shown(folder / "alone/reading.html")
        assert {len(image["pictures"]) for image in images} == {count}


def test_with_an_aid_there_are_two_pages_and_answers_of_both_are_compared(folder: Path) -> None:
    said = abl(folder, "readers", "page", "tiny", "--out", "aid", "--aid", "pooled6")
    assert said.exit_code == 0, said.output
    assert "--base unaided --order unaided,aided" in " ".join(said.output.split())
    unaided, aided = (shown(folder / f"aid/reading_{name}.html") for name in ("unaided", "aided"))
    assert {image["aid"] for image in unaided} == {""}
    heads = [
        (folder / f"aid/reading_{name}.html").read_text("utf-8") for name in ("unaided", "aided")
    ]
    assert ["or what networks said" in head for head in heads] == [True, False]
    assert ["It may be wrong." in head for head in heads] == [False, True]
    codes = [[image["code"] for image in images] for images in (unaided, aided)]
    assert codes[0] != codes[1]
    assert sorted(codes[0]) == sorted(codes[1])
    table = pd.read_csv(folder / "images/manifest.csv", dtype=str)
    rows = []
    for treatment, images in (("unaided", unaided), ("aided", aided)):
        for image in images:
            said_first = re.fullmatch(r"(\w+) (0\.\d\d|1\.00), (\w+) (0\.\d\d)", image["aid"])
            assert (said_first is None) == (treatment == "unaided")
            answer = said_first[1] if said_first else "benign"
            rows += [
                {
                    "image": image["code"],
                    "reader": name,
                    "treatment": treatment,
                    "session": "1",
                    "answer": answer,
                }
                for name in ("Ann", "Bo")
            ]
    pd.DataFrame(rows).to_csv(folder / "answers.csv", index=False)
    words = ("--sweep", "tiny", "--base", "unaided", "--order", "unaided,aided", "--json")
    said = abl(folder, "readers", "answers.csv", *words)
    assert said.exit_code == 0, said.output
    facts = json.loads(said.stdout)
    raters = {(each["reader"], each["treatment"]): each for each in facts["raters"]}
    network = raters["pooled6", "unaided"]
    assert facts["treatments"] == ["aided", "unaided"]
    assert facts["sessions"] == ["1"]
    assert {each["treatment"] for each in facts["against"]} == {"aided", "unaided"}
    beside = [
        each for each in facts["pairs"] if {each["first"], each["second"]} == {"Ann", "pooled6"}
    ]
    assert {each["treatment"]: each["same"] for each in beside}["aided"] == len(table)
    # readers who follow the aid are the network
    for name in ("tp", "fn", "fp", "tn"):
        assert raters["Ann", "aided"][name] == network[name]
    assert raters["Ann", "unaided"]["tp"] == 0
    assert len(table) == sum(network[name] for name in ("tp", "fn", "fp", "tn"))


def test_chosen_arms_alone_are_set_beside_the_readers(folder: Path) -> None:
    table = pd.read_csv(folder / "images/manifest.csv", dtype=str)
    rows = [
        {"image": image, "reader": name, "answer": label}
        for name in ("Ann", "Bo")
        for image, label in zip(table["image"], table["label"], strict=True)
    ]
    pd.DataFrame(rows).to_csv(folder / "right.csv", index=False)

    def algorithms(*words: str) -> list[str]:
        said = abl(folder, "readers", "right.csv", "--sweep", "tiny", "--json", *words)
        assert said.exit_code == 0, said.output
        facts = json.loads(said.stdout)
        assert {each["algorithm"] for each in facts["against"]} == set(facts["algorithms"])
        return list(facts["algorithms"])

    assert algorithms() == ["pooled3", "pooled6"]
    assert algorithms("--arm", "pooled6") == ["pooled6"]
    assert algorithms("--arm", "#2", "--arm", "pooled3") == ["pooled3", "pooled6"]
    for words, told in (
        (("--sweep", "tiny", "--arm", "poled6"), "--arm poled6: tiny: no arm has 'poled6'"),
        (("--sweep", "tiny", "--arm", "#7"), "#1 to #2"),
        (("--arm", "pooled6"), "name that with --sweep"),
    ):
        said = abl(folder, "readers", "right.csv", *words)
        assert said.exit_code == 2
        assert told in said.output
        assert len(said.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--aid", "poled6"), "no arm has 'poled6': did you mean 'pooled6'?"),
        (("--aid", "pooled6", "--treatment", "aided"), "leave it out"),
    ],
)
def test_what_cannot_be_shown_is_one_line(folder: Path, words: tuple[str, ...], told: str) -> None:
    said = abl(folder, "readers", "page", "tiny", "--out", "none", *words)
    assert said.exit_code == 2
    assert told in said.output
    assert len(said.output.strip().splitlines()) == 1
    assert not (folder / "none").exists()


@pytest.mark.parametrize(
    ("words", "name"), [([], "reading"), (["--aid", "pooled3"], "reading_aided")]
)
def test_a_page_that_is_none_of_abl_stays(folder: Path, words: list[str], name: str) -> None:
    (out := folder / f"others_{name}").mkdir()
    other = out / f"{name}.html"
    other.write_text("<p>notes</p>", encoding="utf-8")
    command = ["readers", "page", "alone", "--out", out.name, *words]
    found = abl(folder, *command)
    assert found.exit_code == 2, found.output
    assert found.stderr == (
        f"abl: {out.name}/{name}.html: is there already: move it away, or write elsewhere with "
        "--out FOLDER\n"
    )
    assert (other.read_text("utf-8"), len(list(out.iterdir()))) == ("<p>notes</p>", 1)
    other.unlink()
    for _ in range(2):  # its own page is written anew
        assert abl(folder, *command).exit_code == 0
